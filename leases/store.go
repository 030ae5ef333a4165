package leases

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lease6/lease6/leases/isc"
)

// Errors that callers branch on.
var (
	ErrExists   = errors.New("leases: exists already")              // name or MAC is taken
	ErrNotFound = errors.New("leases: no such host")                // nothing of that name
	ErrReadOnly = errors.New("leases: somebody else owns the file") // follow mode
	ErrFailed   = errors.New("leases: the lease file failed")       // a write or sync failed; sticky until restart
)

// A Store holds the leases of one datacenter. The file is one today; a distributed engine can be another.
//
// The contract, tested for every Store by leases/storetest: Put and Delete return only when the change is durable
// and served (answered implies durable, served implies durable); a refused change leaves no trace;
// Watch misses nothing that happens after it was called, in the order of publication.
type Store interface {
	// Acquire gives read access to the current index until Release. Hold it for one batch of packets,
	// never across anything that blocks. It does not allocate.
	Acquire() *Index
	Release()
	// Put creates a host (exclusive: ErrExists if the name or the MAC is taken) or replaces it.
	Put(ctx context.Context, h *isc.Host, exclusive bool) error
	// Delete cancels a host by name.
	Delete(ctx context.Context, name string) error
	// Watch calls fn for every change until ctx ends, from one goroutine.
	Watch(ctx context.Context, fn func(Change)) error
	// Status tells how the store is doing.
	Status() Status
}

// Kind says what a Change is.
type Kind uint8

// Kinds of changes. After Reloaded, any lease may be another: readers look at the index afresh.
const (
	Put Kind = iota + 1
	Deleted
	Reloaded
)

// Change is one change of the leases, after it was published.
type Change struct {
	Kind Kind
	Name string // of the host; "" for Reloaded
}

// Status tells how a store is doing.
type Status struct {
	Hosts    int
	Loaded   time.Time // when the leases were last read as a whole
	Changed  time.Time // when a lease last changed
	Reloads  uint64    // times that they were read as a whole, beyond the first
	Records  uint64    // hosts and deletions read or written since
	Warnings int       // found when they were last read as a whole
	Errors   int
	Kept     int    // leases that are served although the file no longer has them, because it is broken
	Problem  string // what is wrong with the file now; "" if nothing is
}

func (s *Status) count(diagnostics []isc.Diagnostic) {
	s.Warnings, s.Errors = 0, 0
	for i := range diagnostics {
		if diagnostics[i].Severity == isc.Error {
			s.Errors++
		} else {
			s.Warnings++
		}
	}
}

// tellDiagnostics logs what is wrong with a lease file, not all of it if that is much.
func tellDiagnostics(log *slog.Logger, path string, diagnostics []isc.Diagnostic) {
	const most = 20
	for i, d := range diagnostics {
		if i == most {
			log.Warn("more is wrong with the lease file", "problems", len(diagnostics)-most, "remedy", "lease6 leases check "+path)
			return
		}
		level := slog.LevelWarn
		if d.Severity == isc.Error {
			level = slog.LevelError
		}
		log.Log(context.Background(), level, "lease file: "+d.Found, "done", d.Done, "host", d.Host,
			"at", fmt.Sprintf("%s:%d:%d", d.File, d.Pos.Line, d.Pos.Col), "code", d.Code)
	}
}
