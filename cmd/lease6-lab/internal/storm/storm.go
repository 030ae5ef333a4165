package storm

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/arena"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
)

// Options say how many VMs boot where.
type Options struct {
	VMs      []int
	Modes    []guest.Mode
	Servers  []string          // names that peers.Find knows
	Programs map[string]string // where a server's program is, if not in the PATH
	Rounds   int               // 0 is 3
	Patience time.Duration     // for the last VM; 0 is 2 minutes

	Progress io.Writer // what is being done; nil discards
}

// Report is what came of all storms.
type Report struct {
	Date    time.Time     `json:"date"`
	Machine bench.Machine `json:"machine"`
	Limits  []Limit       `json:"limits"`
	Storms  []Storm       `json:"storms"`
}

// Limit is a setting of the kernel.
type Limit struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Storm is one storm on one server.
type Storm struct {
	VMs        int         `json:"vms"`
	Mode       string      `json:"mode"`
	Server     string      `json:"server"`
	Round      int         `json:"round"`
	Failed     string      `json:"failed,omitempty"`
	Neighbours Neighbours  `json:"neighbours"`
	Drops      arena.Drops `json:"drops"`
	Result     load.Result `json:"result"` // Worst is when the last one was served
}

// Neighbours is the size of the server's neighbour table.
type Neighbours struct {
	Before int `json:"before"`
	Most   int `json:"most"` // as seen in between
	After  int `json:"after"`
}

// relays is by how much the neighbour table may grow: relays are neighbours by two addresses, and come and go.
const relays = 4

// limits are what a storm runs into.
func limits() []Limit {
	var all []Limit
	for _, name := range []string{"net/ipv6/neigh/default/gc_thresh3", "net/core/rmem_max", "net/core/netdev_max_backlog"} {
		value, err := os.ReadFile("/proc/sys/" + name)
		if err != nil {
			value = []byte("unknown")
		}
		all = append(all, Limit{strings.ReplaceAll(name, "/", "."), strings.TrimSpace(string(value))})
	}
	return all
}

// WriteJSON writes the report for programs.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteText writes the report as a table.
func (r *Report) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "%s · %s\n", r.Date.Format(time.DateOnly), r.Machine)
	for _, l := range r.Limits {
		fmt.Fprintf(w, "%s = %s\n", l.Name, l.Value)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "VMs\tmode\tserver\tround\tserved\thalf after\t99 % after\tlast after\tsent again\twrong\tneighbours before\tmost\tafter\tsolicited\tdropped by server\tbacklog\t")
	for i := range r.Storms {
		s := &r.Storms[i]
		if s.Failed != "" {
			continue
		}
		x := &s.Result
		fmt.Fprintf(t, "%d\t%s\t%s\t%d\t%d\t%v\t%v\t%v\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", s.VMs, s.Mode, s.Server, s.Round, x.Exchanges,
			ms(x.P50), ms(x.P99), ms(x.Worst), x.Retransmissions, x.Wrong, s.Neighbours.Before, s.Neighbours.Most, s.Neighbours.After, x.Solicited,
			s.Drops.Server, s.Drops.Backlog)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("storm: %w", err)
	}
	for i := range r.Storms {
		if s := &r.Storms[i]; s.Failed != "" {
			fmt.Fprintf(w, "%d VMs, %s: %s\n", s.VMs, s.Mode, s.Failed)
		}
	}
	return nil
}

func ms(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// verdict is an error if lease6d or the ceiling left a VM without its address, or made neighbours of the VMs of a link.
func (r *Report) verdict() error {
	for i := range r.Storms {
		s := &r.Storms[i]
		x := &s.Result
		switch {
		case s.Server != "lease6d" && s.Server != "ceiling":
		case s.Failed != "":
			return fmt.Errorf("storm: %s", s.Failed)
		case x.Wrong > 0 || x.Exchanges != uint64(s.VMs):
			return fmt.Errorf("storm: %s served %d of %d VMs, with %d wrong answers", s.Server, x.Exchanges, s.VMs, x.Wrong)
		case s.Neighbours.Most > s.Neighbours.Before+relays:
			return fmt.Errorf("storm: the neighbour table of %s grew from %d to %d", s.Server, s.Neighbours.Before, s.Neighbours.Most)
		}
	}
	return nil
}
