package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/arena"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/peers"
)

// Contender is a server that runs in an arena of its own, until Close.
type Contender struct {
	Peer    *peers.Peer
	Arena   *arena.Arena
	Process *arena.Process
	Site    peers.Site
	Started time.Duration // from its start to its first answer

	clientsCPU int
}

// Pins are the CPUs of servers and of the load.
type Pins struct{ Server, Clients int }

// FindPins gives the servers one CPU and the load another one, if there is more than one.
func FindPins() (Pins, error) {
	cpus, err := arena.CPUs()
	if err != nil {
		return Pins{}, fmt.Errorf("bench: %w", err)
	}
	return Pins{Server: cpus[0], Clients: cpus[len(cpus)-1]}, nil
}

// Launch starts a server with so many reservations in a new arena and waits for its first answer. Its files are below
// dir.
func Launch(ctx context.Context, p *peers.Peer, dir string, site peers.Site, relays int, pins Pins) (*Contender, error) {
	a, err := arena.New(relays)
	if err != nil {
		return nil, err
	}
	c := &Contender{Peer: p, Arena: a, Site: site, clientsCPU: pins.Clients}
	if err := c.launch(ctx, dir, pins.Server); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Contender) launch(ctx context.Context, dir string, cpu int) error {
	c.Site.Dir, c.Site.Interface = filepath.Join(dir, c.Peer.Name), arena.ServerNIC
	if err := os.Mkdir(c.Site.Dir, 0o755); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	args, env, err := c.Peer.Configure(&c.Site)
	if err != nil {
		return err
	}
	begin := time.Now()
	if c.Process, err = c.Arena.Start(cpu, env, args...); err != nil {
		return err
	}
	o := c.Load()
	o.Probe = c.Peer.Start(c.Site.Hosts)
	if err := c.probe(ctx, o); err != nil {
		return fmt.Errorf("bench: %s did not start: %w: %s", c.Peer.Name, err, c.Process.Tail())
	}
	c.Started = time.Since(begin)
	return nil
}

// probe waits for the server's first answer, for as long as the server runs.
func (c *Contender) probe(ctx context.Context, o load.Options) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil) // before Wait
	wg.Go(func() {
		select {
		case <-c.Process.Done():
			cancel(errors.New("it has ended"))
		case <-ctx.Done():
		}
	})
	return c.Arena.Clients(c.clientsCPU, func() error { return load.Probe(ctx, o) })
}

// Load is the part of the options of a load that reaches this server.
func (c *Contender) Load() load.Options {
	o := load.Options{Mode: c.Site.Mode, Clients: c.Site.Hosts, Window: 1, Count: 1, ServerPID: c.Process.PID}
	if o.Mode == guest.Direct {
		o.Interface = arena.ClientsNIC
	} else {
		o.Relays, o.Server = c.Arena.Relays, arena.Server
	}
	return o
}

// Run puts a load on the server.
func (c *Contender) Run(ctx context.Context, o load.Options) (*load.Result, error) {
	if c.Process.Ended() {
		return nil, fmt.Errorf("bench: %s has ended: %s", c.Peer.Name, c.Process.Tail())
	}
	var r *load.Result
	err := c.Arena.Clients(c.clientsCPU, func() (err error) {
		r, err = load.Run(ctx, o)
		return err
	})
	return r, err
}

// Settle waits until the server has nothing to do, but no longer than a few seconds: a slow one may have messages left
// whose clients have gone.
func (c *Contender) Settle(ctx context.Context) error {
	const period, rounds, idle = 50 * time.Millisecond, 60, 5 * time.Millisecond
	before, err := load.ProcessCPU(c.Process.PID)
	for range rounds {
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(period):
		}
		var now time.Duration
		if now, err = load.ProcessCPU(c.Process.PID); now-before < idle {
			break
		}
		before = now
	}
	return err
}

// Pause keeps the server from using its CPU, which it shares with others, until Resume.
func (c *Contender) Pause() error { return c.Process.Signal(syscall.SIGSTOP) }

// Resume ends Pause.
func (c *Contender) Resume() error { return c.Process.Signal(syscall.SIGCONT) }

// RSS is the memory of the server in bytes.
func (c *Contender) RSS() int64 {
	var kib int64
	if _, err := fmt.Sscan(field(fmt.Sprintf("/proc/%d/status", c.Process.PID), "VmRSS", ":"), &kib); err != nil {
		return 0
	}
	return kib << 10
}

// Close ends the server, and removes its arena and files.
func (c *Contender) Close() error {
	err := c.Arena.Close()
	if c.Site.Dir != "" {
		err = errors.Join(err, os.RemoveAll(c.Site.Dir))
	}
	return err
}
