package storm

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/peers"
)

// Run lets the storms come, one after the other.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.Rounds == 0 {
		o.Rounds = 3
	}
	if o.Patience == 0 {
		o.Patience = 2 * time.Minute
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	pins, err := bench.FindPins()
	if err != nil {
		return nil, err
	}
	report := &Report{Date: time.Now(), Machine: bench.ThisMachine(), Limits: limits()}
	for _, mode := range o.Modes {
		for _, vms := range o.VMs {
			for round := range o.Rounds {
				for _, name := range o.Servers {
					s, err := o.storm(ctx, Storm{VMs: vms, Mode: mode.String(), Server: name, Round: round + 1}, mode, pins)
					if err != nil {
						return nil, err
					}
					report.Storms = append(report.Storms, s)
				}
			}
		}
	}
	return report, nil
}

// storm starts a server anew and boots the VMs. Only the end of ctx is an error; what fails is said in the storm.
func (o *Options) storm(ctx context.Context, s Storm, mode guest.Mode, pins bench.Pins) (Storm, error) {
	err := o.try(ctx, &s, mode, pins)
	if ctx.Err() != nil {
		return s, context.Cause(ctx)
	}
	if err != nil {
		s.Failed = err.Error()
		fmt.Fprintf(o.Progress, "%v\n", err)
		return s, nil
	}
	fmt.Fprintf(o.Progress, "%d VMs, %s, round %d of %d: %-9s last served after %v, %d sent again\n",
		s.VMs, s.Mode, s.Round, o.Rounds, s.Server, ms(s.Result.Worst), s.Result.Retransmissions)
	return s, nil
}

func (o *Options) try(ctx context.Context, s *Storm, mode guest.Mode, pins bench.Pins) (err error) {
	p, err := peers.Find(s.Server, o.Programs)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "lease6-storm-")
	if err != nil {
		return fmt.Errorf("storm: %w", err)
	}
	defer os.RemoveAll(dir)
	c, err := bench.Launch(ctx, p, dir, peers.Site{Hosts: s.VMs, Mode: mode}, 1, pins)
	if err != nil {
		return err
	}
	defer func() {
		if e := c.Close(); err == nil {
			err = e
		}
	}()
	if s.Neighbours.Before, err = c.Arena.Neighbours(); err != nil {
		return err
	}
	drops, err := c.Arena.Drops()
	if err != nil {
		return err
	}
	watched, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { s.Neighbours.Most = watch(watched, c, s.Neighbours.Before) })
	l := c.Load()
	l.Clients, l.Window, l.Count, l.Drain = s.VMs, s.VMs, s.VMs, o.Patience
	result, err := c.Run(ctx, l)
	cancel()
	wg.Wait()
	if err != nil {
		return err
	}
	s.Result = *result
	after, err := c.Arena.Drops()
	if err != nil {
		return err
	}
	s.Drops = after.Sub(drops)
	s.Neighbours.After, err = c.Arena.Neighbours()
	s.Neighbours.Most = max(s.Neighbours.Most, s.Neighbours.After)
	return err
}

// watch looks at the neighbour table again and again and returns its largest size.
func watch(ctx context.Context, c *bench.Contender, most int) int {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return most
		case <-tick.C:
		}
		if n, err := c.Arena.Neighbours(); err == nil {
			most = max(most, n)
		}
	}
}
