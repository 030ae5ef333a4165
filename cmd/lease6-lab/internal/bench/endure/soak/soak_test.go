package soak

import (
	"strings"
	"testing"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/endure/vitals"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load"
)

// samples makes vitals, one a minute, of which the RSS in MiB is as the function says.
func samples(n int, rss func(i int) float64) []vitals.Vitals {
	var all []vitals.Vitals
	for i := range n {
		all = append(all, vitals.Vitals{At: time.Duration(i) * time.Minute, RSS: int64(rss(i) * (1 << 20)), Goroutines: 15, Files: 16})
	}
	return all
}

func TestTrends(t *testing.T) {
	for _, tt := range []struct {
		name string
		rss  func(i int) float64
		flat bool
	}{
		{"constant", func(int) float64 { return 100 }, true},
		{"warms up, then constant", func(i int) float64 { return min(100, 40+10*float64(i)) }, true},
		{"falls", func(i int) float64 { return 100 - float64(i) }, true},
		{"a saw", func(i int) float64 { return 100 + 40*float64(i%6/5) }, true},
		{"a MiB every five minutes", func(i int) float64 { return 100 + float64(i)/5 }, true},
		{"a MiB a minute", func(i int) float64 { return 100 + float64(i) }, false},
		{"a step behind two thirds", func(i int) float64 { return 100 + 20*float64(i/40) }, false},
		{"faster and faster", func(i int) float64 { return 100 + float64(i*i)/100 }, false},
	} {
		all := trends(samples(60, tt.rss))
		if len(all) != 3 {
			t.Fatalf("%d trends", len(all))
		}
		if all[0].flat() != tt.flat {
			t.Errorf("%s: %s", tt.name, &all[0])
		}
		if !all[1].flat() || !all[2].flat() || all[1].Slope != 0 {
			t.Errorf("%s: what is constant is not flat: %v", tt.name, all[1:])
		}
	}
	if got := trends(samples(fewest-1, func(int) float64 { return 1 })); got != nil {
		t.Errorf("judged by too few: %v", got)
	}
	leaking := samples(60, func(int) float64 { return 100 })
	for i := range leaking {
		leaking[i].Goroutines, leaking[i].Files = 15+i, 16+i/10
	}
	all := trends(leaking)
	if all[1].flat() || all[1].Slope < 0.99 || all[1].Slope > 1.01 || !strings.Contains(all[1].String(), "grows") {
		t.Errorf("a goroutine a minute: %s", &all[1])
	}
	if all[2].flat() {
		t.Errorf("a descriptor in ten minutes: %s", &all[2])
	}
}

func TestVerdict(t *testing.T) {
	sound := func() *Report {
		return &Report{
			Hosts: 10, Extra: 2, After: load.Result{Exchanges: 12}, Trends: trends(samples(9, func(int) float64 { return 100 })),
		}
	}
	for _, tt := range []struct {
		name  string
		spoil func(*Report)
		want  string
	}{
		{"all well", func(*Report) {}, ""},
		{"wrong", func(r *Report) { r.Turns[0].add(&load.Result{Wrong: 1, Faults: map[string]uint64{"refused": 1}}) }, "refused:1"},
		{"no answer", func(r *Report) { r.Turns[1].add(&load.Result{Unanswered: 3}) }, "3 exchanges without"},
		{"sent again", func(r *Report) { r.Turns[1].add(&load.Result{Retransmissions: 2}) }, "2 messages sent again"},
		{"one is not served at the end", func(r *Report) { r.After.Exchanges = 11 }, "11 of 12"},
		{"grows", func(r *Report) { r.Trends = trends(samples(60, func(i int) float64 { return float64(i) })) }, "not flat"},
		{"too few looks", func(r *Report) { r.Trends = nil }, "too few"},
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
		{"too few hosts", &Options{Hosts: 10}, "at least 64"},
		{"too short", &Options{Time: time.Second}, "at least 6 looks"},
	} {
		check(t, tt.name, tt.o.complete(), tt.want)
	}
}

func check(t *testing.T, name string, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q", name, err, want)
	}
}
