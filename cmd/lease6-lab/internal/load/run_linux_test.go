package load

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/arena"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/benchtest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/labtest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
)

var build benchtest.Build

func TestMain(m *testing.M) { os.Exit(build.Main(m)) }

// start starts a ceiling and returns it and options to reach it.
func start(t *testing.T, mode guest.Mode, relays int) (*arena.Arena, *arena.Process, Options) {
	t.Helper()
	if err := arena.Check(); err != nil {
		labtest.Missing(t, err.Error())
	}
	a, err := arena.New(relays)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	p, err := a.Start(-1, nil, benchtest.Self(t), "ceiling", "--mode", mode.String(), "--interface", arena.ServerNIC)
	if err != nil {
		t.Fatal(err)
	}
	return a, p, Options{Mode: mode, Interface: arena.ClientsNIC, Relays: a.Relays, Server: arena.Server, ServerPID: p.PID, Probe: time.Minute, Drain: time.Minute}
}

func run(t *testing.T, a *arena.Arena, o Options) *Result {
	t.Helper()
	var r *Result
	err := a.Clients(-1, func() (err error) {
		r, err = Run(t.Context(), o)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s %s: %s", o.Mode, o.Exchange, r)
	return r
}

func TestEveryExchange(t *testing.T) {
	for _, mode := range []guest.Mode{guest.Relayed, guest.Direct} {
		t.Run(mode.String(), func(t *testing.T) {
			a, _, o := start(t, mode, 3)
			for e := range numExchanges {
				o.Exchange, o.Clients, o.Window, o.Count = e, 5000, 64, 5000
				r := run(t, a, o)
				if r.Exchanges != 5000 || r.Wrong != 0 || r.Unanswered != 0 || r.SendErrors != 0 {
					t.Errorf("%s: %+v", e, r)
				}
				if r.ServerCPU <= 0 || r.P50 <= 0 || r.P99 < r.P50 || r.Worst < r.P999 {
					t.Errorf("%s: figures that cannot be: %+v", e, r)
				}
			}
		})
	}
}

// TestOpenLoop begins as many exchanges as the rate says, whatever the server does.
func TestOpenLoop(t *testing.T) {
	a, _, o := start(t, guest.Relayed, 1)
	o.Clients, o.Rate, o.Duration = 1000, 500, time.Second
	r := run(t, a, o)
	if r.Wrong != 0 || r.Unanswered != 0 || r.Skipped != 0 || r.Elapsed < time.Second || r.Exchanges > 500 {
		t.Errorf("%+v", r)
	}
}

// TestRetransmission stops the server for a while. Every client asks again and gets its answer, and second answers do
// no harm.
func TestRetransmission(t *testing.T) {
	for _, mode := range []guest.Mode{guest.Relayed, guest.Direct} {
		t.Run(mode.String(), func(t *testing.T) {
			a, p, o := start(t, mode, 1)
			o.Clients, o.Window, o.Count = 200, 200, 200
			run(t, a, o) // it answers
			o.Rate, o.Count, o.Duration = 400, 0, 2*time.Second
			time.AfterFunc(300*time.Millisecond, func() { _ = p.Signal(syscall.SIGSTOP) })
			time.AfterFunc(1900*time.Millisecond, func() { _ = p.Signal(syscall.SIGCONT) })
			r := run(t, a, o)
			if r.Retransmissions == 0 || r.Stale == 0 || r.Skipped == 0 || r.Wrong != 0 || r.Unanswered != 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestNoServer says so, and in time.
func TestNoServer(t *testing.T) {
	a, p, o := start(t, guest.Relayed, 1)
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.Clients, o.Window, o.Count, o.Probe = 1, 1, 1, 100*time.Millisecond
	err := a.Clients(-1, func() error {
		_, err := Run(t.Context(), o)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "no answer within 100ms") {
		t.Errorf("%v", err)
	}
}

// TestStepAllocations: a generator in full run allocates nothing, sockets and timers included.
func TestStepAllocations(t *testing.T) {
	for _, mode := range []guest.Mode{guest.Relayed, guest.Direct} {
		t.Run(mode.String(), func(t *testing.T) {
			a, _, o := start(t, mode, 2)
			o.Clients, o.Window, o.Count, o.Exchange = 1000, 64, 1<<30, Mixed
			err := a.Clients(-1, func() error {
				if err := o.complete(); err != nil {
					return err
				}
				g, err := newGenerator(o)
				if err != nil {
					return err
				}
				defer g.close()
				if err := g.probe(t.Context()); err != nil {
					return err
				}
				step := func() {
					if now := g.clock(); !g.step(now, true) {
						g.sleep(now)
					}
				}
				if n := testing.AllocsPerRun(2000, step); n != 0 {
					t.Errorf("%v allocations a step", n)
				}
				if g.result.Exchanges == 0 {
					t.Error("nothing was done")
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
