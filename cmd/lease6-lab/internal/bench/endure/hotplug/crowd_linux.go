package hotplug

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/server/wire"
)

// stage is what a VM waits for.
type stage uint8

const (
	idle      stage = iota
	appearing       // a Reply to a Solicit with Rapid Commit that it sends again and again, since its interface is new
	soliciting
	requesting
)

// vm is one VM. It has an interface of its own.
type vm struct {
	mac     [6]byte
	ifindex int
	stage   stage
	since   time.Time // when its exchange was due, or its interface appeared
	sent    time.Time
	xid     uint32
	serial  uint32
}

const (
	// vmBits of a transaction id tell the VM, the others its messages apart.
	vmBits = 12
	// A real VM sends its first Solicit within a second and the next one a second later (RFC 9915 §18.2.1). These ask
	// much more often, because what is looked for is the moment from which on the server answers.
	again = 5 * time.Millisecond
	// but no more than so many a second all together, or they were a boot storm.
	appearingRate = 10000
	timeout       = time.Second      // SOL_TIMEOUT, REQ_TIMEOUT
	patience      = 10 * time.Second // with the server to notice an interface
)

// arrival says that a VM has a new interface.
type arrival struct {
	vm, ifindex int
	at          time.Time
}

// crowd is all VMs. Its loop runs in one goroutine; the others talk to it by the channels, by sample and by take.
type crowd struct {
	socket   *socket
	vms      []vm
	byIndex  map[int]int // VMs by the index of an interface that they have or had
	waiting  []int       // those that are appearing
	solicit  *guest.Template
	rapid    *guest.Template
	request  *guest.Template // when serverID is known
	serverID []byte

	arrivals chan arrival
	answered chan int // VMs that have been answered on their new interface, or were not for long

	mu     sync.Mutex
	steady []int         // VMs that take part in steady exchanges
	period time.Duration // of which one begins in each; 0 for none
	due    time.Time     // the next one
	next   int           // of steady
	tally  Tally
	spent  []time.Duration // by steady exchanges
	waited []time.Duration // by VMs with a new interface
	never  int             // VMs with a new interface that got no answer
}

func newCrowd(n int) *crowd {
	c := &crowd{
		vms: make([]vm, n), byIndex: make(map[int]int), arrivals: make(chan arrival, n), answered: make(chan int, n),
		solicit: guest.NewTemplate(guest.Direct, wire.Solicit, false, nil), rapid: guest.NewTemplate(guest.Direct, wire.Solicit, true, nil),
	}
	for i := range c.vms {
		c.vms[i].mac = guest.MAC(i)
	}
	return c
}

// run lets the VMs live until ctx ends. Its thread is on the clients' side.
func (c *crowd) run(ctx context.Context) (err error) {
	if c.socket, err = openSocket(); err != nil {
		return err
	}
	defer c.socket.close()
	for ctx.Err() == nil {
		c.socket.poll(time.Millisecond)
		c.mu.Lock()
		c.step(time.Now())
		c.mu.Unlock()
	}
	return nil
}

// sample has these VMs begin so many exchanges a second all together; 0 ends it, but for the exchanges in flight.
func (c *crowd) sample(vms []int, rate float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.steady, c.period = vms, 0; rate > 0 {
		c.period = time.Duration(float64(time.Second) / rate)
	}
	c.due, c.next = time.Now(), 0
}

// take returns what has been counted since the last time: steady exchanges, and how VMs with a new interface have fared.
func (c *crowd) take() (t Tally, a Appeared) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, a = c.tally, Appeared{Answered: len(c.waited), Never: c.never, Times: timesOf(c.waited)}
	t.Times = timesOf(c.spent)
	c.tally, c.spent, c.waited, c.never = Tally{}, nil, nil, 0
	return t, a
}

// askAll has all VMs ask as if their interfaces were new.
func (c *crowd) askAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for i := range c.vms {
		c.arrive(arrival{i, c.vms[i].ifindex, now})
	}
}

// inFlight is how many exchanges are.
func (c *crowd) inFlight() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.vms {
		if c.vms[i].stage != idle {
			n++
		}
	}
	return n
}

// step does once what there is to do. The caller holds mu.
func (c *crowd) step(now time.Time) {
	frames := 0
	for frame, ifindex := range c.socket.received() {
		c.handle(frame, ifindex, now)
		frames++
	}
	for more := true; more; {
		select {
		case a := <-c.arrivals:
			c.arrive(a)
		default:
			more = false
		}
	}
	pause := max(again, time.Duration(len(c.waiting))*time.Second/appearingRate)
	c.waiting = slices.DeleteFunc(c.waiting, func(i int) bool { return c.appear(i, now, pause) })
	for c.period > 0 && !c.due.After(now) && c.request != nil && c.begin(now) {
		c.due = c.due.Add(c.period)
	}
	if frames == most {
		return // an answer that waits to be read has come in time
	}
	for _, i := range c.steady {
		if v := &c.vms[i]; v.stage != idle && now.Sub(v.sent) > timeout {
			c.tally.Lost++
			v.stage = idle
		}
	}
}

// arrive lets a VM ask on its new interface.
func (c *crowd) arrive(a arrival) {
	v := &c.vms[a.vm]
	v.ifindex, v.stage, v.since, v.sent = a.ifindex, appearing, a.at, time.Time{}
	v.serial++ // an answer to an earlier message is none to these
	v.xid = (v.serial<<vmBits | uint32(a.vm)) & 0xffffff
	c.byIndex[a.ifindex] = a.vm
	c.waiting = append(c.waiting, a.vm)
}

// appear asks for a VM that has a new interface, and returns true when it need not be asked for again.
func (c *crowd) appear(i int, now time.Time, pause time.Duration) bool {
	v := &c.vms[i]
	if v.stage != appearing {
		return true
	}
	if now.Sub(v.since) > patience {
		c.never++
		v.stage = idle
		c.answered <- i
		return true
	}
	if now.Sub(v.sent) >= pause {
		c.transmit(v, c.rapid, now)
	}
	return false
}

// begin begins the exchange that is due, with the next VM that is idle. It counts from when it was due.
func (c *crowd) begin(now time.Time) bool {
	for range c.steady {
		i := c.steady[c.next]
		c.next = (c.next + 1) % len(c.steady)
		if v := &c.vms[i]; v.stage == idle {
			v.stage, v.since = soliciting, c.due
			c.send(i, c.solicit, now)
			return true
		}
	}
	return false
}

// send sends a new message of VM i.
func (c *crowd) send(i int, t *guest.Template, now time.Time) {
	v := &c.vms[i]
	v.serial++
	v.xid = (v.serial<<vmBits | uint32(i)) & 0xffffff
	c.transmit(v, t, now)
}

func (c *crowd) transmit(v *vm, t *guest.Template, now time.Time) {
	v.sent = now
	if err := c.socket.send(t, v); err != nil {
		c.tally.SendErrors++
	}
}

// handle looks at a frame that has come to the interface of a VM.
func (c *crowd) handle(frame []byte, ifindex int, now time.Time) {
	a, ok := guest.OpenFrame(frame)
	i, known := c.byIndex[ifindex]
	switch {
	case !ok:
		c.fault(guest.Malformed)
		return
	case !known || int(a.XID()&(1<<vmBits-1)) != i:
		c.fault(guest.WrongPath)
		return
	}
	v := &c.vms[i]
	if v.stage == idle || a.XID() != v.xid || v.ifindex != ifindex {
		return // a second answer
	}
	kind := byte(wire.Reply)
	if v.stage == soliciting {
		kind = wire.Advertise
	}
	if f := a.Check(kind, v.mac, true, &c.serverID); f != guest.OK {
		c.fault(f)
		return
	}
	switch v.stage {
	case soliciting:
		v.stage = requesting
		c.send(i, c.request, now)
		return
	case requesting:
		c.tally.Exchanges++
		c.spent = append(c.spent, now.Sub(v.since))
	case appearing:
		c.waited = append(c.waited, now.Sub(v.since))
		c.answered <- i
		if c.request == nil {
			c.request = guest.NewTemplate(guest.Direct, wire.Request, false, c.serverID)
		}
	}
	v.stage = idle
}

func (c *crowd) fault(f guest.Fault) {
	if c.tally.Faults == nil {
		c.tally.Faults = make(map[string]uint64)
	}
	c.tally.Faults[f.String()]++
	c.tally.Wrong++
}

// await waits until n VMs have been answered on their new interfaces.
func (c *crowd) await(ctx context.Context, n int) error {
	for got := 0; got < n; got++ {
		select {
		case <-c.answered:
		case <-ctx.Done():
			return fmt.Errorf("hotplug: %d of %d VMs answered: %w", got, n, context.Cause(ctx))
		}
	}
	return nil
}
