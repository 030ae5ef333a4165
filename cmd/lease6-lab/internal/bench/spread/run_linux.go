package spread

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/arena"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/peers"
)

// Run sends the exchanges and asks the server for its workers' figures.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	if o.Relays == 0 {
		o.Relays = 1
	}
	if o.Exchanges == 0 {
		o.Exchanges = 20000
	}
	cpus, err := arena.CPUs()
	if err != nil {
		return nil, err
	}
	p, err := peers.Find("lease6d", o.Programs)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lease6-spread-")
	if err != nil {
		return nil, fmt.Errorf("spread: %w", err)
	}
	defer os.RemoveAll(dir)
	const hosts, window = 1000, 64
	anywhere := bench.Pins{Server: -1, Clients: -1}
	c, err := bench.Launch(ctx, p, dir, peers.Site{Hosts: hosts, Mode: o.Mode}, o.Relays, anywhere)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	l := c.Load()
	l.Window, l.Count = window, o.Exchanges
	result, err := c.Run(ctx, l)
	if err != nil {
		return nil, err
	}
	if err := c.Process.Signal(syscall.SIGUSR1); err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	// The sockets of relays are logged behind the others.
	if err := c.Process.AwaitOutput(waiting, fmt.Sprintf(`"socket relayed/%d"`, len(cpus)-1), 1); err != nil {
		return nil, err
	}
	workers := parseWorkers(c.Process.Output(), o.Mode.String())
	if len(workers) != len(cpus) {
		return nil, fmt.Errorf("spread: lease6d tells of %d workers, want %d; the log: %s", len(workers), len(cpus), c.Process.Tail())
	}
	return &Report{Mode: o.Mode.String(), Relays: o.Relays, Workers: workers, Load: *result}, nil
}
