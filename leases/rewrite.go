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
)

const (
	rewriteSuffix = ".new"
	rewriteLeast  = 4 << 20   // a smaller file may be all history
	rewriteRest   = 64 << 10  // what is still missing in the new file may be copied while changes wait
	rewriteRounds = 32        // nobody appends faster than a copy is made, or not for long
	rewriteRoom   = 64 << 20  // which a rewrite leaves free, so that it is not what fills the disk
	syncEvery     = 4 << 20   // bytes of the new file
	largeHistory  = 100 << 20 // a file whose index is worth giving back to the system
)

// rewrite is a lease file that is being written anew while changes go on in the old one. It goes in rounds, each a
// goroutine that adds to the new file what the old one had when the round began: the first as canonical text, which takes
// seconds for a million hosts, the others what was appended meanwhile, as it stands. When next to nothing is missing, Run
// adds that and changes the files over. Changes wait for this last step only.
type rewrite struct {
	file   *os.File // the new one, locked since before it has a name that matters
	upTo   int64    // what of the old file it has when the round is done
	rounds int
	begun  time.Time
	canon  int64 // bytes of canonical text
	stop   context.CancelFunc
	ctx    context.Context // of the rounds
	done   chan error      // the end of a round; nil if none is under way
}

// round is where the end of a round is told; nil, which tells nothing, if there is none.
func (r *rewrite) round() <-chan error {
	if r == nil {
		return nil
	}
	return r.done
}

// start runs a round.
func (r *rewrite) start(do func() error) {
	r.rounds++
	done := make(chan error, 1)
	r.done = done
	go func() { done <- do() }() // Run or dropRewrite waits for it
}

// rewriteIfLarge begins to write the file anew when most of it is history.
func (j *Journal) rewriteIfLarge() {
	live := max(j.live, int64(j.index.Len())*hostBytes)
	if j.rewriting != nil || j.failed != nil || j.size < rewriteLeast || j.size < 4*live {
		return
	}
	if err := j.beginRewrite(); err != nil {
		j.cannotRewrite(err)
	}
}

func (j *Journal) cannotRewrite(err error) {
	j.log.Error("cannot write the lease file anew; going on with the old one", "file", j.path, "error", err)
	j.live = j.size // not again soon
}

// beginRewrite starts the first round.
func (j *Journal) beginRewrite() error {
	if room, err := roomIn(filepath.Dir(j.path)); err != nil {
		return err
	} else if room < j.size+rewriteRoom {
		return fmt.Errorf("the file system has %d MiB left, which could become too few; make room", room>>20)
	}
	file, err := j.createNew()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &rewrite{file: file, upTo: j.size, begun: time.Now(), ctx: ctx, stop: cancel}
	j.rewriting = r
	from := io.NewSectionReader(j.file, 0, r.upTo)
	r.start(func() error {
		w := &steadyWriter{ctx: ctx, file: file, disk: &j.disk}
		_, err := Format(w, &endingReader{ctx, from}, FormatOptions{File: j.path})
		if r.upTo > largeHistory {
			debug.FreeOSMemory() // Format's index, which is as large as the one in use
		}
		r.canon = w.written
		return errors.Join(err, w.flush())
	})
	return nil
}

// goOnRewriting follows the end of a round: by another, or by the last step.
func (j *Journal) goOnRewriting(err error) {
	r := j.rewriting
	r.done = nil
	if err == nil {
		err = j.failed
	}
	if err == nil && j.size-r.upTo > rewriteRest && r.rounds < rewriteRounds {
		from := io.NewSectionReader(j.file, r.upTo, j.size-r.upTo)
		r.upTo = j.size
		r.start(func() error {
			w := &steadyWriter{ctx: r.ctx, file: r.file, disk: &j.disk}
			_, err := io.Copy(w, &endingReader{r.ctx, from})
			return errors.Join(err, w.flush())
		})
		return
	}
	if err == nil {
		err = j.changeOver()
	}
	if err != nil {
		j.dropRewrite()
		j.cannotRewrite(err)
	}
}

// changeOver adds what the new file lacks and puts it in the place of the old one, which stays as FILE~, as with ISC
// dhcpd.
func (j *Journal) changeOver() error {
	r, before, begun := j.rewriting, j.size, time.Now()
	if j.checkOwned(); j.failed != nil {
		return j.failed
	}
	rest := make([]byte, j.size-r.upTo)
	if _, err := j.file.ReadAt(rest, r.upTo); err != nil {
		return err
	}
	if _, err := j.disk.write(r.file, rest); err != nil {
		return err
	}
	if err := j.replaceLink(j.path, j.path+"~"); err != nil {
		return err
	}
	if err := j.install(r.file); err != nil {
		return err
	}
	r.stop()
	j.rewriting, j.live = nil, r.canon
	j.log.Info("lease file written anew", "file", j.path, "bytes", j.size, "before", before,
		"took", time.Since(r.begun), "changes-waited", time.Since(begun))
	return nil
}

// dropRewrite ends a rewrite that will not come to its end.
func (j *Journal) dropRewrite() {
	r := j.rewriting
	if r == nil {
		return
	}
	r.stop()
	if r.done != nil {
		<-r.done
	}
	if err := j.discard(r.file); err != nil {
		j.log.Warn("cannot remove an unfinished lease file", "error", err)
	}
	j.rewriting = nil
}

// createNew makes the file that is to take the place of ours, and locks it: once it has the name, nobody else may get it.
func (j *Journal) createNew() (*os.File, error) {
	info, err := j.file.Stat()
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(j.path+rewriteSuffix, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(lockFile(file), ownAs(file, info)); err != nil {
		return nil, errors.Join(err, j.discard(file))
	}
	return file, nil
}

// discard removes a file that createNew made and that was not installed.
func (j *Journal) discard(file *os.File) error {
	if file == j.file {
		return nil // it was
	}
	return errors.Join(file.Close(), os.Remove(j.path+rewriteSuffix))
}

// install makes a new file durable and puts it in the place of ours. An error after which it is there is sticky: under
// which of the two a crash would find the name nobody knows.
func (j *Journal) install(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := j.disk.sync(file); err != nil {
		return err
	}
	if err := j.disk.rename(j.path+rewriteSuffix, j.path); err != nil {
		return err
	}
	old := j.file
	j.file, j.size = file, info.Size()
	if err := j.disk.syncDir(filepath.Dir(j.path)); err != nil {
		j.fail(err)
	}
	old.Close() // whatever it says: nobody needs it any more
	return j.failed
}

// replaceLink gives a file a second name, in the place of what had it.
func (j *Journal) replaceLink(old, name string) error {
	temp := name + rewriteSuffix
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Link(old, temp); err != nil {
		return err
	}
	return j.disk.rename(temp, name)
}

// steadyWriter makes what it writes durable bit by bit. Left to the kernel, the disk would get a hundred megabytes at once
// some time, and every change would wait behind them.
type steadyWriter struct {
	ctx               context.Context // ends it
	file              *os.File
	disk              *disk
	written, unsynced int64
}

// Write implements io.Writer.
func (w *steadyWriter) Write(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.disk.write(w.file, b)
	w.written += int64(n)
	if w.unsynced += int64(n); err == nil && w.unsynced >= syncEvery {
		err = w.flush()
	}
	return n, err
}

func (w *steadyWriter) flush() error {
	w.unsynced = 0
	return w.disk.sync(w.file)
}

// endingReader is a reader that ends with a context.
type endingReader struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (r *endingReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}
