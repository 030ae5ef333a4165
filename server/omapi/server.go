package omapi

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/leases/isc"
	"github.com/lease6/lease6/server/omapi/access"
	"github.com/lease6/lease6/server/omapi/codec"
)

// DefaultAddress is where OMAPI is served if nobody says otherwise: Abiquo's port, on loopback.
const DefaultAddress = "127.0.0.1:7911"

// Store is what the server needs of the leases. leases.Journal is one.
type Store interface {
	Acquire() *leases.Index
	Release()
	Put(ctx context.Context, h *isc.Host, exclusive bool) error
	Delete(ctx context.Context, name string) error
	PutGroup(ctx context.Context, g *isc.Group) error
}

// Options are what a Server can do without.
type Options struct {
	Logger *slog.Logger   // nil discards
	Key    *codec.Key     // nil: requests need no signature, as Abiquo's have none
	Allow  []netip.Prefix // whose connections are taken; none: everybody's who can reach the listener
	Codes  codec.Codes    // of results; Abiquo's client survives only the classic ones

	Connections     int           // at the same time; 0 = 1024
	PeerConnections int           // at the same time from one address; 0 = 512
	PeerRate        int           // requests a second from one address, what is more has to wait; 0 = 50,000
	IdleTimeout     time.Duration // after which a silent connection is closed; 0 = 10 minutes
}

// Server serves OMAPI from a store.
type Server struct {
	store    Store
	o        Options
	counters counters
	gate     *access.Gate
	locks    locks

	identifiers sync.Mutex // held while a host gets a client identifier, which the store does not keep apart

	logMu  sync.Mutex
	logged time.Time // when quiet last logged
	silent int       // lines that quiet has left out since
}

// New makes a server.
func New(store Store, o Options) (*Server, error) {
	if o.Codes > codec.ISC {
		return nil, fmt.Errorf("omapi: there are no result codes %d", o.Codes)
	}
	for _, p := range o.Allow {
		if !p.IsValid() {
			return nil, errors.New("omapi: an allowed prefix is not valid")
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Connections, o.PeerConnections = orDefault(o.Connections, 1024), orDefault(o.PeerConnections, 512)
	o.PeerRate, o.IdleTimeout = orDefault(o.PeerRate, 50_000), orDefault(o.IdleTimeout, 10*time.Minute)
	s := &Server{store: store, o: o, gate: access.New(access.Limits{
		Allow: o.Allow, Most: o.Connections, MostOfOne: o.PeerConnections, Rate: o.PeerRate})}
	s.locks.seed = maphash.MakeSeed()
	return s, nil
}

func orDefault[N int | time.Duration](n, otherwise N) N {
	if n <= 0 {
		return otherwise
	}
	return n
}

// Serve answers on the connections that ln accepts until ctx ends or ln is closed, and then waits for the requests that
// are being carried out. It closes ln. The store has to work for as long as Serve does.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if s.exposed(ln.Addr()) {
		s.o.Logger.Warn("OMAPI is open to everybody who can reach it", "address", ln.Addr().String(),
			"remedy", "listen on loopback, list the allowed clients, or set a key")
	}
	var sessions sync.WaitGroup
	defer sessions.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	defer ln.Close()
	for {
		conn, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil: // too many open files, most likely: it passes
			s.quiet(s.o.Logger, slog.LevelError, "cannot accept connections", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
			continue
		}
		p, why := s.gate.Admit(conn.RemoteAddr())
		if why != "" {
			s.counters.Rejected.Add(1)
			s.quiet(s.o.Logger, slog.LevelWarn, "connection refused", "peer", conn.RemoteAddr().String(), "reason", why)
			conn.Close()
			continue
		}
		s.counters.Connections.Add(1)
		sessions.Go(func() {
			defer s.gate.Leave(p)
			newSession(s, conn, p).run(ctx)
		})
	}
}

// exposed reports whether anybody beyond this machine may change leases.
func (s *Server) exposed(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && !tcp.IP.IsLoopback() && s.o.Key == nil && len(s.o.Allow) == 0
}

// quiet logs what other people can make happen as often as they like, at most once a second.
func (s *Server) quiet(log *slog.Logger, level slog.Level, what string, args ...any) {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	if now := time.Now(); now.Sub(s.logged) >= time.Second {
		if s.silent > 0 {
			args = append(args, "left-out", s.silent)
		}
		s.logged, s.silent = now, 0
		log.Log(context.Background(), level, what, args...)
		return
	}
	s.silent++
}

// locks keep two changes of one object apart, which read it before they write it. Objects may share one.
type locks struct {
	seed maphash.Seed
	all  [1024]sync.Mutex
}

func (l *locks) lock(name string) (unlock func()) {
	mu := &l.all[maphash.String(l.seed, name)%uint64(len(l.all))]
	mu.Lock()
	return mu.Unlock
}
