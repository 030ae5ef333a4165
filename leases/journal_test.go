package leases_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/leases/isc"
	"github.com/lease6/lease6/leases/storetest"
)

// own starts a journal over a file and returns it with what ends it.
func own(t testing.TB, path string) (*leases.Journal, func()) {
	t.Helper()
	j, err := leases.OwnFile(path, leases.JournalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	ready := make(chan struct{})
	wg.Go(func() {
		if err := j.Run(ctx, func() { close(ready) }); err != nil {
			t.Error(err)
		}
	})
	<-ready
	end := sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(end)
	return j, end
}

func newFile(t testing.TB, text string) string {
	t.Helper()
	return newFileIn(t, t.TempDir(), text)
}

// memoryDir is a directory in memory where there is one: tests that open a thousand journals are not about the disk.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "lease6-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func newFileIn(t testing.TB, dir, text string) string {
	t.Helper()
	path := filepath.Join(dir, "dhcpd6.leases")
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestJournalContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		path := newFile(t, "")
		j, end := own(t, path)
		return storetest.Subject{Store: j, Reopen: func() leases.Store {
			end()
			again, _ := own(t, path)
			return again
		}}
	})
}

// TestJournalText: the bytes that ISC dhcpd would write.
func TestJournalText(t *testing.T) {
	path := newFile(t, "")
	j, _ := own(t, path)
	h := storetest.Host("u1", 0x101)
	for _, err := range []error{
		j.Put(t.Context(), h, true),
		j.Put(t.Context(), func() *isc.Host { c := h.Clone(); c.Addresses[15] = 18; return c }(), false),
		j.Delete(t.Context(), "u1"),
		j.PutGroup(t.Context(), &isc.Group{Name: "g1", Statements: []isc.Statement{{Text: "supersede server.default-lease-time = 00:00:03:09;"}}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const full = "host u1 {\n  dynamic;\n  hardware ethernet 52:54:00:00:01:01;\n  fixed-address 32.1.13.184,0.0.0.0,0.0.0.0,0.0.1.%d;\n}\n"
	const deleted = "host u1 {\n  dynamic;\n  deleted;\n}\n"
	want := fmt.Sprintf(full, 1) + deleted + fmt.Sprintf(full, 18) + deleted +
		"group g1 {\n  dynamic;\n        supersede server.default-lease-time = 00:00:03:09;\n}\n"
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestEveryPrefix cuts a file of many changes at every byte, and puts behind the cut what file systems leave there: the
// journal opens with exactly the state after the last complete record, and goes on from there.
func TestEveryPrefix(t *testing.T) {
	path := newFile(t, "")
	j, end := own(t, path)
	for n := range uint32(5) {
		if err := j.Put(t.Context(), storetest.Host(fmt.Sprint("h", n%3), n), false); err != nil {
			t.Fatal(err)
		}
		if n == 2 {
			if err := j.Delete(t.Context(), fmt.Sprint("h", n%3)); err != nil {
				t.Fatal(err)
			}
		}
	}
	end()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := memoryDir(t)
	for n := range len(text) + 1 {
		whole := text[:n]
		if i := bytes.LastIndex(whole, []byte("\n}")); i >= 0 {
			whole = whole[:i+2]
		} else {
			whole = nil
		}
		want, _, err := leases.Load(bytes.NewReader(whole), leases.LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, junk := range []string{"", strings.Repeat("\x00", 100)} {
			path := newFileIn(t, dir, string(text[:n])+junk)
			j, err := leases.OwnFile(path, leases.JournalOptions{})
			if err != nil {
				t.Fatalf("cut at %d: %v", n, err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- j.Run(ctx, func() {}) }()
			sameHosts(t, n, j.Acquire(), want)
			j.Release()
			if err := j.Put(t.Context(), storetest.Host("after", 1<<20), true); err != nil {
				t.Fatalf("cut at %d: %v", n, err)
			}
			cancel()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			now, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			ix, diagnostics, err := leases.Load(bytes.NewReader(now), leases.LoadOptions{})
			if err != nil || ix.FindName("after") == 0 || ix.Len() != want.Len()+1 {
				t.Fatalf("cut at %d, junk %q: %v %v\n%s", n, junk, err, diagnostics, now)
			}
		}
	}
}

func sameHosts(t *testing.T, cut int, got, want *leases.Index) {
	t.Helper()
	if got.Len() != want.Len() {
		t.Fatalf("cut at %d: %d hosts, want %d", cut, got.Len(), want.Len())
	}
	for id := range want.All() {
		w := want.Host(id)
		g := got.Host(got.FindName(w.Name))
		if !g.Equal(&w) {
			t.Fatalf("cut at %d: %+v, want %+v", cut, g, w)
		}
	}
}

// TestOneOwner: a second process must not write the same file.
func TestOneOwner(t *testing.T) {
	path := newFile(t, "")
	own(t, path)
	if _, err := leases.OwnFile(path, leases.JournalOptions{}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("%v", err)
	}
}

// TestReplacedUnderneath: if somebody else replaces or writes the file, nothing is acknowledged any more.
func TestReplacedUnderneath(t *testing.T) {
	for name, meddle := range map[string]func(path string) error{
		"replaced": func(path string) error {
			if err := os.WriteFile(path+".new", nil, 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
		"written to": func(path string) error { return os.WriteFile(path, []byte("# hello\n"), 0o600) },
		"removed":    os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t, "")
			j, _ := own(t, path)
			if err := j.Put(t.Context(), storetest.Host("a", 1), true); err != nil {
				t.Fatal(err)
			}
			if err := meddle(path); err != nil {
				t.Fatal(err)
			}
			if err := j.Put(t.Context(), storetest.Host("b", 2), true); !errors.Is(err, leases.ErrFailed) {
				t.Errorf("%v", err)
			}
			ix := j.Acquire()
			defer j.Release()
			if ix.FindName("a") == 0 || ix.FindName("b") != 0 || j.Status().Problem == "" {
				t.Errorf("%d hosts, %+v", ix.Len(), j.Status())
			}
		})
	}
}

func TestPutAfterTheEnd(t *testing.T) {
	j, end := own(t, newFile(t, ""))
	end()
	if err := j.Put(t.Context(), storetest.Host("a", 1), true); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
}

// BenchmarkPut creates hosts; one operation is one durable host.
func BenchmarkPut(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprint(callers, "-callers"), func(b *testing.B) {
			j, end := own(b, newFile(b, ""))
			defer end()
			var next sync.Mutex
			n := uint32(0)
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for {
						next.Lock()
						i := n
						n++
						next.Unlock()
						if i >= uint32(b.N) {
							return
						}
						if err := j.Put(context.Background(), storetest.Host(fmt.Sprint("h", i), i), true); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
