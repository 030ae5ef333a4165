package bench

import (
	"fmt"
	"io"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
)

// Options say what to measure. The zero value of each but Sizes, Modes, Exchanges and Servers has a default.
type Options struct {
	Sizes     []int // reservations
	Modes     []guest.Mode
	Exchanges []load.Exchange
	Servers   []string          // names that peers.Find knows
	Programs  map[string]string // where a server's program is, if not in the PATH

	Window int           // exchanges in flight; 0 is 64
	Relays int           // 0 is 1
	Rounds int           // 0 is 5
	Round  time.Duration // 0 is 2 s
	Warmup time.Duration // of each round; 0 is 200 ms
	Count  int           // exchanges of a round, which then ends with the last of them; 0 is Round by the clock

	Progress io.Writer // what is being done; nil discards
}

// primed is how many clients take part where each must have its lease before, because their servers keep bindings.
const primed = 10000

func (o *Options) complete() error {
	for _, d := range []struct {
		value *int
		least int
	}{{&o.Window, 64}, {&o.Relays, 1}, {&o.Rounds, 5}} {
		if *d.value == 0 {
			*d.value = d.least
		}
	}
	if o.Round == 0 {
		o.Round = 2 * time.Second
	}
	if o.Warmup == 0 {
		o.Warmup = 200 * time.Millisecond
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	for _, n := range o.Sizes {
		if n < o.Window {
			return fmt.Errorf("bench: %d reservations with %d exchanges in flight: want at least as many reservations", n, o.Window)
		}
	}
	if len(o.Sizes)*len(o.Modes)*len(o.Exchanges)*len(o.Servers) == 0 {
		return fmt.Errorf("bench: nothing to measure: name sizes, modes, exchanges and servers")
	}
	return nil
}

func (o *Options) say(format string, args ...any) {
	fmt.Fprintf(o.Progress, format+"\n", args...)
}
