package leases

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lease6/lease6/leases/atomicfile"
	"github.com/lease6/lease6/leases/isc"
)

// OwnFile opens a lease file for writing and reads it. What a crash left incomplete at its end was never acknowledged to
// anybody; it is moved to FILE.torn, so that what is appended next can be read by ISC dhcpd too. A file that is damaged
// before its end is refused, unless it is to be repaired: what a record said that cannot be read nobody knows, and
// somebody should.
func OwnFile(path string, o JournalOptions) (*Journal, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // it is replaced some day: the file, not the link to it
	}
	file, err := lockOwn(path)
	if err != nil {
		return nil, fmt.Errorf("open leases: %w", err)
	}
	j := &Journal{
		path: path, log: o.Logger, file: file, disk: realDisk(),
		requests: make(chan *request), ended: make(chan struct{}),
	}
	if err := j.load(o.Repair); err != nil {
		return nil, errors.Join(fmt.Errorf("open leases: %w", err), j.file.Close())
	}
	return j, nil
}

// lockOwn opens the file at path and locks it. The owner before may have put a new one there in the meantime.
func lockOwn(path string) (*os.File, error) {
	for range 10 {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
		if err != nil {
			return nil, err
		}
		if err := lockFile(file); err != nil {
			return nil, errors.Join(fmt.Errorf("%s is in use by another process: %w", path, err), file.Close())
		}
		ours, err1 := file.Stat()
		there, err2 := os.Stat(path)
		switch err := errors.Join(err1, err2); {
		case err != nil:
			return nil, errors.Join(err, file.Close())
		case !ours.Mode().IsRegular():
			return nil, errors.Join(fmt.Errorf("%s is not a regular file", path), file.Close())
		case os.SameFile(ours, there):
			return file, nil
		}
		file.Close()
	}
	return nil, fmt.Errorf("%s is in use by another process, which replaces it all the time", path)
}

// load reads the file and makes it one that can be appended to.
func (j *Journal) load(repair bool) error {
	// A rewrite that a crash interrupted. Whoever has the lock on the file has the right to this name too.
	if err := os.Remove(j.path + rewriteSuffix); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	got, err := inspect(j.file, j.path)
	if err != nil {
		return err
	}
	switch {
	case got.damage.n > 0 && !repair:
		return got.refusal(j.path)
	case got.damage.n > 0:
		if err := j.repair(got); err != nil {
			return fmt.Errorf("repair %s: %w", j.path, err)
		}
	case got.end.Offset < got.size:
		if err := j.cutTorn(got.end); err != nil {
			return err
		}
	}
	if got.stale {
		// What the index has is not what the file has now.
		if got, err = inspect(j.file, j.path); err != nil {
			return err
		}
		if got.damage.n > 0 || got.end.Offset < got.size {
			return fmt.Errorf("%s is still damaged after its repair: %w", j.path, got.refusal(j.path))
		}
	}
	if err := j.endLine(); err != nil {
		return err
	}
	info, err := j.file.Stat()
	if err != nil {
		return err
	}
	j.index, j.size = got.ix, info.Size()
	j.live = min(j.size, int64(got.ix.Len())*hostBytes)
	tellDiagnostics(j.log, j.path, got.diagnostics)
	j.status = Status{Hosts: got.ix.Len(), Loaded: time.Now(), Changed: got.modified}
	j.status.count(got.diagnostics)
	return nil
}

// inspection is what a lease file says to somebody who wants to go on writing it.
type inspection struct {
	ix          *Index
	diagnostics []isc.Diagnostic
	modified    time.Time
	size        int64
	end         isc.Pos // of what counts; what stands behind is what a crash left there
	damage      errorList
	stale       bool // ix is not what the file says up to end, or will say once repaired
}

// errorList counts errors, and keeps the first.
type errorList struct {
	first []isc.Diagnostic
	n     int
}

func (l *errorList) add(d isc.Diagnostic) {
	const most = 3
	if l.n++; len(l.first) < most {
		l.first = append(l.first, d)
	}
}

func (l *errorList) addAll(o errorList) {
	n := l.n
	for _, d := range o.first {
		l.add(d)
	}
	l.n = n + o.n
}

// inspector reads a whole file for an inspection.
type inspector struct {
	inspection
	l     *loader
	s     *isc.Scanner
	sound isc.Pos   // behind the last sound record
	open  errorList // since then
	doubt bool      // the last record may be none
	halved
}

// halved is an update of which the second half has not yet been seen.
type halved struct {
	name string // "" if there is none
	at   isc.Pos
}

// inspect reads a whole file. Damage that a sound record follows is damage. Damage that nothing follows, and that does
// not end properly, is what a crash left at the end: if it is not zeros, it is what the disk had there before.
func inspect(file *os.File, path string) (*inspection, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	in := inspector{
		inspection: inspection{modified: info.ModTime(), size: info.Size()},
		l:          newLoader(LoadOptions{File: path, Size: info.Size()}),
		s:          isc.NewScanner(io.NewSectionReader(file, 0, info.Size()), isc.Options{File: path, Partial: true}),
	}
	for in.s.Scan() {
		in.record()
	}
	in.take(in.s.Diagnostics(), info.Size())
	if err := in.s.Err(); err != nil {
		return nil, err
	}
	if err := in.findEnd(file); err != nil {
		return nil, err
	}
	in.ix, in.diagnostics = in.l.finish(), in.l.diagnostics
	return &in.inspection, nil
}

// take notes what is wrong. It reports whether anything is from an offset on that makes a record doubtful: what the disk
// had there before can look like a record in which this or that was forgotten.
func (in *inspector) take(found []isc.Diagnostic, from int64) (doubtful bool) {
	const most = 10_000 // as the Scanner and the loader
	for _, d := range found {
		if len(in.l.diagnostics) < most {
			in.l.diagnostics = append(in.l.diagnostics, d)
		}
		if d.Severity == isc.Error {
			in.open.add(d)
		}
		if d.Pos.Offset >= from && (d.Severity == isc.Error || strings.HasPrefix(d.Code, "missing-")) {
			doubtful = true
		}
	}
	return doubtful
}

// record takes a record, and sees whether all up to it is as it should be.
func (in *inspector) record() {
	from := in.s.Tail().Offset - int64(len(in.s.Text()))
	in.doubt = in.take(in.s.Diagnostics(), from)
	told := len(in.l.diagnostics)
	in.l.record(recordOf(in.s))
	for _, d := range in.l.diagnostics[told:] {
		if d.Severity == isc.Error {
			in.open.add(d)
		}
	}
	if in.doubt {
		return
	}
	in.damage.addAll(in.open)
	in.open, in.halved, in.sound = errorList{}, halved{}, in.s.Tail()
	if h := in.s.Host(); in.s.Kind() == isc.KindHost && h.Deleted && bytes.HasSuffix(in.s.Text(), []byte(updateMark)) {
		in.halved = halved{h.Name, h.Pos}
	}
}

// findEnd decides what the end of the file is.
func (in *inspector) findEnd(file *os.File) error {
	const most = 1024
	in.end = in.s.Tail()
	rest := make([]byte, min(most, in.size-in.end.Offset))
	if _, err := file.ReadAt(rest, in.end.Offset); err != nil && err != io.EOF {
		return err
	}
	if len(rest) > 0 && len(rest) < most && rest[0] == '#' && !bytes.ContainsAny(rest, "\n\x00") {
		in.end.Offset = in.size // nothing is missing of a comment
	}
	switch {
	case in.end.Offset == in.size:
		in.damage.addAll(in.open)
	case in.doubt || in.open.n > 0:
		in.end, in.stale = in.sound, true
	}
	if in.halved.name != "" {
		in.end, in.stale = in.halved.at, true
	}
	in.stale = in.stale || in.damage.n > 0
	return nil
}

// refusal says what is wrong with a damaged file and what can be done.
func (in *inspection) refusal(path string) error {
	var places strings.Builder
	for _, d := range in.damage.first {
		fmt.Fprintf(&places, "\n  %s", d)
	}
	if more := in.damage.n - len(in.damage.first); more > 0 {
		fmt.Fprintf(&places, "\n  and %d more", more)
	}
	return fmt.Errorf("%s is damaged, and to go on writing it would lose what cannot be read: correct it, or start once with "+
		"--repair, which keeps it as it is beside a new one with all that can be read:%s", path, places.String())
}

// repair keeps the damaged file under another name and writes it anew from what can be read.
func (j *Journal) repair(in *inspection) error {
	kept, err := keepAs(j.path, j.path+".damaged")
	if err != nil {
		return err
	}
	file, err := j.createNew()
	if err != nil {
		return err
	}
	_, err = Format(file, io.NewSectionReader(j.file, 0, in.end.Offset), FormatOptions{File: j.path})
	if err == nil {
		err = j.install(file)
	}
	if err != nil {
		return errors.Join(err, j.discard(file))
	}
	j.log.Warn("the lease file was damaged and has been written anew; the damaged one is kept", "file", j.path, "errors", in.damage.n, "kept", kept)
	return nil
}

// keepAs gives a file a second name that nothing has yet: name, or name with a number.
func keepAs(path, name string) (kept string, err error) {
	const most = 1000
	for n := range most {
		kept = name
		if n > 0 {
			kept = fmt.Sprintf("%s.%d", name, n)
		}
		if err = os.Link(path, kept); !errors.Is(err, os.ErrExist) {
			return kept, err
		}
	}
	return "", err
}

// cutTorn moves what stands behind the end to FILE.torn.
func (j *Journal) cutTorn(end isc.Pos) error {
	torn := io.NewSectionReader(j.file, end.Offset, 1<<62)
	var n int64
	keep := func(w io.Writer) (err error) { n, err = io.Copy(w, torn); return err }
	if err := atomicfile.Write(j.path+".torn", 0o600, keep); err != nil {
		return err
	}
	j.log.Warn("the lease file ended within a record, which nobody was told of: moved", "bytes", n, "to", j.path+".torn",
		"at", fmt.Sprintf("%s:%d:%d", j.path, end.Line, end.Col))
	if err := j.disk.truncate(j.file, end.Offset); err != nil {
		return err
	}
	return j.disk.sync(j.file)
}

// endLine sees to it that what is appended begins a line.
func (j *Journal) endLine() error {
	info, err := j.file.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	var last [1]byte
	if _, err := j.file.ReadAt(last[:], info.Size()-1); err != nil || last[0] == '\n' {
		return err
	}
	if _, err := j.disk.write(j.file, []byte{'\n'}); err != nil {
		return err
	}
	return j.disk.sync(j.file)
}
