package access

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func tcp(address string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address)) }

func TestAdmit(t *testing.T) {
	g := New(Limits{Most: 4, MostOfOne: 2, Rate: 1, Allow: []netip.Prefix{
		netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("fe80::/10")}})
	for _, test := range []struct{ address, why string }{
		{"198.51.100.1:1", "not among the allowed prefixes"},
		{"[2001:db9::1]:1", "not among the allowed prefixes"},
		{"192.0.2.1:1", ""},
		{"[::ffff:192.0.2.1]:1", ""}, // the same, on a listener of both families
		{"192.0.2.1:2", "too many connections from this address"},
		{"[2001:db8::1]:1", ""},
		{"[2001:db8::2]:1", ""}, // the same /64
		{"[2001:db8::3]:1", "too many connections"},
		{"[fe80::1%eth0]:1", "too many connections"},
	} {
		if _, why := g.Admit(tcp(test.address)); why != test.why {
			t.Errorf("%s: %q, want %q", test.address, why, test.why)
		}
	}
	if n := g.Open(); n != 4 {
		t.Errorf("%d open, want 4", n)
	}
}

func TestOnThisMachine(t *testing.T) {
	g := New(Limits{Most: 1, MostOfOne: 1, Rate: 1, Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	p, why := g.Admit(&net.UnixAddr{Name: "x"})
	if why != "" {
		t.Fatal(why)
	}
	if _, why := g.Admit(&net.UnixAddr{Name: "x"}); why == "" {
		t.Error("a second one is let in")
	}
	g.Leave(p)
	if _, why := g.Admit(&net.UnixAddr{Name: "x"}); why != "" {
		t.Error(why)
	}
}

// TestRate holds that a peer may be a second ahead of its rate, and no more, also by connecting anew.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Limits{Most: 10, MostOfOne: 10, Rate: 10})
		begin := time.Now()
		ask := func(address string, n int) {
			t.Helper()
			for range n {
				p, why := g.Admit(tcp(address))
				if why != "" {
					t.Fatal(why)
				}
				if err := g.Wait(t.Context(), p); err != nil {
					t.Fatal(err)
				}
				g.Leave(p)
			}
		}
		ask("192.0.2.1:1", 11)
		if took := time.Since(begin); took != 0 {
			t.Errorf("11 requests took %v", took)
		}
		ask("192.0.2.1:1", 10)
		if took := time.Since(begin); took != time.Second {
			t.Errorf("21 requests at 10 a second took %v", took)
		}
		ask("192.0.2.2:1", 10) // another peer
		if took := time.Since(begin); took != time.Second {
			t.Errorf("another peer's requests had to wait until %v", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p, _ := g.Admit(tcp("192.0.2.1:1"))
		if err := g.Wait(ctx, p); !errors.Is(err, context.Canceled) {
			t.Errorf("waiting at the end of the server: %v", err)
		}
	})
}

// TestMemory holds that those who are gone are forgotten.
func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Limits{Most: 10, MostOfOne: 10, Rate: 1})
		for i := range 3 * mostIdle {
			p, why := g.Admit(tcp(fmt.Sprintf("[2001:db8:%x::1]:1", i)))
			if why != "" {
				t.Fatal(why)
			}
			g.Wait(t.Context(), p)
			g.Leave(p)
			if i%1000 == 0 {
				time.Sleep(2 * time.Second) // of the test's own time
			}
		}
		if n := len(g.all); n > mostIdle+1000 {
			t.Errorf("%d peers are remembered", n)
		}
	})
}
