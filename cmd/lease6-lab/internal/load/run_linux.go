package load

import (
	"context"
	"fmt"
	"math"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/server/wire"
)

// spin is for how long the generator looks again and again before it sleeps. To be woken takes longer than most
// answers, and the server would pay for the waking.
const spin = int64(30 * time.Microsecond)

// run begins exchanges until it is time to stop, and then waits for the last answers.
func (g *generator) run(ctx context.Context) (*Result, error) {
	g.start = g.clock()
	warm, stop := g.start+int64(g.o.Warmup), int64(math.MaxInt64)
	measured, ended := false, false
	var drained int64
	for active, steps := g.start, 0; ; steps++ {
		now := g.clock()
		if !measured && now >= warm {
			measured = true
			if err := g.measure(now); err != nil {
				return nil, err
			}
			if g.o.Duration > 0 {
				stop = now + int64(g.o.Duration)
			}
		}
		if over := now >= stop || g.o.Count > 0 && g.begun >= g.o.Count; over && !ended {
			ended, drained = true, now+int64(g.o.Drain)
			if now >= stop {
				g.conclude(now)
			}
		}
		if ended && (g.inFlight == 0 || now >= drained) {
			break
		}
		if steps&0xff == 0 && ctx.Err() != nil {
			return nil, fmt.Errorf("load: %w", context.Cause(ctx))
		}
		if g.step(now, !ended) {
			active = now
		} else if now-active > spin {
			g.sleep(now)
		}
	}
	if g.result.Elapsed == 0 {
		g.conclude(g.clock())
	}
	return g.report(), nil
}

// step does once what there is to do, and reports whether there was anything.
func (g *generator) step(now int64, begin bool) (busy bool) {
	drained := true
	for _, s := range g.sockets {
		n := s.receive()
		for i := range n {
			g.handle(s, i, now)
		}
		busy = busy || n > 0
		drained = drained && n < batchSize
	}
	// An answer that waits to be read has come in time: a VM has a CPU of its own to read it with.
	if drained {
		g.wheel.due(g.slots, now, func(i int32) { g.repeat(i, now) })
	}
	if begin {
		busy = g.beginDue(now) || busy
	}
	for _, s := range g.sockets {
		s.flush()
	}
	return busy
}

// sleep waits for an answer, or until the next exchange or retransmission may be due.
func (g *generator) sleep(now int64) {
	d := wheelTick
	if g.o.Rate > 0 {
		next := g.start + int64(float64(g.begun)*float64(time.Second)/g.o.Rate)
		d = min(d, next-now)
	}
	g.poll(time.Duration(d))
}

// beginDue begins the exchanges that are to begin by now, no more than a batch, so that answers are not left waiting.
func (g *generator) beginDue(now int64) bool {
	any := false
	for range batchSize {
		if g.o.Count > 0 && g.begun >= g.o.Count {
			break
		}
		at := now
		if g.o.Rate > 0 {
			// What is late counts from when it should have begun, or a slow server would hide its slowness.
			if at = g.start + int64(float64(g.begun)*float64(time.Second)/g.o.Rate); at > now {
				break
			}
		}
		if len(g.free) == 0 {
			if g.o.Rate == 0 {
				break
			}
			g.begun++
			g.result.Skipped++
			continue
		}
		g.begin(at, now)
		any = true
	}
	return any
}

func (g *generator) begin(at, now int64) {
	i := g.free[len(g.free)-1]
	g.free = g.free[:len(g.free)-1]
	s := &g.slots[i]
	s.begun, s.mac, s.exchange = at, guest.MAC(g.order.take()), g.o.Exchange
	if s.exchange == Mixed {
		s.exchange = mixture[g.begun%len(mixture)]
	}
	s.stage = replied
	if s.exchange == SARR {
		s.stage = advertised
	}
	g.begun++
	g.inFlight++
	g.send(i, s.exchange.first(), now)
}

// send sends the next message of an exchange.
func (g *generator) send(i int32, kind byte, now int64) {
	s := &g.slots[i]
	// Messages of a slot differ in the upper bits, so that a late answer to one is not taken for that to the next.
	s.serial++
	s.xid = (s.serial*(g.mask+1) + uint32(i)) & 0xffffff
	s.kind, s.sent = kind, now
	s.patience = paceOf(kind).after(0, kind, g.rng)
	s.deadline = now + s.patience
	g.wheel.add(g.slots, i)
	g.transmit(i, 0)
}

// repeat sends the same message again (RFC 9915 §15).
func (g *generator) repeat(i int32, now int64) {
	s := &g.slots[i]
	s.patience = paceOf(s.kind).after(s.patience, s.kind, g.rng)
	s.deadline = now + s.patience
	g.result.Retransmissions++
	g.transmit(i, uint16(min((now-s.sent)/int64(10*time.Millisecond), 0xffff))) // §21.9: hundredths of a second
}

func (g *generator) transmit(i int32, elapsed uint16) {
	s := &g.slots[i]
	t := g.templates[s.kind]
	if s.exchange == Rapid {
		t = g.rapid
	}
	socket := g.sockets[int(i)%len(g.sockets)]
	socket.put(t.Write(socket.next(), s.mac, s.xid, elapsed))
}

// open takes message i of the socket apart. Neighbour solicitations are answered and go no further.
func (g *generator) open(s *socket, i int) (guest.Answer, bool) {
	b := s.message(i)
	if g.o.Mode == guest.Relayed {
		return guest.OpenRelayed(b)
	}
	if guest.IsICMPv6(b) {
		if n := guest.Advertise(s.next(), b); n > 0 {
			s.put(n)
			g.result.Solicited++
		}
		return guest.Answer{}, false
	}
	return guest.OpenFrame(b)
}

// handle looks at message i of a socket and goes on with the exchange that it belongs to.
func (g *generator) handle(socket *socket, i int, now int64) {
	solicited := g.result.Solicited
	a, ok := g.open(socket, i)
	if !ok {
		if g.result.Solicited == solicited {
			g.faults[guest.Malformed]++
		}
		return
	}
	id := a.XID()
	at := int32(id & g.mask)
	s := &g.slots[at]
	if s.stage == idle || s.xid != id {
		g.faults[guest.Stale]++
		return
	}
	kind := byte(wire.Reply)
	if s.stage == advertised {
		kind = wire.Advertise
	}
	if fault := a.Check(kind, s.mac, s.exchange != Information, &g.serverID); fault != guest.OK {
		g.faults[fault]++
		g.end(at)
		return
	}
	if s.stage == advertised {
		// A client may wait for better offers (§18.2.1); this one takes the first, as if its preference were 255.
		s.stage = replied
		g.send(at, wire.Request, now)
		return
	}
	if g.result.Elapsed == 0 {
		g.result.Exchanges++
	}
	g.histogram.add(now - s.begun)
	g.end(at)
}

func (g *generator) end(i int32) {
	g.slots[i].stage = idle
	g.free = append(g.free, i)
	g.inFlight--
}

// measure begins to take figures.
func (g *generator) measure(now int64) error {
	cpu, err := ProcessCPU(g.o.ServerPID)
	if err != nil {
		return err
	}
	g.histogram, g.faults, g.result = histogram{}, [guest.NumFaults]uint64{}, Result{}
	g.cpu0, g.own0, g.from = cpu, threadCPU(), now
	for _, s := range g.sockets {
		s.failed = 0
	}
	return nil
}

// conclude ends what is measured by the clock. Answers that come later are still checked.
func (g *generator) conclude(now int64) {
	g.result.Elapsed = time.Duration(now - g.from)
	if cpu, err := ProcessCPU(g.o.ServerPID); err == nil {
		g.result.ServerCPU = cpu - g.cpu0
	}
	g.result.OwnCPU = threadCPU() - g.own0
}

func (g *generator) report() *Result {
	r, h := &g.result, &g.histogram
	r.Rate = float64(r.Exchanges) / r.Elapsed.Seconds()
	r.P50, r.P99, r.P999, r.Worst = h.quantile(0.5), h.quantile(0.99), h.quantile(0.999), time.Duration(h.most)
	r.Stale, r.Unanswered = g.faults[guest.Stale], uint64(g.inFlight)
	for f, n := range g.faults {
		if n == 0 || guest.Fault(f) == guest.Stale {
			continue
		}
		if r.Faults == nil {
			r.Faults = make(map[string]uint64)
		}
		r.Faults[guest.Fault(f).String()] = n
		r.Wrong += n
	}
	for _, s := range g.sockets {
		r.SendErrors += s.failed
	}
	return r
}

// ProcessCPU is the CPU time of all threads of a process, those that have ended too; 0 for process 0.
func ProcessCPU(pid int) (time.Duration, error) {
	if pid == 0 {
		return 0, nil
	}
	const scheduled = 2 // CPUCLOCK_SCHED of linux/posix-timers.h: exact, not by ticks
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &t); err != nil {
		return 0, fmt.Errorf("load: CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// threadCPU is the CPU time of this thread.
func threadCPU() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) // cannot fail
	return time.Duration(t.Nano())
}
