package leases

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lease6/lease6/leases/isc"
)

// FileOptions are what a File can do without.
type FileOptions struct {
	Logger *slog.Logger // nil discards
}

// File is a Store over an ISC lease file that somebody else writes. It follows that file for as long as Run runs.
type File struct {
	path string
	log  *slog.Logger
	published

	reload chan chan error // asks Run to take the file as it stands

	// What Run knows of the file, and nobody else reads.
	at       place
	keptFor  string    // why leases are kept that the file lacks; "" if none are
	trouble  string    // last trouble that was logged, so that it is logged once
	tornFrom time.Time // since when an incomplete record stands at the end
	tornTold bool
}

// Open reads a lease file. Damage is logged and in the Status; only a file that cannot be read is an error.
func Open(path string, o FileOptions) (*File, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	f := &File{path: path, log: o.Logger, reload: make(chan chan error)}
	got, err := readFile(path)
	if err != nil {
		return nil, err
	}
	f.index, f.at = got.ix, got.at
	tellDiagnostics(f.log, path, got.diagnostics)
	f.status = Status{Hosts: got.ix.Len(), Loaded: time.Now(), Changed: got.at.modified}
	f.status.count(got.diagnostics)
	return f, nil
}

// Put is refused: somebody else writes the file.
func (f *File) Put(context.Context, *isc.Host, bool) error {
	return fmt.Errorf("%s: %w", f.path, ErrReadOnly)
}

// Delete is refused: somebody else writes the file.
func (f *File) Delete(context.Context, string) error {
	return fmt.Errorf("%s: %w", f.path, ErrReadOnly)
}

// Reload reads the whole file and takes it as it stands, also if that loses leases: an operator wants it so. A file
// that cannot be read changes nothing. It works while Run does.
func (f *File) Reload(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case f.reload <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// inTrouble notes what is wrong with the file, and logs it when it is new.
func (f *File) inTrouble(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	f.statusMu.Lock()
	f.status.Problem = text
	f.statusMu.Unlock()
	if text == f.trouble {
		return
	}
	f.trouble = text
	if text != "" {
		f.log.Error("lease file: going on with the leases read before", "error", text)
	} else {
		f.log.Info("lease file: all is well again", "file", f.path)
	}
}

// errTorn says that the file ends within a record for longer than it takes to write one.
var errTorn = errors.New("the last record is incomplete")
