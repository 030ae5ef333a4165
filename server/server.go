package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/server/batch"
	"github.com/lease6/lease6/server/config"
	"github.com/lease6/lease6/server/wire"
)

// Options are what a Server can do without.
type Options struct {
	Logger *slog.Logger // nil discards
}

// Server answers DHCPv6 on the links of its configuration from the leases of its store.
type Server struct {
	store  leases.Store
	static config.Static
	duid   []byte
	log    *slog.Logger

	policy  atomic.Pointer[policy] // what the workers go by; replaced as a whole
	workers []*worker              // made by Run before it is ready, then constant
	started atomic.Bool

	look chan struct{} // has one element if the interfaces should be looked at

	mu         sync.Mutex // guards the inputs of the policy while a new one is made
	dynamic    config.Dynamic
	interfaces []Interface
}

// New makes a server that is known to clients by duid, the value of its Server Identifier.
func New(cfg *config.Config, store leases.Store, duid []byte, o Options) (*Server, error) {
	if len(duid) < 3 || len(duid) > wire.MaxDUID {
		return nil, fmt.Errorf("server: server DUID of %d bytes: want 3 to %d", len(duid), wire.MaxDUID)
	}
	if len(cfg.Dynamic.Links) == 0 {
		return nil, errors.New("server: no link is configured")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{store: store, static: cfg.Server, duid: duid, log: o.Logger, dynamic: cfg.Dynamic, look: make(chan struct{}, 1)}
	s.policy.Store(newPolicy(s.dynamic, duid, nil))
	return s, nil
}

// Reload puts the dynamic part of a configuration into force. Packets being answered finish by the old one; none is lost.
func (s *Server) Reload(cfg *config.Config) error {
	if len(cfg.Dynamic.Links) == 0 {
		return errors.New("server: no link is configured")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dynamic = cfg.Dynamic
	s.renew()
	s.tellAbsent()
	poke(s.look) // other interfaces may be served now: their groups must be joined
	return nil
}

// poke says that there is something to look at, once.
func poke(look chan<- struct{}) {
	select {
	case look <- struct{}{}:
	default:
	}
}

// setInterfaces tells which interfaces there are now. It returns those that are served, by index.
func (s *Server) setInterfaces(interfaces []Interface) map[int32]Interface {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.interfaces == nil
	s.interfaces = interfaces
	s.renew()
	if first {
		s.tellAbsent()
	}
	served := make(map[int32]Interface)
	for _, i := range interfaces {
		if s.policy.Load().ifaces[i.Index] != nil {
			served[i.Index] = i
		}
	}
	return served
}

// tellAbsent warns of interfaces that the configuration names and that there are not: more often than not they are
// misspelt. The caller holds mu.
func (s *Server) tellAbsent() {
	patterns := slices.Clone(s.dynamic.Interfaces)
	for i := range s.dynamic.Links {
		patterns = append(patterns, s.dynamic.Links[i].Interfaces...)
	}
	for _, q := range patterns {
		if !slices.ContainsFunc(s.interfaces, func(i Interface) bool { return matchAny([]string{q}, i.Name) }) {
			s.log.Warn("there is no such interface yet", "interface", q)
		}
	}
}

// renew makes a new policy. The caller holds mu.
func (s *Server) renew() {
	p := newPolicy(s.dynamic, s.duid, s.interfaces)
	before := s.policy.Swap(p)
	for index, f := range p.ifaces {
		if old := before.ifaces[index]; old != nil && old.name == f.name && old.linkName() == f.linkName() {
			continue
		}
		if f.link == nil {
			s.log.Warn("interface belongs to no link: its clients are not answered", "interface", f.name,
				"remedy", "name it in a [[link]], or add a link with the prefix ::/0")
			continue
		}
		s.log.Info("serving interface", "interface", f.name, "link", f.link.name)
	}
	for index, f := range before.ifaces {
		if p.ifaces[index] == nil {
			s.log.Info("interface is no longer served", "interface", f.name)
		}
	}
}

// Run serves until ctx ends. It calls ready once, when packets are being answered.
func (s *Server) Run(ctx context.Context, ready func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := s.listen(); err != nil {
		return err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	// Closing the sockets is what ends a blocked worker.
	defer func() {
		for _, w := range s.workers {
			w.conn.Close()
		}
	}()
	start := func(run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				cancel(err)
			}
		})
	}
	listed := make(chan struct{})
	start(func(ctx context.Context) error { return s.watchInterfaces(ctx, func() { close(listed) }) })
	select {
	case <-listed:
	case <-ctx.Done():
		return runError(ctx)
	}
	for _, w := range s.workers {
		start(w.run)
	}
	start(s.reportSightings)
	ready()
	<-ctx.Done()
	return runError(ctx)
}

// runError is why a run ended: nil if it was asked to.
func runError(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// listen opens the sockets and makes a worker for each: packet sockets for directly attached clients, UDP sockets for
// relays and unicast.
func (s *Server) listen() error {
	n := s.static.Workers
	if n == 0 {
		n = runtime.NumCPU()
	}
	o := batch.Options{ReceiveBytes: s.static.ReceiveBytes}
	frames, err := batch.ListenPacket(n, o)
	if err != nil {
		return fmt.Errorf("server: listen for directly attached clients: %w", err)
	}
	datagrams, err := batch.ListenUDP(wire.ServerPort, n, o)
	if err != nil {
		for _, c := range frames {
			c.Close()
		}
		return fmt.Errorf("server: listen for relays on UDP port %d: %w", wire.ServerPort, err)
	}
	for i, c := range frames {
		s.workers = append(s.workers, &worker{name: fmt.Sprintf("direct/%d", i), server: s, conn: c, frames: true})
	}
	for i, c := range datagrams {
		s.workers = append(s.workers, &worker{name: fmt.Sprintf("relayed/%d", i), server: s, conn: c})
	}
	s.started.Store(true)
	return nil
}

// Counters returns the sum over all workers since the start.
func (s *Server) Counters() Counters {
	var sum Counters
	if s.started.Load() {
		for _, w := range s.workers {
			w.counters.addTo(&sum)
		}
	}
	return sum
}

// WorkerStats is what one worker has done.
type WorkerStats struct {
	Name     string // "direct/0", "relayed/1"
	Counters Counters
	Socket   batch.Stats
}

// Workers returns the figures of each worker.
func (s *Server) Workers() []WorkerStats {
	if !s.started.Load() {
		return nil
	}
	var all []WorkerStats
	for _, w := range s.workers {
		st := WorkerStats{Name: w.name, Socket: w.conn.Stats()}
		w.counters.addTo(&st.Counters)
		all = append(all, st)
	}
	return all
}

// Sightings returns the clients that were lately seen and not served as they should be, the latest first.
func (s *Server) Sightings() []Sighting {
	if !s.started.Load() {
		return nil
	}
	var all []Sighting
	for _, w := range s.workers {
		w.sightings.each(func(e *sighting) { all = append(all, e.export()) })
	}
	return mergeSightings(all)
}

const (
	sightingPeriod = time.Second
	sightingsALog  = 10        // lines at once at most
	sightingsPause = 6         // periods until there may be one more: whoever floods us with MACs must not fill the log
	sightingRepeat = time.Hour // until the same client is logged again
)

// reportSightings logs clients that an operator should know of: each once, then once an hour while it goes on.
func (s *Server) reportSightings(ctx context.Context) error {
	tick := time.NewTicker(sightingPeriod)
	defer tick.Stop()
	told := sightingLog{told: make(map[sightingKey]time.Time), budget: sightingsALog * sightingsPause}
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			// A worker may note a packet a moment after the time that it gives it: look back twice as far.
			s.logSightings(last.Add(-sightingPeriod), now, &told)
			s.tellRelays(now, &told)
			last = now
		}
	}
}

// sightingLog is what was logged of clients, and how much more may be.
type sightingLog struct {
	told   map[sightingKey]time.Time
	budget int // lines, in pieces of 1/sightingsPause
	silent int // clients that were not logged since the last line about that

	relays uint64    // messages of relays that are not believed, at the last line about them
	warned time.Time // when that was
}

// tellRelays warns of relays that are not believed, once a minute while it goes on.
func (s *Server) tellRelays(now time.Time, l *sightingLog) {
	counters := s.Counters()
	dropped := counters.Dropped[DropRelay]
	if dropped == l.relays || now.Sub(l.warned) < time.Minute {
		return
	}
	s.log.Warn("messages of relays that are not believed were dropped", "messages", dropped-l.relays,
		"remedy", "if these are your relays, list them in server.relays (--relay); else a client tries to speak like one")
	l.relays, l.warned = dropped, now
}

// logSightings logs what was seen since the last time, by whichever worker, unless it was told within the hour.
func (s *Server) logSightings(since, now time.Time, l *sightingLog) {
	for key, when := range l.told {
		if now.Sub(when) >= sightingRepeat {
			delete(l.told, key)
		}
	}
	var fresh []Sighting
	for _, w := range s.workers {
		w.sightings.each(func(e *sighting) {
			if e.last >= since.UnixNano() {
				fresh = append(fresh, e.export())
			}
		})
	}
	l.budget = min(l.budget+1, sightingsALog*sightingsPause)
	for _, x := range mergeSightings(fresh) {
		if _, known := l.told[x.key()]; known {
			continue
		}
		if l.budget < sightingsPause {
			l.silent++
			continue
		}
		l.budget -= sightingsPause
		l.told[x.key()] = now
		args := []any{"mac", x.MAC, "link", x.Link, "duid", fmt.Sprintf("%x", x.DUID), "messages", x.Count}
		if x.Kind == IdentityMismatch {
			args = append(args, "claimed-mac", x.Claimed)
		}
		if l.silent > 0 {
			args = append(args, "others-not-logged", l.silent)
			l.silent = 0
		}
		s.log.Warn(x.Kind.String(), args...)
	}
}
