package omapi

import (
	"iter"
	"sync/atomic"

	"github.com/lease6/lease6/server/omapi/codec"
)

// counters count what the server has done. Any session adds to them.
type counters struct {
	Connections, Rejected, Requests    atomic.Uint64
	Created, Updated, Deleted          atomic.Uint64
	GroupsChanged                      atomic.Uint64
	BadSignatures, Unsigned, Malformed atomic.Uint64
	Results                            [codec.NumResults]atomic.Uint64
}

// Counters is what a Server has done since it was made.
type Counters struct {
	Connections   uint64 // taken
	Rejected      uint64 // connections not taken: not allowed, or too many
	Open          int    // connections there are now
	Requests      uint64
	Created       uint64 // hosts
	Updated       uint64 // hosts
	Deleted       uint64 // hosts
	GroupsChanged uint64
	BadSignatures uint64 // requests refused
	Unsigned      uint64 // requests refused, where a key is required
	Malformed     uint64 // connections closed because of what came
	results       [codec.NumResults]uint64
}

// Counters returns the counters. Any goroutine may call it.
func (s *Server) Counters() Counters {
	c := &s.counters
	sum := Counters{
		Connections: c.Connections.Load(), Rejected: c.Rejected.Load(), Open: s.gate.Open(), Requests: c.Requests.Load(),
		Created: c.Created.Load(), Updated: c.Updated.Load(), Deleted: c.Deleted.Load(),
		GroupsChanged: c.GroupsChanged.Load(), BadSignatures: c.BadSignatures.Load(), Unsigned: c.Unsigned.Load(),
		Malformed: c.Malformed.Load(),
	}
	for i := range c.Results {
		sum.results[i] = c.Results[i].Load()
	}
	return sum
}

// Results visits how many requests ended in each result, by name: "success", "already-exists".
func (c *Counters) Results() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for i, n := range c.results {
			if !yield(codec.Result(i).String(), n) {
				return
			}
		}
	}
}
