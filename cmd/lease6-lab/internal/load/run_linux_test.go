package load

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/arena"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/ceiling"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/labtest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
)

// asCeiling makes the test program the ceiling: its value is the mode.
const asCeiling = "LEASE6_TEST_CEILING"

func TestMain(m *testing.M) {
	mode := os.Getenv(asCeiling)
	if mode == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	parsed, err := guest.ParseMode(mode)
	if err == nil {
		err = ceiling.Run(ctx, parsed, arena.ServerNIC, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// start starts a ceiling and returns options to reach it.
func start(t *testing.T, mode guest.Mode, relays int) (*arena.Arena, Options) {
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
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Start(-1, []string{asCeiling + "=" + mode.String()}, self)
	if err != nil {
		t.Fatal(err)
	}
	return a, Options{Mode: mode, Interface: arena.ClientsNIC, Relays: a.Relays, Server: arena.Server, ServerPID: p.PID, Probe: time.Minute}
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
			a, o := start(t, mode, 3)
			for e := SARR; e < numExchanges; e++ {
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
