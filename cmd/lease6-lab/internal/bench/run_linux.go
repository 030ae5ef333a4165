package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/peers"
)

// Run measures.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	pins, err := FindPins()
	if err != nil {
		return nil, err
	}
	if pins.Server == pins.Clients {
		o.say("warning: servers and load share one CPU: rates are of both together")
	}
	dir, err := os.MkdirTemp("", "lease6-bench-")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer os.RemoveAll(dir)
	report := &Report{Date: time.Now(), Machine: ThisMachine(), Window: o.Window, Seconds: o.Round.Seconds(), Rounds: o.Rounds}
	for _, mode := range o.Modes {
		for _, size := range o.Sizes {
			cases, err := o.field(ctx, dir, pins, mode, size)
			if err != nil {
				return nil, err
			}
			report.Cases = append(report.Cases, cases...)
		}
	}
	return report, nil
}

// field starts all servers on reservations of one number and measures every exchange with them.
func (o *Options) field(ctx context.Context, dir string, pins Pins, mode guest.Mode, size int) (cases []Case, err error) {
	servers := make([]Server, len(o.Servers))
	contenders := make([]*Contender, len(o.Servers))
	defer func() {
		for _, c := range contenders {
			if c != nil {
				err = errors.Join(err, c.Close())
			}
		}
	}()
	for i, name := range o.Servers {
		servers[i].Name = name
		p, err := peers.Find(name, o.Programs)
		if err == nil {
			servers[i].Version = p.Version(ctx)
			o.say("starting %s with %s reservations", name, group(float64(size)))
			contenders[i], err = Launch(ctx, p, dir, peers.Site{Hosts: size, Mode: mode}, o.Relays, pins)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			servers[i].Failed = err.Error()
			o.say("%s: %v", name, err)
			continue
		}
		servers[i].Start = contenders[i].Started
		if err := errors.Join(contenders[i].Settle(ctx), contenders[i].Pause()); err != nil {
			return nil, err
		}
	}
	for _, exchange := range o.Exchanges {
		c := Case{Mode: mode.String(), Exchange: exchange.String(), Reservations: size, Servers: append([]Server(nil), servers...)}
		if err := o.rounds(ctx, &c, exchange, contenders); err != nil {
			return nil, err
		}
		c.summarize()
		cases = append(cases, c)
	}
	return cases, nil
}

// rounds puts the load on one server after the other, again and again.
func (o *Options) rounds(ctx context.Context, c *Case, exchange load.Exchange, contenders []*Contender) error {
	for round := range o.Rounds {
		for i, contender := range contenders {
			s := &c.Servers[i]
			if contender == nil || s.Failed != "" {
				continue
			}
			r, err := o.round(ctx, contender, exchange, round == 0)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				s.Failed = err.Error()
				o.say("%s: %v", s.Name, err)
				continue
			}
			o.say("%s, %s, round %d of %d: %-9s %s", c.title(), group(float64(c.Reservations)), round+1, o.Rounds, s.Name, r)
			s.Rounds = append(s.Rounds, *r)
			s.RSS = contender.RSS()
		}
	}
	return nil
}

// round is one run of the load on one server, while all others are paused.
func (o *Options) round(ctx context.Context, contender *Contender, exchange load.Exchange, first bool) (_ *load.Result, err error) {
	if err := contender.Resume(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, contender.Settle(ctx), contender.Pause()) }()
	l := contender.Load()
	l.Window = o.Window
	if exchange == load.Renew || exchange == load.Mixed {
		// Kea and dnsmasq renew only what they have given out.
		l.Clients = min(l.Clients, max(primed, l.Window))
		if first {
			l.Count = l.Clients
			if _, err := contender.Run(ctx, l); err != nil {
				return nil, err
			}
		}
	}
	l.Exchange, l.Count, l.Duration, l.Warmup, l.Drain = exchange, 0, o.Round, o.Warmup, time.Second
	if o.Count > 0 {
		l.Count, l.Duration, l.Warmup, l.Drain = o.Count, 0, 0, time.Minute
	}
	return contender.Run(ctx, l)
}
