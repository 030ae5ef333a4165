package leases_test

import (
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
	path := filepath.Join(t.TempDir(), "dhcpd6.leases")
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
	const changed = "host u1 {\n  dynamic;\n  deleted;\n }\n" // with a blank of ours: see updateMark
	want := fmt.Sprintf(full, 1) + changed + fmt.Sprintf(full, 18) + deleted +
		"group g1 {\n  dynamic;\n        supersede server.default-lease-time = 00:00:03:09;\n}\n"
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
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
