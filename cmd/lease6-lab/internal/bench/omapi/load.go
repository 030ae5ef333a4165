package omapi

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/leases/isc"
	"github.com/lease6/lease6/server/omapi/client"
	"github.com/lease6/lease6/server/omapi/codec"
)

// host is host number n, of client n of package load.
func host(n int) *client.Host {
	mac := guest.MAC(n)
	address := guest.Address(mac)
	return &client.Host{Name: fmt.Sprintf("%x_host", mac[:]), Hardware: mac[:], HardwareType: isc.Ethernet, Addresses: address[:]}
}

// made is a host that a connection has made.
type made struct {
	n      int
	handle uint32
}

// worker is one connection of the load.
type worker struct {
	conn  *client.Conn
	made  []made
	reply codec.Message
}

// pipeline sends the requests that next makes, until it makes none, with so many under way, and gives each reply to took.
func (w *worker) pipeline(ahead int, next func(i int) *codec.Message, took func(i int, reply *codec.Message)) (done int, err error) {
	sent := 0
	for more := true; more || done < sent; {
		for more && sent-done < ahead {
			m := next(sent)
			if more = m != nil; !more {
				break
			}
			if err := w.conn.Send(m); err != nil {
				return done, err
			}
			sent++
		}
		if done < sent {
			if err := w.conn.Receive(&w.reply); err != nil {
				return done, fmt.Errorf("request %d: %w", done, err)
			}
			took(done, &w.reply)
			done++
		}
	}
	return done, nil
}

// crew is the connections of a shape to one server.
type crew struct {
	shape   Shape
	next    *atomic.Int64 // number of the next new host
	workers []*worker
	pass    byte // of updates, which must change something
}

// run does an operation on all connections, for so long, and returns how many were done and how long it took. Hosts are
// created until the time is over and deleted until none is left.
func (c *crew) run(op Operation, d time.Duration) (done int, took time.Duration, err error) {
	c.pass++
	var total atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, len(c.workers))
	begin := time.Now()
	for i, w := range c.workers {
		wg.Go(func() {
			n, err := c.work(w, op, begin.Add(d))
			total.Add(int64(n))
			errs[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return 0, 0, fmt.Errorf("omapi: %s: %w", op, err)
	}
	return int(total.Load()), time.Since(begin), nil
}

func (c *crew) work(w *worker, op Operation, until time.Time) (int, error) {
	each := func(request func(m made) *codec.Message) func(int) *codec.Message {
		return func(i int) *codec.Message {
			if i > 0 && time.Now().After(until) { // one at least, however busy the machine is
				return nil
			}
			return request(w.made[i%len(w.made)])
		}
	}
	next, took := func(int) *codec.Message { return nil }, func(int, *codec.Message) {}
	switch op {
	case Create:
		w.made = w.made[:0]
		next = func(i int) *codec.Message {
			if i > 0 && time.Now().After(until) {
				return nil
			}
			n := int(c.next.Add(1))
			w.made = append(w.made, made{n: n})
			return client.CreateRequest(host(n))
		}
		took = func(i int, reply *codec.Message) { w.made[i].handle = reply.Handle }
	case Update:
		pass := 0
		next = each(func(m made) *codec.Message {
			pass++
			a := guest.Address(guest.MAC(m.n))
			binary.BigEndian.PutUint16(a[6:], uint16(c.pass)) // another subnet than before
			binary.BigEndian.PutUint16(a[8:], uint16(pass/len(w.made)+1))
			return client.UpdateRequest(m.handle, &client.Host{Addresses: a[:]})
		})
	case LookUp:
		next = each(func(m made) *codec.Message {
			mac := guest.MAC(m.n)
			return client.FindRequest(&client.Host{Hardware: mac[:], HardwareType: isc.Ethernet})
		})
	case Delete:
		next = func(i int) *codec.Message {
			if i >= len(w.made) {
				return nil
			}
			return client.DeleteRequest(w.made[i].handle)
		}
	}
	return w.pipeline(c.shape.Ahead, next, took)
}

// close closes the connections.
func (c *crew) close() (err error) {
	for _, w := range c.workers {
		err = errors.Join(err, w.conn.Close())
	}
	return err
}

// hire opens the connections of a shape.
func hire(ctx context.Context, shape Shape, next *atomic.Int64, dial func(context.Context) (*client.Conn, error)) (*crew, error) {
	c := &crew{shape: shape, next: next}
	for range shape.Connections {
		conn, err := dial(ctx)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("omapi: connection %d: %w", len(c.workers)+1, err), c.close())
		}
		c.workers = append(c.workers, &worker{conn: conn})
	}
	return c, nil
}

// visit creates a host on a connection, looks it up and deletes it.
func visit(conn *client.Conn, n int) error {
	want := host(n)
	if _, err := conn.Create(want); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	got, err := conn.Find(&client.Host{Hardware: want.Hardware})
	if err != nil {
		return fmt.Errorf("look up: %w", err)
	}
	if got.Name != want.Name || string(got.Addresses) != string(want.Addresses) {
		return fmt.Errorf("look up: %+v, want %+v", got, want)
	}
	if err := conn.Delete(got.Handle); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	return nil
}
