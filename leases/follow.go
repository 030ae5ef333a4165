package leases

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/lease6/lease6/leases/isc"
)

const (
	// pollPeriod is how long a change can go unnoticed where the kernel does not report it (network file systems).
	pollPeriod = time.Second
	// settlePeriod is how long a file that is being rewritten in place must have been left alone before it is read.
	settlePeriod, settleMost = 100 * time.Millisecond, 2 * time.Second
	// tornPatience is how long an incomplete record at the end is taken for one that is being written.
	tornPatience = 5 * time.Second
	// publishMost is how many records are published under one lock.
	publishMost = 256
	// markBytes are compared to tell an append from another file.
	markBytes = 1024
)

// Run follows the file until ctx ends. It calls ready once it does.
func (f *File) Run(ctx context.Context, ready func()) error {
	watch, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("leases: watch %s: %w", f.path, err)
	}
	defer watch.Close()
	// The directory, not the file: a file that is replaced takes its watch with it.
	for _, dir := range f.directories() {
		if err := watch.Add(dir); err != nil {
			return fmt.Errorf("leases: watch %s: %w", dir, err)
		}
	}
	f.refresh(ctx)
	ready()
	tick := time.NewTicker(pollPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case answer := <-f.reload:
			answer <- f.takeOver()
			continue
		case e, ok := <-watch.Events:
			if !ok {
				return fmt.Errorf("leases: watch %s: %w", f.path, os.ErrClosed)
			}
			if filepath.Base(e.Name) != filepath.Base(f.path) && !f.isLink() {
				continue
			}
		case <-watch.Errors: // events were lost: look
		case <-tick.C:
		}
		f.refresh(ctx)
	}
}

// directories are those in which something happens when the file changes: its own, and that of what it links to.
func (f *File) directories() []string {
	dirs := []string{filepath.Dir(f.path)}
	if real, err := filepath.EvalSymlinks(f.path); err == nil && filepath.Dir(real) != dirs[0] {
		dirs = append(dirs, filepath.Dir(real))
	}
	return dirs
}

func (f *File) isLink() bool {
	info, err := os.Lstat(f.path)
	return err == nil && info.Mode()&os.ModeSymlink != 0
}

// refresh looks at the file and takes what is new.
func (f *File) refresh(ctx context.Context) {
	file, err := os.Open(f.path)
	if err != nil {
		f.inTrouble(fmt.Errorf("read leases: %w", err))
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		f.inTrouble(fmt.Errorf("read leases: %w", err))
		return
	}
	switch change, err := f.at.compare(file, info); {
	case err != nil:
		f.inTrouble(fmt.Errorf("read leases: %w", err))
	case change == unchanged:
		f.checkTorn()
	case change == appended:
		f.takeAppended(file, info)
	default:
		if change == rewritten && !settled(ctx, f.path, info) {
			return
		}
		f.inTrouble(f.takeNew())
	}
}

// settled waits until a file that is rewritten in place is left alone. It returns false if ctx ended.
func settled(ctx context.Context, path string, info os.FileInfo) bool {
	tick := time.NewTicker(settlePeriod)
	defer tick.Stop()
	for waited := time.Duration(0); waited < settleMost; waited += settlePeriod {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		now, err := os.Stat(path)
		if err != nil {
			return true // the caller will find out
		}
		if now.Size() == info.Size() && now.ModTime().Equal(info.ModTime()) {
			return true
		}
		info = now
	}
	return true
}

// takeAppended reads the records behind the tail and publishes them.
func (f *File) takeAppended(file *os.File, info os.FileInfo) {
	tail := f.at.tail
	section := io.NewSectionReader(file, tail.Offset, info.Size()-tail.Offset)
	s := isc.NewScanner(section, isc.Options{File: f.path, Start: tail, Partial: true})
	l := &loader{file: f.path}
	records := 0
	for more := true; more; {
		var n int
		n, more = f.publish(s, l)
		records += n
	}
	if err := errors.Join(s.Err(), f.at.remember(file, info, s.Tail())); err != nil {
		f.at.modified = time.Time{} // look again
		f.inTrouble(fmt.Errorf("read leases: %w", err))
		return
	}
	tellDiagnostics(f.log, f.path, append(l.diagnostics, s.Diagnostics()...))
	f.statusMu.Lock()
	f.status.Records += uint64(records)
	f.statusMu.Unlock()
	f.noteTail()
	if f.at.whole && f.keptFor == "" {
		f.inTrouble(nil)
	}
}

// publish takes up to publishMost records under one lock. It returns how many changed something, and whether there may
// be more. They are read before: a disk that does not answer must not hold up the readers.
func (f *File) publish(s *isc.Scanner, l *loader) (changed int, more bool) {
	records := make([]record, 0, 8)
	for more = true; more && len(records) < publishMost; {
		if more = s.Scan(); more {
			records = append(records, recordOf(s).keep())
		}
	}
	changes := make([]Change, 0, len(records))
	f.mu.Lock()
	l.ix = f.index
	for _, r := range records {
		if c := l.record(r); c.Kind != 0 {
			changes = append(changes, c)
		}
	}
	crowded, hosts := f.index.crowded(), f.index.Len()
	f.mu.Unlock()
	if crowded {
		f.compact()
	}
	if len(changes) > 0 {
		f.statusMu.Lock()
		f.status.Hosts, f.status.Changed = hosts, time.Now()
		f.statusMu.Unlock()
		f.watchers.publish(changes)
	}
	return len(changes), more
}

// noteTail notes since when a record at the end is incomplete.
func (f *File) noteTail() {
	f.tornTold = false
	f.tornFrom = time.Time{}
	if !f.at.whole {
		f.tornFrom = time.Now()
	}
}

// checkTorn says so, once, if the end of the file stays incomplete. A new file that was incomplete when it appeared
// and has since been completed is read again, so that the leases kept meanwhile do not stay for ever.
func (f *File) checkTorn() {
	if f.at.whole {
		if f.keptFor == incomplete && f.at.size > 0 && time.Since(f.at.modified) > pollPeriod {
			f.inTrouble(f.takeNew())
		}
		return
	}
	if !f.tornTold && time.Since(f.tornFrom) > tornPatience {
		f.tornTold = true
		f.inTrouble(fmt.Errorf("%s:%d:%d: %w; its writer may have crashed; it is read when its end is there, or another record behind it",
			f.path, f.at.tail.Line, f.at.tail.Col, errTorn))
	}
}

// reading is what a whole file says.
type reading struct {
	ix          *Index
	at          place
	diagnostics []isc.Diagnostic
	deleted     map[string]struct{}
}

// readFile reads a whole lease file.
func readFile(path string) (*reading, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read leases: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("read leases: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read leases: %s is not a regular file", path)
	}
	l := newLoader(LoadOptions{File: path, Size: info.Size()})
	l.deleted = make(map[string]struct{})
	s := isc.NewScanner(io.NewSectionReader(file, 0, info.Size()), isc.Options{File: path, Partial: true})
	if err := l.read(s); err != nil {
		return nil, err
	}
	r := &reading{ix: l.finish(), diagnostics: l.diagnostics, deleted: l.deleted}
	if err := r.at.remember(file, info, s.Tail()); err != nil {
		return nil, fmt.Errorf("read leases: %w", err)
	}
	return r, nil
}

// incomplete is why a file that is still being written is not taken for all there is.
const incomplete = "it is empty or its last record is incomplete"

// takeNew reads a file that is another than before. If it is sound it is taken as it stands; if it is broken, what it
// says is taken, and what it lacks is kept.
func (f *File) takeNew() error {
	got, err := readFile(f.path)
	if err != nil {
		return err
	}
	broken := ""
	switch {
	case got.at.size == 0, !got.at.whole:
		broken = incomplete
	default:
		for i := range got.diagnostics {
			if got.diagnostics[i].Severity == isc.Error {
				broken = "it is damaged: " + got.diagnostics[i].String()
				break
			}
		}
	}
	kept := 0
	if broken != "" {
		kept = f.keepMissing(got)
	}
	f.swap(got, kept)
	if kept > 0 {
		f.keptFor = broken
		return fmt.Errorf("%s: the new file lacks %d leases that are served on, because %s; a sound file, or a reload by an operator, removes them",
			f.path, kept, broken)
	}
	return nil
}

// keepMissing adds to a reading the hosts that only the current index has, unless the new file has given away what they
// had: whoever has their MAC or an address of theirs there is right.
func (f *File) keepMissing(got *reading) (kept int) {
	for name, statements := range f.index.sets.groups {
		if _, ok := got.ix.sets.groups[name]; !ok {
			got.ix.sets.setGroup(&isc.Group{Name: name, Statements: statements})
		}
	}
	for id := range f.index.All() {
		name := f.index.Name(id)
		if _, deleted := got.deleted[name]; deleted || got.ix.FindName(name) != 0 || f.takenIn(got.ix, id) {
			continue
		}
		h := f.index.Host(id)
		got.ix.put(&h)
		kept++
	}
	if got.ix.duid == nil {
		got.ix.duid = f.index.duid
	}
	return kept
}

// takenIn reports whether another host of ix has the MAC or an address of a host of the current index.
func (f *File) takenIn(ix *Index, id ID) bool {
	if key := f.index.Key(id); key != 0 && ix.FindMAC(key) != 0 {
		return true
	}
	for i := 0; ; i++ {
		addr, ok := f.index.Addr(id, i)
		if !ok {
			return false
		}
		if ix.FindAddr(addr) != 0 {
			return true
		}
	}
}

// takeOver reads the file and takes it as it stands.
func (f *File) takeOver() error {
	got, err := readFile(f.path)
	if err != nil {
		return err
	}
	f.swap(got, 0)
	f.inTrouble(nil)
	return nil
}

// swap puts a reading into force.
func (f *File) swap(got *reading, kept int) {
	f.mu.Lock()
	before := f.index.Len()
	f.index = got.ix
	f.mu.Unlock()
	f.at, f.keptFor = got.at, ""
	f.noteTail()
	tellDiagnostics(f.log, f.path, got.diagnostics)
	f.log.Info("lease file: read anew", "file", f.path, "hosts", got.ix.Len(), "before", before)
	f.statusMu.Lock()
	f.status.Hosts, f.status.Kept = got.ix.Len(), kept
	f.status.Loaded = time.Now()
	f.status.Changed = f.status.Loaded
	f.status.Reloads++
	f.status.count(got.diagnostics)
	f.statusMu.Unlock()
	f.watchers.publish([]Change{{Kind: Reloaded}})
	const large = 100_000
	if before > large {
		debug.FreeOSMemory() // the old index, which is hundreds of megabytes, is gone
	}
}
