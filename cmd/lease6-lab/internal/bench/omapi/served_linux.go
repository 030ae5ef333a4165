package omapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/arena"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/server/wire"
)

// relay asks a server as a relay of a client.
type relay struct {
	conn     *net.UDPConn
	solicit  *guest.Template
	xid      uint32
	serverID []byte
	in, out  [2048]byte
}

// askTime is how long an answer may take. A server that knows no lease may not answer.
const askTime = time.Second

func (s *subject) newRelay() (*relay, error) {
	r := &relay{solicit: guest.NewTemplate(guest.Relayed, wire.Solicit, false, nil)}
	err := s.arena.Clients(-1, func() (err error) {
		local, remote := netip.AddrPortFrom(s.arena.Relays[0], 547), netip.AddrPortFrom(arena.Server, 547)
		r.conn, err = net.DialUDP("udp6", net.UDPAddrFromAddrPort(local), net.UDPAddrFromAddrPort(remote))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("omapi: relay: %w", err)
	}
	return r, nil
}

// ask sends the Solicit of client n and reports whether it is offered its lease.
func (r *relay) ask(n int) (bool, error) {
	mac := guest.MAC(n)
	r.xid = (r.xid + 1) & 0xffffff
	if err := r.conn.SetDeadline(time.Now().Add(askTime)); err != nil {
		return false, err
	}
	if _, err := r.conn.Write(r.out[:r.solicit.Write(r.out[:], mac, r.xid, 0)]); err != nil {
		return false, err
	}
	for {
		k, err := r.conn.Read(r.in[:])
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			return false, nil
		case err != nil:
			return false, err
		}
		a, ok := guest.OpenRelayed(r.in[:k])
		if !ok {
			return false, errors.New("an answer that is none")
		}
		if a.XID() == r.xid {
			return a.Check(wire.Advertise, mac, true, &r.serverID) == guest.OK, nil
		}
	}
}

// served creates leases and asks for each as soon as the reply is there.
func (o *Options) served(ctx context.Context, s *subject, hosts int) (v Served, err error) {
	v = Served{Server: s.name, Leases: hosts, Start: s.started, Samples: o.Samples}
	conn, err := s.dial(ctx)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	r, err := s.newRelay()
	if err != nil {
		return v, err
	}
	defer r.conn.Close()
	// lease6d answers OMAPI a moment before it answers packets: the kernel then refuses them.
	for begin := time.Now(); time.Since(begin) < patience; time.Sleep(time.Millisecond) {
		if _, err := r.ask(0); !errors.Is(err, syscall.ECONNREFUSED) {
			break
		}
	}
	var old, fresh []time.Duration
	for i := range o.Samples {
		if ctx.Err() != nil {
			return v, context.Cause(ctx)
		}
		begin := time.Now()
		if ok, err := r.ask(i % hosts); err != nil || !ok {
			return v, fmt.Errorf("omapi: %s does not serve client %d: %w", s.name, i%hosts, err)
		}
		old = append(old, time.Since(begin))
		n := hosts + i
		if _, err := conn.Create(host(n)); err != nil {
			return v, fmt.Errorf("omapi: %s: %w", s.name, err)
		}
		begin = time.Now()
		for {
			ok, err := r.ask(n)
			if err != nil {
				return v, fmt.Errorf("omapi: %s: ask for a new lease: %w", s.name, err)
			}
			if ok {
				break
			}
			if v.Refused++; time.Since(begin) > patience {
				return v, fmt.Errorf("omapi: %s does not serve the new lease of client %d", s.name, n)
			}
		}
		fresh = append(fresh, time.Since(begin))
	}
	v.Old = quantile(old, 0.5)
	v.P50, v.P99, v.Worst = quantile(fresh, 0.5), quantile(fresh, 0.99), quantile(fresh, 1)
	return v, nil
}

func quantile(all []time.Duration, q float64) time.Duration {
	s := slices.Sorted(slices.Values(all))
	return s[min(int(q*float64(len(s))), len(s)-1)]
}
