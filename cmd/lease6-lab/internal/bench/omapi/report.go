package omapi

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench"
)

// Options say what to measure. The zero value of each has a default, but that of Open and Samples is none.
type Options struct {
	Hosts   int           // leases that are there while rates are taken; 0 is 1,000
	Rounds  int           // 0 is 9
	Round   time.Duration // of each operation in each round; 0 is 500 ms
	Sizes   []int         // numbers of leases at which the time until a new one is served is taken
	Samples int           // new leases for that
	ISCMost int           // leases that dhcpd is given for that; 0 is 10,000: its start takes minutes for a million
	Open    int           // connections at the same time

	Programs map[string]string
	Progress io.Writer // what is being done; nil discards
}

func (o *Options) complete() {
	for _, d := range []struct {
		value *int
		least int
	}{{&o.Hosts, 1000}, {&o.Rounds, 9}, {&o.ISCMost, 10000}} {
		if *d.value == 0 {
			*d.value = d.least
		}
	}
	if o.Round == 0 {
		o.Round = 500 * time.Millisecond
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
}

func (o *Options) say(format string, args ...any) { fmt.Fprintf(o.Progress, format+"\n", args...) }

// Names of the servers, as package peers has them.
const (
	ours   = "lease6d"
	theirs = "isc-dhcpd"
)

// Operation is what is asked for.
type Operation string

// The operations, in the order in which a round has them: each works on the hosts that the first has made.
const (
	Create Operation = "create"
	Update Operation = "update"
	LookUp Operation = "look up"
	Delete Operation = "delete"
)

var operations = [...]Operation{Create, Update, LookUp, Delete}

// Shape is how the load comes.
type Shape struct {
	Name        string `json:"name"`
	Connections int    `json:"connections"`
	Ahead       int    `json:"ahead"` // requests of a connection that are under way
}

// shapes are those that are measured. Much more ahead ends dhcpd, if requests are signed.
var shapes = [...]Shape{{"1 connection", 1, 1}, {"64 connections", 64, 1}, {"1 connection, 8 ahead", 1, 8}}

// Report is a whole measurement. Durations are nanoseconds in JSON.
type Report struct {
	Date    time.Time     `json:"date"`
	Machine bench.Machine `json:"machine"`
	Hosts   int           `json:"hosts"`
	Rounds  int           `json:"rounds"`
	Seconds float64       `json:"seconds"` // of each operation in each round
	Syncs   float64       `json:"syncs"`   // appends of one record, each made durable, that the disk does a second
	Rates   []Rate        `json:"rates"`
	Served  []Served      `json:"served"`
	Open    []Open        `json:"open"`
}

// Rate is one operation in one shape.
type Rate struct {
	Shape     Shape     `json:"shape"`
	Operation Operation `json:"operation"`
	Servers   []Server  `json:"servers"`
	Ratio     float64   `json:"ratio"` // of lease6d's rate to that of dhcpd in the same round, median; 0 if one is missing
}

// Server is what one server did.
type Server struct {
	Name   string    `json:"name"`
	Rounds []float64 `json:"rounds"` // requests a second
	Median float64   `json:"median"`
	CPU    float64   `json:"cpu"` // µs of the server for each request, median
	cpus   []float64
}

// Served is when new leases were served.
type Served struct {
	Server  string        `json:"server"`
	Leases  int           `json:"leases"`
	Start   time.Duration `json:"start"`   // of the server, until it answered
	Samples int           `json:"samples"` // new leases
	Refused int           `json:"refused"` // answers, after the reply, that did not have the new lease yet
	Old     time.Duration `json:"old"`     // an old lease: what asking takes, median
	P50     time.Duration `json:"p50"`     // from the OMAPI reply to the first answer with the new lease
	P99     time.Duration `json:"p99"`
	Worst   time.Duration `json:"worst"`
	Failed  string        `json:"failed,omitempty"`
}

// Open is what came of many open connections, each of which creates a host, looks it up and deletes it.
type Open struct {
	Server      string        `json:"server"`
	Connections int           `json:"connections"`
	Served      int           `json:"served"` // those on which all went well
	Took        time.Duration `json:"took"`
	Memory      int64         `json:"memory"` // bytes that the server has more than before
	Failed      string        `json:"failed,omitempty"`
}

// median of what is not empty.
func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(all))
	n := len(s) / 2
	if len(s)%2 == 0 {
		return (s[n-1] + s[n]) / 2
	}
	return s[n]
}

// summarize fills in what follows from the rounds.
func (r *Rate) summarize() {
	rounds := make(map[string][]float64)
	for i := range r.Servers {
		s := &r.Servers[i]
		s.Median, s.CPU = median(s.Rounds), median(s.cpus)
		rounds[s.Name] = s.Rounds
	}
	var ratios []float64
	for i := range min(len(rounds[ours]), len(rounds[theirs])) {
		ratios = append(ratios, rounds[ours][i]/rounds[theirs][i])
	}
	r.Ratio = median(ratios)
}

// verdict is an error if lease6d did not do what it must. Rates are for people to judge: the disk decides.
func (r *Report) verdict() error {
	for _, s := range r.Served {
		if s.Server == ours && (s.Failed != "" || s.Refused > 0) {
			return fmt.Errorf("omapi: lease6d, %d leases: %d answers without the new lease; %s", s.Leases, s.Refused, s.Failed)
		}
	}
	for _, o := range r.Open {
		if o.Server == ours && o.Served != o.Connections {
			return fmt.Errorf("omapi: lease6d served %d of %d open connections: %s", o.Served, o.Connections, o.Failed)
		}
	}
	return nil
}

// save writes the report to a file, for programs.
func (r *Report) save(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.WriteFile(path, append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("omapi: %w", err)
	}
	return nil
}

// WriteText writes the report as tables.
func (r *Report) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "%s · %s\n%d leases, %d rounds of %g s, medians (least–most); goal: 1 × dhcpd on one connection, 10 × on 64\ndisk: %.0f appends with fdatasync a second\n\n",
		r.Date.Format(time.DateOnly), r.Machine, r.Hosts, r.Rounds, r.Seconds, r.Syncs)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "load\toperation\tserver\trequests/s\t(range)\tCPU µs each\tof dhcpd")
	for i := range r.Rates {
		c := &r.Rates[i]
		for _, s := range c.Servers {
			if len(s.Rounds) == 0 {
				continue
			}
			ratio := ""
			if s.Name == ours && c.Ratio > 0 {
				ratio = fmt.Sprintf("%.1f ×", c.Ratio)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%.0f\t(%.0f–%.0f)\t%.1f\t%s\n", c.Shape.Name, c.Operation, s.Name, s.Median, slices.Min(s.Rounds), slices.Max(s.Rounds), s.CPU, ratio)
		}
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("omapi: %w", err)
	}
	return r.writeRest(w)
}

func (r *Report) writeRest(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(r.Served) > 0 {
		fmt.Fprintln(t, "\nfrom the reply to the first DHCPv6 answer with the new lease")
		fmt.Fprintln(t, "server\tleases\tstart\tnew leases\tp50\tp99\tworst\tan old lease, p50\tnot there yet")
	}
	for _, s := range r.Served {
		if s.Failed != "" {
			fmt.Fprintf(t, "%s\t%d\t%s\n", s.Server, s.Leases, s.Failed)
			continue
		}
		fmt.Fprintf(t, "%s\t%d\t%v\t%d\t%v\t%v\t%v\t%v\t%d\n", s.Server, s.Leases, s.Start.Round(time.Millisecond), s.Samples, us(s.P50), us(s.P99), us(s.Worst), us(s.Old), s.Refused)
	}
	if len(r.Open) > 0 {
		fmt.Fprintln(t, "\nopen connections, each with a host created, looked up and deleted")
		fmt.Fprintln(t, "server\tconnections\tserved\ttook\tmemory KiB each")
	}
	for _, o := range r.Open {
		fmt.Fprintf(t, "%s\t%d\t%d\t%v\t%.1f\t%s\n", o.Server, o.Connections, o.Served, us(o.Took), float64(o.Memory)/1024/float64(o.Connections), strings.TrimSpace(o.Failed))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("omapi: %w", err)
	}
	return nil
}

func us(d time.Duration) time.Duration { return d.Round(time.Microsecond) }
