package leases

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lease6/lease6/leases/isc"
)

// followed is a lease file that is being followed, and whoever else writes it.
type followed struct {
	t    *testing.T
	path string
	*File
	mu      sync.Mutex
	changes []Change
}

func follow(t *testing.T, text string) *followed {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dhcpd6.leases")
	w := &followed{t: t, path: path}
	w.write(text)
	f, err := Open(path, FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.File = f
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		check(t, f.index)
	})
	ready := make(chan struct{})
	wg.Go(func() {
		if err := f.Run(ctx, func() { close(ready) }); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		_ = f.Watch(ctx, func(c Change) {
			w.mu.Lock()
			w.changes = append(w.changes, c)
			w.mu.Unlock()
		})
	})
	<-ready
	w.until("a watcher", func() bool {
		f.watchers.mu.Lock()
		defer f.watchers.mu.Unlock()
		return len(f.watchers.all) == 1
	})
	return w
}

func (w *followed) write(text string) {
	w.t.Helper()
	if err := os.WriteFile(w.path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// replace puts another file in the place of the lease file, atomically.
func (w *followed) replace(text string) {
	w.t.Helper()
	if err := os.WriteFile(w.path+".new", []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(w.path+".new", w.path); err != nil {
		w.t.Fatal(err)
	}
}

func (w *followed) add(text string) {
	w.t.Helper()
	f, err := os.OpenFile(w.path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		w.t.Fatal(err)
	}
}

// names lists the hosts that are served.
func (w *followed) names() string {
	ix := w.Acquire()
	defer w.Release()
	var all []string
	for id := range ix.All() {
		all = append(all, ix.Name(id))
	}
	return strings.Join(all, " ")
}

// await waits until the hosts served are want.
func (w *followed) await(want string) {
	w.t.Helper()
	w.until("hosts "+want, func() bool { return w.names() == want })
}

func (w *followed) until(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(15 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("waiting for %s: hosts %s, status %+v", what, w.names(), w.Status())
		}
	}
}

func records(names ...string) string {
	var hosts []*isc.Host
	for _, name := range names {
		hosts = append(hosts, host(name, uint32(name[0])))
	}
	return string(fileOf(hosts...))
}

func deletion(name string) string {
	return string(fileOf(&isc.Host{Name: name, Dynamic: true, Deleted: true}))
}

const fileBegin = "# The format of this file is documented in the dhcpd.leases(5) manual page.\n\nauthoring-byte-order little-endian;\n\n"

func TestFollowAppends(t *testing.T) {
	w := follow(t, fileBegin+records("a"))
	w.add(records("b"))
	w.await("a b")
	w.add(deletion("a"))
	w.await("b")
	w.add(deletion("b") + records("b") + records("c"))
	w.await("b c")
	w.until("changes", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return fmt.Sprint(w.changes) == "[{1 b} {2 a} {2 b} {1 b} {1 c}]"
	})
	if s := w.Status(); s.Reloads != 0 || s.Records != 5 || s.Hosts != 2 || s.Problem != "" {
		t.Errorf("%+v", s)
	}
}

// TestFollowHalfWritten: a record comes into force when it is whole, however many writes that takes.
func TestFollowHalfWritten(t *testing.T) {
	w := follow(t, fileBegin)
	text := records("a") + records("b")
	for i := range len(text) {
		w.add(text[i : i+1])
	}
	w.await("a b")
	if s := w.Status(); s.Errors != 0 || s.Warnings != 0 {
		t.Errorf("%+v", s)
	}
}

// TestFollowCommentAtTheEnd: a comment without the end of its line is no torn record.
func TestFollowCommentAtTheEnd(t *testing.T) {
	w := follow(t, fileBegin+records("a", "b")+"# end")
	w.replace(fileBegin + records("c") + "# no end")
	w.await("c")
	w.add(" of the comment\n" + records("d"))
	w.await("c d")
	if s := w.Status(); s.Problem != "" || s.Kept != 0 {
		t.Errorf("%+v", s)
	}
}

// TestFollowAfterTornTail: the writer crashed within a record, and its successor writes on behind it.
func TestFollowAfterTornTail(t *testing.T) {
	w := follow(t, fileBegin+records("a"))
	torn := records("b")
	w.add(torn[:len(torn)-20])
	w.add(records("c"))
	w.await("a c")
}

func TestFollowReplaced(t *testing.T) {
	w := follow(t, fileBegin+records("a", "b"))
	w.replace(fileBegin + records("c"))
	w.await("c")
	w.add(records("d"))
	w.await("c d")
	if s := w.Status(); s.Reloads != 1 {
		t.Errorf("%+v", s)
	}
}

func TestFollowRewrittenInPlace(t *testing.T) {
	w := follow(t, fileBegin+records("a", "b"))
	w.write(fileBegin + records("c")) // shorter
	w.await("c")
	w.write(fileBegin + records("d", "e", "f")) // longer, other content
	w.await("d e f")
	w.write(fileBegin + records("d", "e", "g")) // as long as before
	w.await("d e g")
}

func TestFollowMissing(t *testing.T) {
	w := follow(t, fileBegin+records("a"))
	if err := os.Remove(w.path); err != nil {
		t.Fatal(err)
	}
	w.until("trouble", func() bool { return w.Status().Problem != "" })
	w.await("a")
	w.write(fileBegin + records("a", "b"))
	w.await("a b")
	w.until("peace", func() bool { return w.Status().Problem == "" })
}

// TestFollowBroken: a file that is broken takes no lease away, and what it adds is served.
func TestFollowBroken(t *testing.T) {
	torn := records("c")
	for name, tt := range map[string]struct{ text, want string }{
		"empty":             {"", "a b"},
		"torn":              {fileBegin + records("a") + torn[:len(torn)-20], "a b"},
		"damaged":           {fileBegin + "host b {\n  dynamic;\n  hardware ethernet 52:\n}\n" + records("c"), "c a b"},
		"damaged, renamed":  {fileBegin + "host x { hardware ethernet zz; }\n" + strings.Replace(records("a"), "host a", "host renamed", 1), "renamed b"},
		"garbage":           {strings.Repeat("\x00\xff\x01garbage", 500) + "\n" + records("c"), "c a b"},
		"damaged, deletion": {fileBegin + deletion("a") + "host x { hardware ethernet zz; }\n" + records("c"), "c b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := follow(t, fileBegin+records("a", "b"))
			w.replace(tt.text)
			w.until("a reload", func() bool { return w.Status().Reloads == 1 && w.Status().Problem != "" })
			w.await(tt.want)
			s := w.Status()
			if s.Kept == 0 || !strings.Contains(s.Problem, w.path) {
				t.Errorf("%+v", s)
			}
			// A sound file puts things right.
			w.replace(fileBegin + records("d"))
			w.await("d")
			w.until("peace", func() bool { return w.Status().Problem == "" && w.Status().Kept == 0 })
		})
	}
}

// TestFollowEmptied: an emptied file is looked at once, not for ever.
func TestFollowEmptied(t *testing.T) {
	w := follow(t, fileBegin+records("a"))
	w.write("")
	w.until("trouble", func() bool { return w.Status().Kept == 1 })
	time.Sleep(pollPeriod*2 + pollPeriod/2) // the point is that nothing happens
	if s := w.Status(); s.Reloads != 1 || w.names() != "a" {
		t.Errorf("%+v", s)
	}
}

// TestFollowCompleted: a new file that was incomplete when it appeared counts in full once it is complete.
func TestFollowCompleted(t *testing.T) {
	w := follow(t, fileBegin+records("a", "b"))
	text := fileBegin + records("c")
	w.replace(text[:len(text)-20])
	w.until("trouble", func() bool { return w.Status().Kept == 2 })
	w.add(text[len(text)-20:])
	w.await("c")
	w.until("peace", func() bool { return w.Status().Problem == "" })
}

// TestOperatorReload: an operator can have the file taken as it stands.
func TestOperatorReload(t *testing.T) {
	w := follow(t, fileBegin+records("a", "b"))
	w.replace("")
	w.until("trouble", func() bool { return w.Status().Kept == 2 })
	if err := w.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.await("")
	if s := w.Status(); s.Problem != "" || s.Kept != 0 {
		t.Errorf("%+v", s)
	}
	if err := os.Remove(w.path); err != nil {
		t.Fatal(err)
	}
	if err := w.Reload(context.Background()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestFollowSymlink(t *testing.T) {
	w := follow(t, fileBegin+records("a"))
	dir := t.TempDir()
	real := filepath.Join(dir, "real.leases")
	if err := os.WriteFile(real, []byte(fileBegin+records("b")), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, w.path+".link"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(w.path+".link", w.path); err != nil {
		t.Fatal(err)
	}
	w.await("b")
	f, err := os.OpenFile(real, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(records("c")); err != nil {
		t.Fatal(err)
	}
	w.await("b c")
}

func TestReadOnly(t *testing.T) {
	w := follow(t, fileBegin+records("a"))
	if err := w.Put(context.Background(), host("x", 1), true); !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
	if err := w.Delete(context.Background(), "a"); !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none"), FileOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := Open(dir, FileOptions{}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Error(err)
	}
}

// TestReadersDuringChanges runs readers beside appends and replacements: for the race detector, and because a host
// that is in every version of the file must be found at every moment.
func TestReadersDuringChanges(t *testing.T) {
	w := follow(t, fileBegin+records("z"))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			key := MAC(host("", 'z').Hardware).Key()
			for {
				select {
				case <-stop:
					return
				default:
				}
				ix := w.Acquire()
				if id := ix.FindMAC(key); id == 0 || ix.Name(id) != "z" {
					t.Error("z is not found")
				}
				w.Release()
			}
		})
	}
	for i := range 30 {
		w.add(records(fmt.Sprint("n", i)))
		if i%10 == 9 {
			w.replace(fileBegin + records("z", fmt.Sprint("m", i)))
		}
	}
	w.await("z m29")
	close(stop)
	wg.Wait()
}
