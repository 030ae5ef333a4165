package load

import (
	"context"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/server/wire"
)

// generator is a run.
type generator struct {
	o       Options
	epoch   time.Time
	sockets []*socket
	polled  []unix.PollFd

	serverID  []byte
	templates [wire.InformationRequest + 1]*guest.Template
	rapid     *guest.Template

	slots []slot
	free  []int32
	mask  uint32 // of the number of the slot in a transaction id
	wheel wheel
	order order
	rng   *rand.Rand

	start    int64 // of the open loop's schedule
	begun    int   // exchanges
	inFlight int

	histogram  histogram
	faults     [guest.NumFaults]uint64
	result     Result
	cpu0, own0 time.Duration
	from       int64 // when figures began to be taken
}

// Run asks the server until the run is over. The calling goroutine must be locked to a thread that is in the clients'
// network namespace.
func Run(ctx context.Context, o Options) (*Result, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	g, err := newGenerator(o)
	if err != nil {
		return nil, err
	}
	defer g.close()
	if err := g.probe(ctx); err != nil {
		return nil, err
	}
	return g.run(ctx)
}

// Probe waits for the first right answer of the server to client 0.
func Probe(ctx context.Context, o Options) error {
	o.Clients, o.Window, o.Rate, o.Count, o.Exchange = 1, 1, 0, 1, SARR
	if err := o.complete(); err != nil {
		return err
	}
	g, err := newGenerator(o)
	if err != nil {
		return err
	}
	defer g.close()
	return g.probe(ctx)
}

func newGenerator(o Options) (*generator, error) {
	size := 1 << bits.Len(uint(o.Window-1))
	g := &generator{
		o: o, epoch: time.Now(), slots: make([]slot, size), free: make([]int32, 0, size), mask: uint32(size - 1),
		order: newOrder(o.Clients), rng: rand.New(rand.NewPCG(6, 9915)), serverID: make([]byte, 0, wire.MaxDUID),
	}
	// A slow server may still answer what an earlier run has asked.
	serial := rand.Uint32()
	for i := o.Window - 1; i >= 0; i-- {
		g.free = append(g.free, int32(i))
		g.slots[i].serial = serial
	}
	g.wheel.reset(0)
	if o.Mode == guest.Direct {
		s, err := openLink(o.Interface)
		if err != nil {
			return nil, err
		}
		g.sockets = append(g.sockets, s)
	} else {
		for _, relay := range o.Relays {
			s, err := openRelay(relay, o.Server)
			if err != nil {
				g.close()
				return nil, err
			}
			g.sockets = append(g.sockets, s)
		}
	}
	for _, s := range g.sockets {
		g.polled = append(g.polled, unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN})
	}
	g.templates[wire.Solicit] = guest.NewTemplate(o.Mode, wire.Solicit, false, nil)
	g.rapid = guest.NewTemplate(o.Mode, wire.Solicit, true, nil)
	g.templates[wire.InformationRequest] = guest.NewTemplate(o.Mode, wire.InformationRequest, false, nil)
	return g, nil
}

func (g *generator) close() {
	for _, s := range g.sockets {
		s.close()
	}
}

func (g *generator) clock() int64 { return int64(time.Since(g.epoch)) }

// probe asks as client 0 until there is a right answer, and learns the server's DUID from it.
func (g *generator) probe(ctx context.Context) error {
	const again = 20 * time.Millisecond
	mac := guest.MAC(0)
	s := g.sockets[0]
	last := guest.OK
	for until := time.Now().Add(g.o.Probe); ; {
		s.put(g.templates[wire.Solicit].Write(s.next(), mac, 0, 0))
		s.flush()
		for next := time.Now().Add(again); ; {
			left := time.Until(next)
			if left <= 0 {
				break
			}
			g.poll(left)
			for i := range s.receive() {
				if a, ok := g.open(s, i); ok && a.XID() == 0 {
					if last = a.Check(wire.Advertise, mac, true, &g.serverID); last == guest.OK {
						return g.learned()
					}
					g.serverID = g.serverID[:0]
				}
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("load: waiting for the server's first answer: %w", context.Cause(ctx))
		}
		if time.Now().After(until) {
			if last != guest.OK {
				return fmt.Errorf("load: the server's answers are wrong: %s", last)
			}
			return fmt.Errorf("load: no answer within %v", g.o.Probe)
		}
	}
}

// learned makes the messages that name the server.
func (g *generator) learned() error {
	for _, kind := range []byte{wire.Request, wire.Renew} {
		g.templates[kind] = guest.NewTemplate(g.o.Mode, kind, false, g.serverID)
		if n := g.templates[kind].Len(); n > messageSize {
			return fmt.Errorf("load: message of %d bytes: want at most %d", n, messageSize)
		}
	}
	return nil
}

// poll waits until there is something to receive, for at most d.
func (g *generator) poll(d time.Duration) {
	timeout := unix.NsecToTimespec(int64(max(d, 0)))
	// It ends early on a signal, which does no harm.
	_, _ = unix.Ppoll(g.polled, &timeout, nil)
}
