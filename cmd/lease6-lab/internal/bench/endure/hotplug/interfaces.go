package hotplug

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/endure/fabric"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/endure/vitals"
)

// Options say how many interfaces come and go.
type Options struct {
	Interfaces int           // 0 is 1,000
	Rate       float64       // of them deleted and made again a second; 0 is 50
	Time       time.Duration // for which; 0 is a minute
	Sample     int           // of them that stay and are served all the time; 0 is 100, at most half of all
	Exchanges  float64       // a second, of the sample all together; 0 is 500
	Programs   map[string]string
	Progress   io.Writer // what is being done; nil discards
}

func (o *Options) complete() error {
	if o.Interfaces == 0 {
		o.Interfaces = 1000
	}
	if o.Rate == 0 {
		o.Rate = 50
	}
	if o.Time == 0 {
		o.Time = time.Minute
	}
	if o.Sample == 0 {
		o.Sample = 100
	}
	if o.Exchanges == 0 {
		o.Exchanges = 500
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	o.Sample = min(o.Sample, o.Interfaces/2)
	if o.Interfaces < 2 || o.Interfaces > fabric.MaxInterfaces {
		return fmt.Errorf("hotplug: %d interfaces: want 2 to %d, as many as there are VLANs", o.Interfaces, fabric.MaxInterfaces)
	}
	if o.Rate < 0 || o.Time < 0 || o.Sample < 1 || o.Exchanges < 0 {
		return errors.New("hotplug: rate, time, sample and exchanges must be positive")
	}
	return nil
}

// split says which VMs are the sample, evenly among the others, and which are the others.
func (o *Options) split() (sample, others []int) {
	step := o.Interfaces / o.Sample
	for i := range o.Interfaces {
		if i%step == 0 && len(sample) < o.Sample {
			sample = append(sample, i)
		} else {
			others = append(others, i)
		}
	}
	return sample, others
}

// Phase is the service that the sample had for some time, and what lease6d did meanwhile.
type Phase struct {
	Length time.Duration `json:"length"`
	CPU    float64       `json:"cpu"` // part of one CPU that lease6d had
	Sample Tally         `json:"sample"`
}

// Appeared is how long VMs waited for their first answer, from when their interface was turned on.
type Appeared struct {
	Answered int   `json:"answered"`
	Never    int   `json:"never"` // not within the patience
	Times    Times `json:"times"`
}

// Report is what came of it.
type Report struct {
	Kind        string             `json:"kind"` // of the interfaces: vlan or veth
	Interfaces  int                `json:"interfaces"`
	Sample      int                `json:"sample"`
	Asked       float64            `json:"asked"`       // interfaces to be made again a second
	Made        time.Duration      `json:"made"`        // to make all of them, the first time
	Cycles      int                `json:"cycles"`      // interfaces deleted and made again
	Rate        float64            `json:"rate"`        // a second, as it came out
	First       Appeared           `json:"first"`       // all VMs, when their interfaces were new
	Again       Appeared           `json:"again"`       // VMs whose interface was made again
	Last        Appeared           `json:"last"`        // all VMs, asked once more at the end
	Quiet       Phase              `json:"quiet"`       // nothing changes
	Churn       Phase              `json:"churn"`       // interfaces are deleted and made again
	Before      vitals.Vitals      `json:"before"`      // all interfaces are there, nothing has been deleted
	Third       vitals.Vitals      `json:"third"`       // a third of the churn is over
	After       vitals.Vitals      `json:"after"`       // all interfaces are there again
	Memberships vitals.Memberships `json:"memberships"` // after
}

// followerCPU is the CPU that lease6d spent on one interface that was deleted and made again.
func (r *Report) followerCPU() time.Duration {
	if r.Cycles == 0 {
		return 0
	}
	return time.Duration((r.Churn.CPU - r.Quiet.CPU) * float64(r.Churn.Length) / float64(r.Cycles))
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "%d interfaces (%s), made in %v; %d deleted and made again, %.1f a second (%.0f asked)\n",
		r.Interfaces, r.Kind, ms(r.Made), r.Cycles, r.Rate, r.Asked)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "from interface to answer\tVMs\tnever\tp50\tp99\tworst\t")
	for _, x := range []struct {
		name string
		a    *Appeared
	}{{"all, at first", &r.First}, {"made again", &r.Again}, {"all, asked at the end", &r.Last}} {
		fmt.Fprintf(t, "%s\t%d\t%d\t%v\t%v\t%v\t\n", x.name, x.a.Answered, x.a.Never, ms(x.a.Times.P50), ms(x.a.Times.P99), ms(x.a.Times.Worst))
	}
	fmt.Fprintf(t, "the other %d meanwhile\texchanges\tlost\tp50\tp99\tworst\twrong\tlease6d's CPU\t\n", r.Sample)
	for _, x := range []struct {
		name string
		p    *Phase
	}{{"nothing changes", &r.Quiet}, {"interfaces come and go", &r.Churn}} {
		s := &x.p.Sample
		fmt.Fprintf(t, "%s\t%d\t%d\t%v\t%v\t%v\t%d\t%.1f %%\t\n", x.name, s.Exchanges, s.Lost, ms(s.Times.P50), ms(s.Times.P99), ms(s.Times.Worst),
			s.Wrong, 100*x.p.CPU)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("hotplug: %w", err)
	}
	fmt.Fprintf(w, "lease6d's CPU for each interface made again: %v\nbefore: %s\na third: %s\nafter:  %s\n",
		ms(r.followerCPU()), r.Before, r.Third, r.After)
	m := &r.Memberships
	_, err := fmt.Fprintf(w, "multicast: %d of %d interfaces joined, %d stray memberships\n", m.Joined, m.Interfaces, m.Stray)
	return err
}

func ms(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

// What may be more at the end than before. Memory is compared with that after a third, because a heap that was at rest
// first grows to what its garbage needs.
const (
	slackGoroutines = 2
	slackFiles      = 1
	slackRSS        = 8 << 20
	slackRSSPart    = 0.1
)

// verdict is an error if a client did not get its address or something is left behind. Times are for people to judge.
func (r *Report) verdict() error {
	var errs []error
	complain := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("hotplug: "+format, args...))
		}
	}
	for _, p := range []*Phase{&r.Quiet, &r.Churn} {
		s := &p.Sample
		complain(s.Wrong > 0, "%d wrong answers: %v", s.Wrong, s.Faults)
		complain(s.Lost+s.SendErrors > 0, "%d exchanges lost, %d messages not sent", s.Lost, s.SendErrors)
		complain(s.Exchanges == 0, "the sample had no exchange")
	}
	for _, a := range []*Appeared{&r.First, &r.Again, &r.Last} {
		complain(a.Never > 0, "%d VMs got no answer on their interface", a.Never)
	}
	complain(r.Last.Answered != r.Interfaces, "%d of %d VMs are served at the end", r.Last.Answered, r.Interfaces)
	complain(r.Cycles == 0, "no interface was deleted and made again")
	complain(r.Memberships.Interfaces != r.Interfaces || !r.Memberships.Complete(), "memberships do not fit the interfaces: %+v", r.Memberships)
	complain(r.After.Goroutines > r.Before.Goroutines+slackGoroutines, "goroutines: %d before, %d after", r.Before.Goroutines, r.After.Goroutines)
	complain(r.After.Files > r.Before.Files+slackFiles, "descriptors: %d before, %d after", r.Before.Files, r.After.Files)
	most := float64(r.Third.RSS)*(1+slackRSSPart) + slackRSS
	complain(float64(r.After.RSS) > most, "RSS: %.1f MiB after a third, %.1f MiB at the end", vitals.MiB(r.Third.RSS), vitals.MiB(r.After.RSS))
	return errors.Join(errs...)
}
