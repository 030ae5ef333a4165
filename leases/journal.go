package leases

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/lease6/lease6/leases/isc"
)

// ConflictError refuses a host because another has its name or its MAC. It is an ErrExists.
type ConflictError struct {
	Field string // "name" or "mac"
	Host  string // who has it
}

// Error says who has what.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("leases: the %s is that of host %q", e.Field, e.Host)
}

// Is makes a ConflictError an ErrExists.
func (e *ConflictError) Is(target error) bool { return target == ErrExists }

// JournalOptions are what a Journal can do without.
type JournalOptions struct {
	Logger *slog.Logger // nil discards
	// Repair says what to do with a file that is damaged before its end: go on with what can be read of it, and keep it
	// beside the new one. Without, such a file is refused.
	Repair bool
}

// Journal is a Store that owns its lease file: nobody else may write it. Every change is appended as ISC dhcpd would
// append it, made durable, then served, then answered; changes that arrive while the disk is busy share the next sync.
type Journal struct {
	path string
	log  *slog.Logger
	published

	requests chan *request
	ended    chan struct{} // closed when Run ends

	// What only Run touches.
	disk      disk
	file      *os.File
	size      int64    // of the file, all of it durable
	live      int64    // of the file when it was last written anew, or what its hosts would take when it was loaded
	failed    error    // sticky
	half      bool     // something that nobody was told of stands behind size
	rewriting *rewrite // nil if the file is not being written anew
}

// disk is what a Journal does to its files, so that tests can let it fail.
type disk struct {
	write    func(*os.File, []byte) (int, error)
	sync     func(*os.File) error
	truncate func(*os.File, int64) error
	rename   func(from, to string) error
	syncDir  func(string) error
}

func realDisk() disk {
	return disk{(*os.File).Write, syncData, (*os.File).Truncate, os.Rename, syncDir}
}

// request is one change that somebody waits for.
type request struct {
	host      *isc.Host // to put
	exclusive bool
	group     *isc.Group // to put or delete
	name      string     // host to delete
	done      chan error // has room for the answer
}

// Put creates a host, or replaces the one of its name unless exclusive. It returns when the host is durable and
// served. A host whose name (if exclusive) or MAC another has is refused with a *ConflictError.
func (j *Journal) Put(ctx context.Context, h *isc.Host, exclusive bool) error {
	if err := validate(h); err != nil {
		return err
	}
	return j.ask(ctx, &request{host: h.Clone(), exclusive: exclusive, name: h.Name})
}

// Delete cancels a host. It returns when that is durable and in force.
func (j *Journal) Delete(ctx context.Context, name string) error {
	return j.ask(ctx, &request{name: name})
}

// PutGroup creates, replaces or, with Deleted, removes a group of statements.
func (j *Journal) PutGroup(ctx context.Context, g *isc.Group) error {
	s := isc.NewScanner(bytes.NewReader(isc.AppendGroup(nil, g)), isc.Options{})
	if !s.Scan() || s.Kind() != isc.KindGroup || s.Group().Name != g.Name || s.Scan() || len(s.Diagnostics()) > 0 {
		return fmt.Errorf("leases: group %q cannot be written so that it reads back", g.Name)
	}
	return j.ask(ctx, &request{group: g, name: g.Name})
}

// validate refuses what would not come back from the file as it is: statements are text, and text can contain
// anything.
func validate(h *isc.Host) error {
	if h.Deleted || len(h.Name) == 0 || len(h.Name) > longestName {
		return fmt.Errorf("leases: host %q: no host to put", h.Name)
	}
	s := isc.NewScanner(bytes.NewReader(isc.AppendHost(nil, h)), isc.Options{})
	if !s.Scan() || s.Kind() != isc.KindHost || !s.Host().Equal(h) || s.Host().Damaged || s.Scan() {
		return fmt.Errorf("leases: host %q cannot be written so that it reads back", h.Name)
	}
	return nil
}

// ask hands a request to Run and waits for the answer.
func (j *Journal) ask(ctx context.Context, r *request) error {
	r.done = make(chan error, 1)
	select {
	case j.requests <- r:
	case <-ctx.Done():
		return fmt.Errorf("leases: %s: %w", j.path, ctx.Err())
	case <-j.ended:
		return fmt.Errorf("leases: %s: %w", j.path, os.ErrClosed)
	}
	// It is being written: there is no way back, and the answer comes soon.
	return <-r.done
}
