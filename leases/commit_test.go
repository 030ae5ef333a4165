package leases

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/lease6/lease6/leases/isc"
)

func journal(t *testing.T, text string) (*Journal, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := OwnFile(path, JournalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return j, path
}

// start runs a journal until the test ends.
func start(t *testing.T, j *Journal) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- j.Run(ctx, func() {}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		check(t, j.index)
	})
}

// TestSyncFails: a change that could not be made durable is refused, does not come back, and no other is taken.
func TestSyncFails(t *testing.T) {
	j, path := journal(t, "")
	broken := errors.New("input/output error")
	fail := false
	j.sync = func(f *os.File) error {
		if fail {
			return broken
		}
		return syncData(f)
	}
	start(t, j)
	if err := j.Put(t.Context(), host("a", 1), true); err != nil {
		t.Fatal(err)
	}
	fail = true
	for _, h := range []*isc.Host{host("b", 2), host("c", 3)} {
		if err := j.Put(t.Context(), h, true); !errors.Is(err, ErrFailed) || !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
		fail = false // too late: nobody knows what is on the disk
	}
	if ix, _ := load(t, readAll(t, path)); ix.Len() != 1 || j.Status().Hosts != 1 || j.Status().Problem == "" {
		t.Errorf("%d hosts on disk, %+v", ix.Len(), j.Status())
	}
}

func readAll(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestRewrite: a file that is mostly history is written anew; what is served and what is no host stay, the old text
// stays beside it, and writing goes on.
func TestRewrite(t *testing.T) {
	const other = "ia-na \"x\" {\n  iaaddr 2001:db8::1 {\n    binding state active;\n  }\n}"
	j, path := journal(t, fileBegin+other+"\n"+records("a"))
	defer func() { j.file.Close() }()
	// In this goroutine instead of Run's: nothing else may be going on.
	put := func(h *isc.Host) {
		t.Helper()
		r := &request{host: h, name: h.Name, done: make(chan error, 1)}
		j.commit([]*request{r})
		if err := <-r.done; err != nil {
			t.Fatal(err)
		}
	}
	for n := range uint32(200) {
		put(host("b", 1000+n))
	}
	before := readAll(t, path)
	if err := j.rewrite(); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, path+"~"); got != before {
		t.Error("the old text is not kept")
	}
	put(host("c", 9))
	text := readAll(t, path)
	want := fileHead + "authoring-byte-order little-endian;\n\n" + string(fileOf(host("a", 'a'), host("b", 1199))) + other + "\n\n" + string(fileOf(host("c", 9)))
	if text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if _, err := OwnFile(path, JournalOptions{}); err == nil {
		t.Error("the new file is not locked")
	}
}

// TestRewriteIfLarge: when it happens by itself.
func TestRewriteIfLarge(t *testing.T) {
	j, path := journal(t, fileBegin)
	for n := range uint32(40_000) {
		j.commit([]*request{{host: host("a", n), name: "a", done: make(chan error, 1)}})
		j.sync = func(*os.File) error { return nil } // this test is not about the disk
		j.rewriteIfLarge()
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > 5<<20 || j.failed != nil {
		t.Errorf("%d bytes, %v, %v", info.Size(), err, j.failed)
	}
	if _, err := os.Stat(path + "~"); err != nil {
		t.Error(err)
	}
	check(t, j.index)
	if got := j.index.Host(j.index.FindName("a")); fmt.Sprint(got.Hardware) != fmt.Sprint(host("", 39_999).Hardware) {
		t.Errorf("%+v", got)
	}
	j.file.Close()
}
