package churn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/peers"
	"github.com/lease6/lease6/leases/atomicfile"
)

// Run puts the load on lease6d without and with changes.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	o.complete()
	pins, err := bench.FindPins()
	if err != nil {
		return nil, err
	}
	p, err := peers.Find("lease6d", o.Programs)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lease6-churn-")
	if err != nil {
		return nil, fmt.Errorf("churn: %w", err)
	}
	defer os.RemoveAll(dir)
	c, err := bench.Launch(ctx, p, dir, peers.Site{Hosts: o.Hosts}, 1, pins)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return o.measure(ctx, c)
}

func (o *Options) measure(ctx context.Context, c *bench.Contender) (*Report, error) {
	r := &Report{Hosts: o.Hosts, Rate: o.Rate}
	l := c.Load()
	l.Window, l.Count, l.Duration, l.Warmup = min(64, o.Hosts), 0, 2*time.Second, 200*time.Millisecond
	closed, err := c.Run(ctx, l)
	if err != nil {
		return nil, err
	}
	if r.Capacity = closed.Rate; o.Rate == 0 {
		r.Rate = r.Capacity / 2
	}
	fmt.Fprintf(o.Progress, "capacity: %s\n", closed)
	l.Window, l.Rate, l.Duration = 0, r.Rate, o.Duration
	quiet, err := c.Run(ctx, l)
	if err != nil {
		return nil, err
	}
	r.Quiet = *quiet
	fmt.Fprintf(o.Progress, "quiet: %s\n", quiet)

	changes, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() { failed = o.change(changes, c, r) })
	changing, err := c.Run(ctx, l)
	cancel()
	wg.Wait()
	if err := errors.Join(err, failed); err != nil {
		return nil, err
	}
	r.Changing = *changing
	fmt.Fprintf(o.Progress, "changing: %s\n", changing)
	return r, o.after(ctx, c, r)
}

// after asks once as every client that has a lease by now.
func (o *Options) after(ctx context.Context, c *bench.Contender, r *Report) error {
	// A lease that another process adds is served within 50 ms; the machine may be busy.
	l := c.Load()
	l.Clients = o.Hosts + r.Added
	l.Window, l.Count = min(64, l.Clients), l.Clients
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Second):
	}
	after, err := c.Run(ctx, l)
	if err != nil {
		return err
	}
	r.After = *after
	return nil
}

// change does all that is to be done to the server, until ctx ends, and counts it.
func (o *Options) change(ctx context.Context, c *bench.Contender, r *Report) error {
	const period = 10 * time.Millisecond
	path := filepath.Join(c.Site.Dir, peers.LeaseFile)
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("churn: %w", err)
	}
	defer func() { file.Close() }()
	begin := time.Now()
	reload := begin.Add(o.Reload)
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		passed := time.Since(begin)
		if due := int(passed.Seconds() * float64(o.Leases)); due > r.Added {
			if _, err := file.Write(records(nil, o.Hosts+r.Added, o.Hosts+due)); err != nil {
				return fmt.Errorf("churn: add leases: %w", err)
			}
			r.Added = due
		}
		if time.Now().After(reload) {
			reload = reload.Add(o.Reload)
			if err := c.Process.Signal(syscall.SIGHUP); err != nil {
				return err
			}
			r.Reloads++
		}
		if r.Replaced == 0 && passed > o.Duration/2 {
			if file, err = replace(file, path, o.Hosts+r.Added); err != nil {
				return err
			}
			r.Replaced++
		}
	}
}

// replace puts another file with the same leases in the place of the lease file, and opens it instead.
func replace(old *os.File, path string, hosts int) (*os.File, error) {
	old.Close()
	err := atomicfile.Write(path, 0o644, func(w io.Writer) error {
		_, err := w.Write(records(nil, 0, hosts))
		return err
	})
	if err != nil {
		return old, fmt.Errorf("churn: replace lease file: %w", err)
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return old, fmt.Errorf("churn: %w", err)
	}
	return file, nil
}

func records(b []byte, from, to int) []byte {
	for i := from; i < to; i++ {
		b = peers.AppendLease(b, i)
	}
	return b
}
