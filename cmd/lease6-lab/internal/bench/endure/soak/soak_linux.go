package soak

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/endure/vitals"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/peers"
)

// Run keeps lease6d at its limit while things change, and looks at it all the time.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	pins, err := bench.FindPins()
	if err != nil {
		return nil, err
	}
	p, err := peers.Find("lease6d", o.Programs)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lease6-soak-")
	if err != nil {
		return nil, fmt.Errorf("soak: %w", err)
	}
	defer os.RemoveAll(dir)
	c, err := bench.Launch(ctx, p, dir, peers.Site{Hosts: o.Hosts}, 1, pins)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := introduce(c.Arena, c.Process.PID); err != nil {
		return nil, err
	}
	s := &run{o: o, contender: c, subject: vitals.Subject{Process: c.Process, Begin: time.Now()}}
	s.report.Hosts = o.Hosts
	if err := s.all(ctx); err != nil {
		return nil, err
	}
	return &s.report, nil
}

// run is one soak. The load, and what is done to lease6d, have a goroutine each.
type run struct {
	o         Options
	contender *bench.Contender
	subject   vitals.Subject
	report    Report
}

func (s *run) all(ctx context.Context) error {
	changes, err := newChanges(s.contender, s.o)
	if err != nil {
		return err
	}
	defer changes.close()
	// Whichever fails ends the other; the load ends with its time, and the rest with it.
	both, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.attend(both, changes); err != nil {
			cancel(err)
		}
	})
	err = s.load(both)
	cancel(nil)
	wg.Wait()
	if cause := context.Cause(both); err == nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	s.report.Trends = trends(s.report.Samples)
	if err := changes.addAll(); err != nil {
		return err
	}
	s.report.Appended, s.report.Reloads, s.report.Replaced, s.report.Extra = changes.appended, changes.reloads, changes.replaced, len(changes.present)
	return s.after(ctx)
}

// load asks in turns through a relay and directly.
func (s *run) load(ctx context.Context) error {
	modes := [2]guest.Mode{guest.Relayed, guest.Direct}
	for i, m := range modes {
		s.report.Turns[i].Mode = m.String()
	}
	for turn := 0; time.Since(s.subject.Begin) < s.o.Time; turn++ {
		s.contender.Site.Mode = modes[turn%2]
		l := s.contender.Load()
		l.Exchange, l.Window, l.Count, l.Duration = load.Mixed, window, 0, s.o.Sample
		r, err := s.contender.Run(ctx, l)
		if err != nil {
			return err
		}
		s.report.Turns[turn%2].add(r)
		fmt.Fprintf(s.o.Progress, "%-7s %s\n", l.Mode, r)
	}
	return nil
}

// attend changes things and looks at lease6d until ctx ends.
func (s *run) attend(ctx context.Context, c *changes) error {
	const period = 10 * time.Millisecond
	tick := time.NewTicker(period)
	defer tick.Stop()
	begin := s.subject.Begin
	look, reload, replace := begin.Add(s.o.Sample), begin.Add(s.o.Reload), begin.Add(s.o.Replace)
	// due says whether something is to be done now, and when next.
	due := func(at *time.Time, every time.Duration) bool {
		if time.Now().Before(*at) {
			return false
		}
		*at = at.Add(every)
		return true
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := c.append(int(time.Since(begin).Seconds() * float64(s.o.Leases)))
		if err == nil && due(&reload, s.o.Reload) {
			err = c.reload(ctx, &s.subject)
		}
		if err == nil && due(&replace, s.o.Replace) {
			err = c.replace()
		}
		if err == nil && due(&look, s.o.Sample) {
			var v vitals.Vitals
			if v, err = s.subject.Look(ctx); err == nil {
				s.report.Samples = append(s.report.Samples, v)
				fmt.Fprintf(s.o.Progress, "%6v  %s\n", v.At.Round(100*time.Millisecond), v)
			}
		}
		if ctx.Err() != nil {
			return nil // what was begun may have been interrupted
		}
		if err != nil {
			return err
		}
	}
}

// after asks once as every client that has a lease.
func (s *run) after(ctx context.Context) error {
	// A lease that another process adds is served within 50 ms; the machine may be busy.
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Second):
	}
	s.contender.Site.Mode = guest.Relayed
	l := s.contender.Load()
	l.Clients = s.o.Hosts + s.report.Extra
	l.Window, l.Count = window, l.Clients
	r, err := s.contender.Run(ctx, l)
	if err != nil {
		return err
	}
	s.report.After = *r
	return nil
}
