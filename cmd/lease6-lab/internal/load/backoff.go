package load

import (
	"math/rand/v2"
	"time"

	"github.com/lease6/lease6/server/wire"
)

// pace is how a message is repeated (RFC 9915 §7.6): initial and largest time between two, in nanoseconds.
type pace struct{ initial, most int64 }

// paceOf is the pace of a message type. What a client gives up, and when, is not imitated: the run ends before.
func paceOf(kind byte) pace {
	const s = int64(time.Second)
	switch kind {
	case wire.Request:
		return pace{s, 30 * s} // REQ_TIMEOUT, REQ_MAX_RT
	case wire.Renew:
		return pace{10 * s, 600 * s} // REN_TIMEOUT, REN_MAX_RT
	case wire.InformationRequest:
		return pace{s, 3600 * s} // INF_TIMEOUT, INF_MAX_RT
	}
	return pace{s, 3600 * s} // SOL_TIMEOUT, SOL_MAX_RT
}

// after is how long to wait behind the first message, if before is 0, or behind one that had been waited for so long
// (§15). The first Solicit waits longer than its initial time, never less (§18.2.1).
func (p pace) after(before int64, kind byte, rng *rand.Rand) int64 {
	random := rng.Float64()*0.2 - 0.1
	if before == 0 {
		if kind == wire.Solicit && random < 0 {
			random = -random
		}
		return p.initial + int64(random*float64(p.initial))
	}
	if next := 2*before + int64(random*float64(before)); next <= p.most {
		return next
	}
	return p.most + int64(random*float64(p.most))
}

const (
	wheelTick    = int64(8 * time.Millisecond)
	wheelBuckets = 1024
)

// wheel wakes slots at their deadlines. A slot is in it once at most; one whose deadline has moved when it is found is
// put back, so that to answer in time costs nothing.
type wheel struct {
	heads [wheelBuckets]int32
	tick  int64 // the one that was looked at last
}

func (w *wheel) reset(now int64) {
	for i := range w.heads {
		w.heads[i] = -1
	}
	w.tick = now / wheelTick
}

// add puts slot i of slots into the wheel.
func (w *wheel) add(slots []slot, i int32) {
	s := &slots[i]
	if s.waiting {
		return
	}
	// A deadline that has passed is due at the next tick.
	at := max(s.deadline/wheelTick, w.tick) + 1
	s.waiting, s.after = true, w.heads[at%wheelBuckets]
	w.heads[at%wheelBuckets] = i
}

// due calls fn for every slot that is in flight and whose deadline has passed. Slots that end drop out of the wheel.
func (w *wheel) due(slots []slot, now int64, fn func(i int32)) {
	last := now / wheelTick
	// A wheel that was not turned for longer than a whole turn has nothing to gain from turning twice.
	w.tick = max(w.tick, last-wheelBuckets)
	for w.tick < last {
		w.tick++
		i := w.heads[w.tick%wheelBuckets]
		w.heads[w.tick%wheelBuckets] = -1
		for i >= 0 {
			s := &slots[i]
			next := s.after
			s.waiting = false
			if s.stage != idle {
				if s.deadline <= now {
					fn(i)
				}
				w.add(slots, i)
			}
			i = next
		}
	}
}
