package hotplug

import (
	"strings"
	"testing"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/endure/vitals"
)

func TestVerdict(t *testing.T) {
	sound := func() *Report {
		v := vitals.Vitals{RSS: 30 << 20, Goroutines: 15, Files: 16}
		return &Report{
			Interfaces: 10, Cycles: 5, First: Appeared{Answered: 10}, Again: Appeared{Answered: 5}, Last: Appeared{Answered: 10},
			Quiet: Phase{Sample: Tally{Exchanges: 1}}, Churn: Phase{Sample: Tally{Exchanges: 1}}, Before: v, Third: v, After: v,
			Memberships: vitals.Memberships{Interfaces: 10, Joined: 10},
		}
	}
	for _, tt := range []struct {
		name  string
		spoil func(*Report)
		want  string // in the error; "" for none
	}{
		{"all well", func(*Report) {}, ""},
		{"an exchange lost", func(r *Report) { r.Churn.Sample.Lost = 1 }, "1 exchanges lost"},
		{"a wrong answer", func(r *Report) { r.Churn.Sample.Wrong = 1 }, "1 wrong answers"},
		{"nobody was served", func(r *Report) { r.Churn.Sample.Exchanges = 0 }, "no exchange"},
		{"nothing came and went", func(r *Report) { r.Cycles = 0 }, "no interface was deleted"},
		{"a new interface is not served", func(r *Report) { r.Again.Never = 1 }, "1 VMs got no answer"},
		{"one is not served at the end", func(r *Report) { r.Last.Answered = 9 }, "9 of 10"},
		{"a membership is missing", func(r *Report) { r.Memberships.Joined = 9 }, "memberships"},
		{"a stray membership", func(r *Report) { r.Memberships.Stray = 1 }, "memberships"},
		{"an interface was not made", func(r *Report) { r.Memberships = vitals.Memberships{Interfaces: 9, Joined: 9} }, "memberships"},
		{"goroutines", func(r *Report) { r.After.Goroutines += 3 }, "goroutines: 15 before, 18 after"},
		{"descriptors", func(r *Report) { r.After.Files += 2 }, "descriptors: 16 before, 18 after"},
		{"memory", func(r *Report) { r.After.RSS *= 2 }, "RSS"},
		{"memory breathes", func(r *Report) { r.After.RSS += 5 << 20 }, ""},
	} {
		r := sound()
		tt.spoil(r)
		check(t, tt.name, r.verdict(), tt.want)
	}
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    *Options
		want string
	}{
		{"defaults", &Options{}, ""},
		{"one interface", &Options{Interfaces: 1}, "want 2 to 4094"},
		{"more than there are VLANs", &Options{Interfaces: 4095}, "want 2 to 4094"},
		{"negative rate", &Options{Rate: -1}, "positive"},
	} {
		check(t, tt.name, tt.o.complete(), tt.want)
	}
	o := Options{Interfaces: 7, Sample: 5}
	if err := o.complete(); err != nil {
		t.Fatal(err)
	}
	if sample, others := o.split(); len(sample) != 3 || len(others) != 4 {
		t.Errorf("sample %v, others %v", sample, others)
	}
}

func TestTimes(t *testing.T) {
	var d []time.Duration
	for i := 100; i > 0; i-- {
		d = append(d, time.Duration(i))
	}
	if got, want := timesOf(d), (Times{P50: 51, P99: 100, Worst: 100}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := timesOf(nil); got != (Times{}) {
		t.Errorf("of nothing: %+v", got)
	}
}

func check(t *testing.T, name string, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q", name, err, want)
	}
}
