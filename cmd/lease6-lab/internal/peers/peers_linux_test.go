package peers_test

import (
	"errors"
	"os"
	"testing"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/benchtest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/labtest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/peers"
)

var build benchtest.Build

func TestMain(m *testing.M) { os.Exit(build.Main(m)) }

// TestEveryPeer starts each server on the same reservations and asks once as every client.
func TestEveryPeer(t *testing.T) {
	programs := build.Programs(t)
	for _, mode := range []guest.Mode{guest.Relayed, guest.Direct} {
		for _, name := range peers.Names() {
			// CoreDHCP is in no distribution; "lease6-lab bench --build-coredhcp" builds it.
			if _, err := peers.Find(name, programs); name == "coredhcp" && errors.Is(err, peers.ErrMissing) {
				continue
			}
			t.Run(mode.String()+"/"+name, func(t *testing.T) {
				const hosts = 50
				p, err := peers.Find(name, programs)
				if errors.Is(err, peers.ErrMissing) {
					labtest.Missing(t, err.Error())
				}
				if err != nil {
					t.Fatal(err)
				}
				c, err := bench.Launch(t.Context(), p, t.TempDir(), peers.Site{Hosts: hosts, Mode: mode}, 1, bench.Pins{Server: -1, Clients: -1})
				if err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := c.Close(); err != nil {
						t.Error(err)
					}
				}()
				l := c.Load()
				l.Window, l.Count = 16, hosts
				r, err := c.Run(t.Context(), l)
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("version %q, first answer after %v: %s", p.Version(t.Context()), c.Started, r)
				if r.Exchanges != hosts || r.Wrong != 0 || r.Unanswered != 0 {
					t.Errorf("%+v", r)
				}
				// A server that answers by UDP has made neighbours of direct clients; ours must not.
				n, err := c.Arena.Neighbours()
				if err != nil {
					t.Fatal(err)
				}
				if mine := name == "ceiling" || name == "lease6d"; mode == guest.Direct && (n == 0 && r.Solicited == 0) != mine {
					t.Errorf("%d neighbours, %d solicited", n, r.Solicited)
				}
			})
		}
	}
}

func TestFind(t *testing.T) {
	if _, err := peers.Find("bootpd", nil); err == nil || errors.Is(err, peers.ErrMissing) {
		t.Errorf("a server nobody knows: %v", err)
	}
	if _, err := peers.Find("kea", map[string]string{"kea": "/nonexistent"}); !errors.Is(err, peers.ErrMissing) {
		t.Errorf("a program that is not there: %v", err)
	}
}

func TestStart(t *testing.T) {
	p, err := peers.Find("kea", map[string]string{"kea": benchtest.Self(t)})
	if err != nil {
		t.Fatal(err)
	}
	if few, many := p.Start(10), p.Start(10_000_000); few <= 0 || many < 10*few {
		t.Errorf("patience: %v, %v", few, many)
	}
}
