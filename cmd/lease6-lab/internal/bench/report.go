package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load"
)

// Report is a whole measurement.
type Report struct {
	Date    time.Time `json:"date"`
	Machine Machine   `json:"machine"`
	Window  int       `json:"window"`  // exchanges in flight
	Seconds float64   `json:"seconds"` // of each round
	Rounds  int       `json:"rounds"`
	Cases   []Case    `json:"cases"`
}

// Case is one kind of load on all servers.
type Case struct {
	Mode         string   `json:"mode"`
	Exchange     string   `json:"exchange"`
	Reservations int      `json:"reservations"`
	Servers      []Server `json:"servers"`
}

// Server is what came of one server in one case.
type Server struct {
	Name    string        `json:"name"`
	Version string        `json:"version,omitempty"`
	Failed  string        `json:"failed,omitempty"` // why there are no figures, or no more of them
	Start   time.Duration `json:"start"`            // from its start to its first answer
	RSS     int64         `json:"rss"`              // bytes, after the rounds
	Rounds  []load.Result `json:"rounds"`

	Rate Spread `json:"rate"` // exchanges a second
	CPU  Spread `json:"cpu"`  // µs of the server an exchange
	P99  Spread `json:"p99"`  // ms
	// Ratio is its rate to the ceiling's, and CPURatio the ceiling's CPU for an exchange to its own, which depends less
	// on what else the machine does. Both are 0 if there is no ceiling.
	Ratio    float64 `json:"ratio"`
	CPURatio float64 `json:"cpu_ratio"`
}

// Spread is the median of the rounds, and their range.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func spread(rounds []load.Result, value func(*load.Result) float64) Spread {
	var all []float64
	for i := range rounds {
		all = append(all, value(&rounds[i]))
	}
	if len(all) == 0 {
		return Spread{}
	}
	slices.Sort(all)
	middle := len(all) / 2
	median := all[middle]
	if len(all)%2 == 0 {
		median = (all[middle-1] + all[middle]) / 2
	}
	return Spread{median, all[0], all[len(all)-1]}
}

// summarize fills in what follows from the rounds.
func (c *Case) summarize() {
	var rate, cpu float64 // of the ceiling
	for i := range c.Servers {
		s := &c.Servers[i]
		s.Rate = spread(s.Rounds, func(r *load.Result) float64 { return r.Rate })
		s.CPU = spread(s.Rounds, func(r *load.Result) float64 { return float64(r.CPUPerExchange()) / 1e3 })
		s.P99 = spread(s.Rounds, func(r *load.Result) float64 { return float64(r.P99) / 1e6 })
		if s.Name == "ceiling" {
			rate, cpu = s.Rate.Median, s.CPU.Median
		}
	}
	for i := range c.Servers {
		if s := &c.Servers[i]; rate > 0 && s.Rate.Median > 0 {
			s.Ratio, s.CPURatio = s.Rate.Median/rate, cpu/s.CPU.Median
		}
	}
}

// Wrong is the number of wrong answers in all rounds of all servers with that name, or of all if it is "".
func (r *Report) Wrong(name string) (wrong uint64) {
	for i := range r.Cases {
		for j := range r.Cases[i].Servers {
			if s := &r.Cases[i].Servers[j]; name == "" || s.Name == name {
				wrong += s.sum(func(r *load.Result) uint64 { return r.Wrong })
			}
		}
	}
	return wrong
}

func (s *Server) sum(of func(*load.Result) uint64) (n uint64) {
	for i := range s.Rounds {
		n += of(&s.Rounds[i])
	}
	return n
}

func (s *Server) median(of func(*load.Result) float64) float64 { return spread(s.Rounds, of).Median }

// WriteJSON writes the report for programs.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteText writes the report as tables.
func (r *Report) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "%s · %s\n%d in flight, %d rounds of %g s, medians (least–most)\n", r.Date.Format(time.DateOnly), r.Machine, r.Window, r.Rounds, r.Seconds)
	for i := range r.Cases {
		c := &r.Cases[i]
		fmt.Fprintf(w, "\n%s, %s reservations\n", c.title(), group(float64(c.Reservations)))
		if err := c.writeTable(w); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	return nil
}

func (c *Case) title() string {
	names := map[string]string{
		"sarr": "Solicit, Advertise, Request, Reply", "rapid": "Rapid Commit", "renew": "Renew", "information": "Information-request", "mixed": "a mixture",
	}
	return names[c.Exchange] + ", " + c.Mode
}

func (c *Case) writeTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "server\texchanges/s\t(range)\tof ceiling\tCPU µs each\tof ceiling\tbusy\tp50 ms\tp99 ms\tp99.9 ms\tsent again\twrong\tfirst answer s\tRSS MB\t")
	for i := range c.Servers {
		s := &c.Servers[i]
		if len(s.Rounds) == 0 {
			continue
		}
		ms := func(of func(*load.Result) time.Duration) string {
			return fmt.Sprintf("%.2f", s.median(func(r *load.Result) float64 { return float64(of(r)) / 1e6 }))
		}
		fmt.Fprintln(t, strings.Join([]string{
			strings.TrimSpace(s.Name + " " + s.Version), group(s.Rate.Median), fmt.Sprintf("(%s–%s)", group(s.Rate.Min), group(s.Rate.Max)),
			fmt.Sprintf("%.2f", s.Ratio), fmt.Sprintf("%.2f", s.CPU.Median), fmt.Sprintf("%.2f", s.CPURatio),
			fmt.Sprintf("%.0f %%", 100*s.median(func(r *load.Result) float64 { return r.Busy() })),
			ms(func(r *load.Result) time.Duration { return r.P50 }), ms(func(r *load.Result) time.Duration { return r.P99 }),
			ms(func(r *load.Result) time.Duration { return r.P999 }),
			fmt.Sprint(s.sum(func(r *load.Result) uint64 { return r.Retransmissions })),
			fmt.Sprint(s.sum(func(r *load.Result) uint64 { return r.Wrong })),
			fmt.Sprintf("%.2f", s.Start.Seconds()), fmt.Sprintf("%.0f", float64(s.RSS)/1e6),
		}, "\t")+"\t")
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for i := range c.Servers {
		if s := &c.Servers[i]; s.Failed != "" {
			if _, err := fmt.Fprintf(w, "%s %s: %s\n", s.Name, s.Version, s.Failed); err != nil {
				return err
			}
		}
	}
	return nil
}

// group writes a number with blanks between its thousands.
func group(v float64) string {
	digits := fmt.Sprintf("%.0f", v)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(d)
	}
	return b.String()
}
