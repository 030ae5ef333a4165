package soak

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/endure/vitals"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load"
)

// Options say for how long lease6d is kept busy and what changes meanwhile.
type Options struct {
	Time     time.Duration // 0 is 10 minutes
	Hosts    int           // leases that stay; 0 is 100,000
	Leases   int           // that come or go a second, by appending to the lease file; 0 is 100
	Replace  time.Duration // between two replacements of the lease file; 0 is a minute
	Reload   time.Duration // between two changes of the configuration; 0 is 10 s
	Sample   time.Duration // between two looks at lease6d, and the length of a turn of relayed or direct clients; 0 is 10 s
	Programs map[string]string
	Progress io.Writer // what is being done; nil discards
}

func (o *Options) complete() error {
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{{&o.Time, 10 * time.Minute}, {&o.Replace, time.Minute}, {&o.Reload, 10 * time.Second}, {&o.Sample, 10 * time.Second}} {
		if *d.value == 0 {
			*d.value = d.usual
		}
	}
	if o.Hosts == 0 {
		o.Hosts = 100000
	}
	if o.Leases == 0 {
		o.Leases = 100
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	if o.Hosts < window || o.Leases < 0 {
		return fmt.Errorf("soak: %d hosts, %d leases a second: want at least %d and 0", o.Hosts, o.Leases, window)
	}
	if o.Time < fewest*o.Sample {
		return fmt.Errorf("soak: a soak of %v with a look every %v: want at least %d looks", o.Time, o.Sample, fewest)
	}
	return nil
}

const (
	window = 64 // exchanges in flight
	fewest = 6  // samples by which something is judged
)

// Turns is the sum over all turns of one kind of clients. P50 is the mean of the turns' medians, P999 and Worst are those
// of the worst turn.
type Turns struct {
	Mode            string            `json:"mode"`
	Turns           int               `json:"turns"`
	Exchanges       uint64            `json:"exchanges"`
	Elapsed         time.Duration     `json:"elapsed"`
	Retransmissions uint64            `json:"retransmissions"`
	Wrong           uint64            `json:"wrong"`
	Faults          map[string]uint64 `json:"faults,omitempty"`
	Unanswered      uint64            `json:"unanswered"`
	P50             time.Duration     `json:"p50"`
	P999            time.Duration     `json:"p999"`
	Worst           time.Duration     `json:"worst"`
	ServerCPU       time.Duration     `json:"server_cpu"`
}

func (t *Turns) add(r *load.Result) {
	t.P50 = (t.P50*time.Duration(t.Turns) + r.P50) / time.Duration(t.Turns+1)
	t.Turns++
	t.Exchanges += r.Exchanges
	t.Elapsed += r.Elapsed
	t.Retransmissions += r.Retransmissions
	t.Wrong += r.Wrong
	for name, n := range r.Faults {
		if t.Faults == nil {
			t.Faults = make(map[string]uint64)
		}
		t.Faults[name] += n
	}
	t.Unanswered += r.Unanswered
	t.P999, t.Worst = max(t.P999, r.P999), max(t.Worst, r.Worst)
	t.ServerCPU += r.ServerCPU
}

// Report is what came of it.
type Report struct {
	Hosts    int             `json:"hosts"`
	Extra    int             `json:"extra"` // leases that come and go
	Turns    [2]Turns        `json:"turns"`
	Appended int             `json:"appended"` // records, by which a lease came or went
	Reloads  int             `json:"reloads"`  // of a changed configuration
	Replaced int             `json:"replaced"` // lease files
	Samples  []vitals.Vitals `json:"samples"`
	Trends   []Trend         `json:"trends"`
	After    load.Result     `json:"after"` // every client once, those that come and go too
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "%d leases and %d that come and go; %d records appended, configuration changed %d times, lease file replaced %d times\n",
		r.Hosts, r.Extra, r.Appended, r.Reloads, r.Replaced)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "clients\tturns\texchanges\ta second\tCPU µs each\tsent again\twrong\tunanswered\tp50\tp99.9\tworst\t")
	for i := range r.Turns {
		x := &r.Turns[i]
		fmt.Fprintf(t, "%s\t%d\t%d\t%.0f\t%.2f\t%d\t%d\t%d\t%v\t%v\t%v\t\n", x.Mode, x.Turns, x.Exchanges,
			float64(x.Exchanges)/max(x.Elapsed.Seconds(), 1e-9), float64(x.ServerCPU.Microseconds())/float64(max(x.Exchanges, 1)),
			x.Retransmissions, x.Wrong, x.Unanswered, ms(x.P50), ms(x.P999), ms(x.Worst))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("soak: %w", err)
	}
	fmt.Fprintln(t, "time\tRSS MiB\theap MiB\tgoroutines\tdescriptors\t")
	for _, v := range r.Samples {
		fmt.Fprintf(t, "%v\t%.1f\t%.1f\t%d\t%d\t\n", v.At.Round(100*time.Millisecond), vitals.MiB(v.RSS), vitals.MiB(v.Heap), v.Goroutines, v.Files)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("soak: %w", err)
	}
	for i := range r.Trends {
		fmt.Fprintln(w, &r.Trends[i])
	}
	_, err := fmt.Fprintf(w, "all clients once, after: %d served, %d sent again, %d wrong, %d unanswered\n",
		r.After.Exchanges, r.After.Retransmissions, r.After.Wrong, r.After.Unanswered)
	return err
}

func ms(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

// verdict is an error if a client did not get its address at once or something grew.
func (r *Report) verdict() error {
	var errs []error
	for i := range r.Turns {
		if t := &r.Turns[i]; t.Wrong+t.Unanswered+t.Retransmissions > 0 {
			errs = append(errs, fmt.Errorf("soak: %s clients: %d wrong answers (%v), %d messages sent again, %d exchanges without an answer",
				t.Mode, t.Wrong, t.Faults, t.Retransmissions, t.Unanswered))
		}
	}
	if n := uint64(r.Hosts + r.Extra); r.After.Exchanges != n || r.After.Wrong > 0 {
		errs = append(errs, fmt.Errorf("soak: %d of %d clients are served at the end, with %d wrong answers", r.After.Exchanges, n, r.After.Wrong))
	}
	if len(r.Trends) == 0 {
		errs = append(errs, errors.New("soak: too few looks at lease6d to judge"))
	}
	for i := range r.Trends {
		if t := &r.Trends[i]; !t.flat() {
			errs = append(errs, fmt.Errorf("soak: not flat: %s", t))
		}
	}
	return errors.Join(errs...)
}
