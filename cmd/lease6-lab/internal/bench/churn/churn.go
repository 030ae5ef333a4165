package churn

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load"
)

// Options say how much changes how often.
type Options struct {
	Hosts    int           // reservations at the beginning; 0 is 100,000
	Leases   int           // added a second; 0 is 1,000
	Reload   time.Duration // between two reloads of the configuration; 0 is 1 s
	Duration time.Duration // of each run; the lease file is replaced in the middle; 0 is 10 s
	Rate     float64       // exchanges a second; 0 is half of what the server can
	Programs map[string]string
	Progress io.Writer // what is being done; nil discards
}

func (o *Options) complete() {
	if o.Hosts == 0 {
		o.Hosts = 100000
	}
	if o.Leases == 0 {
		o.Leases = 1000
	}
	if o.Reload == 0 {
		o.Reload = time.Second
	}
	if o.Duration == 0 {
		o.Duration = 10 * time.Second
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
}

// Report is what came of it.
type Report struct {
	Hosts    int         `json:"hosts"`
	Capacity float64     `json:"capacity"` // exchanges a second, in a closed loop
	Rate     float64     `json:"rate"`     // exchanges a second, in the runs
	Quiet    load.Result `json:"quiet"`    // nothing changes
	Changing load.Result `json:"changing"`
	Added    int         `json:"added"`    // leases, by appending
	Reloads  int         `json:"reloads"`  // of the configuration
	Replaced int         `json:"replaced"` // lease files
	After    load.Result `json:"after"`    // every client once, those added too
}

// lost is the number of exchanges in which anything did not go as it should at once.
func lost(r *load.Result) uint64 { return r.Retransmissions + r.Wrong + r.Unanswered + r.Skipped }

// WriteText writes the report as a table.
func (r *Report) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "%d leases, %.0f exchanges a second of %.0f that it can\n", r.Hosts, r.Rate, r.Capacity)
	fmt.Fprintf(w, "changes: %d leases added, configuration reloaded %d times, lease file replaced %d times\n", r.Added, r.Reloads, r.Replaced)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "run\texchanges\tlost\tp50\tp99\tp99.9\tworst\tCPU µs each\t")
	for _, run := range []struct {
		name   string
		result *load.Result
	}{{"quiet", &r.Quiet}, {"changing", &r.Changing}, {"all clients, after", &r.After}} {
		x := run.result
		fmt.Fprintf(t, "%s\t%d\t%d\t%v\t%v\t%v\t%v\t%.2f\t\n", run.name, x.Exchanges, lost(x), us(x.P50), us(x.P99), us(x.P999), us(x.Worst),
			float64(x.CPUPerExchange())/1e3)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("churn: %w", err)
	}
	_, err := fmt.Fprintf(w, "worst answer with changes: %v more than without\n", us(r.Changing.Worst-r.Quiet.Worst))
	return err
}

func us(d time.Duration) time.Duration { return d.Round(time.Microsecond) }

// verdict is an error if a client did not get its address. Times are for people to judge.
func (r *Report) verdict() error {
	for _, x := range []*load.Result{&r.Quiet, &r.Changing, &r.After} {
		if x.Wrong+x.Unanswered > 0 {
			return fmt.Errorf("churn: %d wrong answers, %d clients without one", x.Wrong, x.Unanswered)
		}
	}
	if n := uint64(r.Hosts + r.Added); r.After.Exchanges != n {
		return fmt.Errorf("churn: %d of %d clients were served after the changes", r.After.Exchanges, n)
	}
	return nil
}
