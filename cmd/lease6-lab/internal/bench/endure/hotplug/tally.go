package hotplug

import (
	"slices"
	"time"
)

// Tally is what came of exchanges.
type Tally struct {
	Exchanges  uint64            `json:"exchanges"` // completed, with exactly the right answers
	Lost       uint64            `json:"lost"`      // without an answer for a second, when a client would have asked again
	Wrong      uint64            `json:"wrong"`     // answers that were
	Faults     map[string]uint64 `json:"faults,omitempty"`
	SendErrors uint64            `json:"send_errors"`
	Times      Times             `json:"times"`
}

// Times are quantiles of durations.
type Times struct {
	P50   time.Duration `json:"p50"`
	P99   time.Duration `json:"p99"`
	Worst time.Duration `json:"worst"`
}

// timesOf sorts the durations.
func timesOf(d []time.Duration) Times {
	if len(d) == 0 {
		return Times{}
	}
	slices.Sort(d)
	at := func(q float64) time.Duration { return d[min(int(q*float64(len(d))), len(d)-1)] }
	return Times{at(0.5), at(0.99), d[len(d)-1]}
}
