// Package access decides whose connections are taken and how fast requests come: allowed prefixes, limits of
// connections, a rate for each peer.
package access

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Limits are what a Gate lets through.
type Limits struct {
	Allow     []netip.Prefix // none: everybody
	Most      int            // connections at the same time
	MostOfOne int            // connections of one peer
	Rate      int            // requests of one peer a second; what is more has to wait
}

// Gate lets peers in. Peers are told apart by IPv4 address or IPv6 /64.
type Gate struct {
	limits              Limits
	interval, allowance time.Duration // of the rate: between two requests, and how far one may be ahead of it

	mu    sync.Mutex
	open  int
	all   map[netip.Prefix]*Peer
	sweep int // when there are more peers than that, those who are gone are forgotten
}

// Peer is somebody who has come through a Gate, whose mutex guards it.
type Peer struct {
	prefix netip.Prefix
	open   int
	next   time.Time // when the next request would be due at the rate allowed
}

// mostIdle is how many peers without a connection may be remembered before one looks whether they need be.
const mostIdle = 4096

// New makes a Gate.
func New(l Limits) *Gate {
	return &Gate{limits: l, interval: time.Second / time.Duration(l.Rate), allowance: time.Second, sweep: mostIdle, all: make(map[netip.Prefix]*Peer)}
}

// Open returns how many connections there are.
func (g *Gate) Open() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// Admit takes a new connection, or says why it is not taken.
func (g *Gate) Admit(a net.Addr) (_ *Peer, why string) {
	var addr netip.Addr
	if tcp, ok := a.(*net.TCPAddr); ok {
		addr = tcp.AddrPort().Addr().Unmap().WithZone("")
		allowed := len(g.limits.Allow) == 0
		for _, prefix := range g.limits.Allow {
			allowed = allowed || prefix.Contains(addr)
		}
		if !allowed {
			return nil, "not among the allowed prefixes"
		}
	}
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	prefix, _ := addr.Prefix(bits)
	g.mu.Lock()
	defer g.mu.Unlock()
	one := g.all[prefix]
	if one == nil {
		one = &Peer{prefix: prefix}
	}
	switch {
	case g.open >= g.limits.Most:
		return nil, "too many connections"
	case one.open >= g.limits.MostOfOne:
		return nil, "too many connections from this address"
	}
	g.all[prefix] = one
	one.open++
	g.open++
	return one, ""
}

// Leave ends a connection. Who has used up his rate is remembered, so that a new connection does not give it back.
func (g *Gate) Leave(one *Peer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	one.open--
	g.open--
	now := time.Now()
	if one.open == 0 && !one.next.After(now) {
		delete(g.all, one.prefix)
	}
	if len(g.all) > g.sweep {
		for prefix, other := range g.all {
			if other.open == 0 && !other.next.After(now) {
				delete(g.all, prefix)
			}
		}
		g.sweep = len(g.all) + mostIdle
	}
}

// Wait holds a request back until its peer's rate allows it.
func (g *Gate) Wait(ctx context.Context, one *Peer) error {
	g.mu.Lock()
	now := time.Now()
	if one.next.Before(now) {
		one.next = now
	}
	ahead := one.next.Sub(now) - g.allowance
	one.next = one.next.Add(g.interval)
	g.mu.Unlock()
	if ahead <= 0 {
		return nil
	}
	timer := time.NewTimer(ahead)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
