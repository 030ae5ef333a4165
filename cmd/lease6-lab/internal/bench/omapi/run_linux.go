package omapi

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/peers"
	"github.com/lease6/lease6/server/omapi/client"
)

// Run measures.
func Run(ctx context.Context, o Options) (*Report, error) {
	o.complete()
	dir, err := os.MkdirTemp("", "lease6-omapi-")
	if err != nil {
		return nil, fmt.Errorf("omapi: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // dhcpd wants to get at it as another user
		return nil, fmt.Errorf("omapi: %w", err)
	}
	r := &Report{Date: time.Now(), Machine: bench.ThisMachine(), Hosts: o.Hosts, Rounds: o.Rounds, Seconds: o.Round.Seconds()}
	if r.Syncs, err = syncs(dir); err != nil {
		return nil, err
	}
	if err := o.sideBySide(ctx, dir, r); err != nil {
		return nil, err
	}
	for _, size := range o.Sizes {
		for _, name := range []string{theirs, ours} {
			if o.Samples == 0 || name == theirs && size > o.ISCMost {
				continue
			}
			if err := o.alone(ctx, dir, name, size, r); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// syncs is how many appends of a record with fdatasync the disk does in a second: no server that answers one change
// after the other can do more.
func syncs(dir string) (float64, error) {
	const enough = 500 * time.Millisecond
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, fmt.Errorf("omapi: %w", err)
	}
	defer f.Close()
	record := peers.AppendLease(nil, 0)
	n, begin := 0, time.Now()
	for time.Since(begin) < enough {
		if _, err = f.Write(record); err == nil {
			err = unix.Fdatasync(int(f.Fd()))
		}
		if err != nil {
			return 0, fmt.Errorf("omapi: append to a file: %w", err)
		}
		n++
	}
	return float64(n) / time.Since(begin).Seconds(), nil
}

// begin starts a server; it is nil, and said so, if it is not installed. lease6d must be.
func (o *Options) begin(ctx context.Context, dir, name string, hosts int) (*subject, error) {
	peer, err := peers.Find(name, o.Programs)
	if errors.Is(err, peers.ErrMissing) && name != ours {
		o.say("%v", err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	o.say("starting %s with %d leases", name, hosts)
	return start(ctx, peer, dir, hosts)
}

// sideBySide takes rates of both servers, one after the other, again and again, and then opens many connections.
func (o *Options) sideBySide(ctx context.Context, dir string, r *Report) (err error) {
	var subjects []*subject
	defer func() {
		for _, s := range subjects {
			err = errors.Join(err, s.close())
		}
	}()
	for _, name := range []string{theirs, ours} {
		s, err := o.begin(ctx, dir, name, o.Hosts)
		if err != nil {
			return err
		}
		if s == nil {
			continue
		}
		subjects = append(subjects, s)
		if err := s.pause(); err != nil {
			return err
		}
	}
	var next atomic.Int64
	next.Store(int64(o.Hosts))
	for _, shape := range shapes {
		rates, err := o.rates(ctx, shape, subjects, &next)
		if err != nil {
			return err
		}
		r.Rates = append(r.Rates, rates...)
	}
	for _, s := range subjects {
		if o.Open == 0 {
			break
		}
		o.say("%s: %d open connections", s.name, o.Open)
		if err := s.awake(func() error {
			r.Open = append(r.Open, o.open(ctx, s, &next))
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// rates takes the rates of one shape.
func (o *Options) rates(ctx context.Context, shape Shape, subjects []*subject, next *atomic.Int64) (rates []Rate, err error) {
	rates = make([]Rate, len(operations))
	for i, op := range operations {
		rates[i] = Rate{Shape: shape, Operation: op}
		for _, s := range subjects {
			rates[i].Servers = append(rates[i].Servers, Server{Name: s.name})
		}
	}
	crews := make([]*crew, len(subjects))
	defer func() {
		for _, c := range crews {
			if c != nil {
				err = errors.Join(err, c.close())
			}
		}
	}()
	for k, s := range subjects {
		if err := s.awake(func() (err error) {
			crews[k], err = hire(ctx, shape, next, s.dial)
			return err
		}); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	for round := range o.Rounds {
		o.say("%s, round %d of %d", shape.Name, round+1, o.Rounds)
		for i := range rates {
			// The disk has moods; what is compared is done right after each other.
			for k, s := range subjects {
				if err := s.awake(func() error { return o.measure(ctx, s, crews[k], operations[i], &rates[i].Servers[k]) }); err != nil {
					return nil, fmt.Errorf("%s: %w: %s", s.name, err, s.process.Tail())
				}
			}
		}
	}
	for i := range rates {
		rates[i].summarize()
	}
	return rates, nil
}

// measure does one operation on one server.
func (o *Options) measure(ctx context.Context, s *subject, c *crew, op Operation, to *Server) error {
	before, err := load.ProcessCPU(s.process.PID)
	if err != nil {
		return err
	}
	n, d, err := c.run(op, o.Round)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	after, err := load.ProcessCPU(s.process.PID)
	if err != nil {
		return err
	}
	to.Rounds, to.cpus = append(to.Rounds, float64(n)/d.Seconds()), append(to.cpus, float64((after-before).Microseconds())/float64(n))
	return nil
}

// open opens many connections, and then uses each while all are open.
func (o *Options) open(ctx context.Context, s *subject, next *atomic.Int64) (v Open) {
	v = Open{Server: s.name, Connections: o.Open}
	before, begin := s.memory(), time.Now()
	var conns []*client.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range o.Open {
		c, err := s.dial(ctx)
		if err != nil {
			v.Failed = err.Error()
			break
		}
		conns = append(conns, c)
	}
	errs := make([]error, len(conns))
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() { errs[i] = visit(c, int(next.Add(1))) })
	}
	wg.Wait()
	v.Took, v.Memory = time.Since(begin), s.memory()-before
	for _, err := range errs {
		if err == nil {
			v.Served++
		} else if v.Failed == "" {
			v.Failed = err.Error()
		}
	}
	return v
}

// alone takes the time until new leases are served, by one server with many leases.
func (o *Options) alone(ctx context.Context, dir, name string, size int, r *Report) (err error) {
	s, err := o.begin(ctx, dir, name, size)
	if s == nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	v, err := o.served(ctx, s, size)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		v.Failed = err.Error()
		o.say("%v", err)
	}
	r.Served = append(r.Served, v)
	return nil
}
