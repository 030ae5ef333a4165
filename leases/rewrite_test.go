package leases

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lease6/lease6/leases/isc"
)

// TestRewrite: what is served and what is no host stay, also what changes meanwhile; the old text stays beside the new
// one, with its mode and owner, and writing goes on.
func TestRewrite(t *testing.T) {
	const other = "ia-na \"x\" {\n  iaaddr 2001:db8::1 {\n    binding state active;\n  }\n}"
	j, path := journal(t, fileBegin+other+"\n"+records("a"))
	h := &hand{j, t}
	defer func() { h.crash() }()
	h.must(os.Chmod(path, 0o640))
	for n := range uint32(200) {
		h.must(h.put(host("b", 1000+n)))
	}
	before := readAll(t, path)
	h.must(h.beginRewrite())
	h.must(h.put(host("d", 8)))
	meanwhile := readAll(t, path)[len(before):]
	h.finishRewrite()
	if got := readAll(t, path+"~"); got != before+meanwhile {
		t.Error("the old text is not kept")
	}
	h.must(h.put(host("c", 9)))
	want := fileHead + "authoring-byte-order little-endian;\n\n" + string(fileOf(host("a", 'a'), host("b", 1199))) + other + "\n\n" + meanwhile + string(fileOf(host("c", 9)))
	if text := readAll(t, path); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if _, err := OwnFile(path, JournalOptions{}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("the new file is not locked: %v", err)
	}
}

// TestRewriteIfLarge: when it begins by itself, and when not.
func TestRewriteIfLarge(t *testing.T) {
	j, path := journal(t, fileBegin)
	h := &hand{j, t}
	defer func() { h.crash() }()
	for n := range uint32(rewriteLeast/hostBytes + 100) { // all of them live
		h.must(h.put(host(fmt.Sprint(n), n)))
		h.disk.sync = func(*os.File) error { return nil } // this test is not about the disk
		if h.rewriteIfLarge(); h.rewriting != nil {
			t.Fatalf("a file of %d bytes for %d hosts is written anew", h.size, h.index.Len())
		}
	}
	rewrites := 0
	for n := uint32(1 << 20); n < 1<<20+150_000; n++ {
		h.must(h.put(host("a", n)))
		if h.rewriteIfLarge(); h.rewriting != nil {
			rewrites++
			h.finishRewrite()
		}
	}
	if rewrites != 1 || h.failed != nil || h.size > 25<<20 {
		t.Errorf("%d rewrites, %d bytes, %v", rewrites, h.size, h.failed)
	}
	check(t, h.index)
	h.crash()
	h = reopen(t, path)
	if got := h.index.Host(h.index.FindName("a")); fmt.Sprint(got.Hardware) != fmt.Sprint(host("", 1<<20+149_999).Hardware) {
		t.Errorf("%+v", got)
	}
}

// TestRewriteOrder: nothing of the new file is left to the kernel when it gets the name, and nothing else happens before
// that is durable.
func TestRewriteOrder(t *testing.T) {
	j, path := journal(t, string(fileOf(host("a", 1))))
	h := &hand{j, t}
	defer h.crash()
	var did []string
	note := func(what string, f *os.File) {
		if f != h.file {
			what += " new"
		}
		did = append(did, what)
	}
	real := h.disk
	h.disk.write = func(f *os.File, b []byte) (int, error) { note("write", f); return real.write(f, b) }
	h.disk.sync = func(f *os.File) error { note("sync", f); return real.sync(f) }
	h.disk.syncDir = func(dir string) error { did = append(did, "sync directory"); return real.syncDir(dir) }
	h.disk.rename = func(from, to string) error {
		did = append(did, "name "+strings.TrimPrefix(to, path))
		return real.rename(from, to)
	}
	h.must(h.beginRewrite())
	round := <-h.rewriting.done
	h.must(h.put(host("b", 2)))
	did = nil
	h.goOnRewriting(round)
	h.must(h.put(host("c", 3)))
	want := "write new, name ~, sync new, name , sync directory, write, sync"
	if got := strings.Join(did, ", "); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// TestRewriteOfNoOwner: a file that somebody else put in the place of ours is not replaced.
func TestRewriteOfNoOwner(t *testing.T) {
	j, path := journal(t, string(fileOf(host("a", 1))))
	h := &hand{j, t}
	defer h.crash()
	h.must(h.beginRewrite())
	h.must(errors.Join(os.WriteFile(path+".other", []byte("# not yours\n"), 0o600), os.Rename(path+".other", path)))
	h.finishRewrite()
	if got := readAll(t, path); got != "# not yours\n" || h.failed == nil {
		t.Errorf("%q, %v", got, h.failed)
	}
	noLeftovers(t, path)
}

// TestRewriteFails: it leaves nothing behind, refuses nothing, and is not tried again at once.
func TestRewriteFails(t *testing.T) {
	j, path := journal(t, string(fileOf(host("a", 1))))
	h := &hand{j, t}
	defer h.crash()
	for what, break1 := range map[string]func(d *disk){
		"no space": func(d *disk) { d.write = func(*os.File, []byte) (int, error) { return 0, syscall.ENOSPC } },
		"sync":     func(d *disk) { d.sync = func(*os.File) error { return syscall.EIO } },
		"rename":   func(d *disk) { d.rename = func(string, string) error { return syscall.EROFS } },
	} {
		real := h.disk
		break1(&h.disk)
		h.must(h.beginRewrite())
		h.finishRewrite()
		h.disk = real
		if err := h.put(host(what, uint32(len(what)))); err != nil || h.live != h.size-int64(len(fileOf(host(what, 1)))) {
			t.Errorf("%s: %v, live %d of %d", what, err, h.live, h.size)
		}
		noLeftovers(t, path)
	}
}

// TestRewriteEndsWithRun: a rewrite that is under way when the journal ends is given up, and leaves nothing behind.
func TestRewriteEndsWithRun(t *testing.T) {
	text := fileBegin + strings.Repeat(string(fileOf(host("a", 1), &isc.Host{Name: "a", Dynamic: true, Deleted: true})), 40_000)
	j, path := journal(t, text)
	ctx, cancel := context.WithCancel(t.Context())
	begun := make(chan struct{})
	begin := sync.OnceFunc(func() { close(begun) })
	write := j.disk.write
	j.disk.write = func(f *os.File, b []byte) (int, error) {
		if f.Name() == path+rewriteSuffix {
			begin()
			<-ctx.Done()
		}
		return write(f, b)
	}
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx, func() {}) }()
	if err := j.Put(ctx, host("b", 2), true); err != nil {
		t.Fatal(err)
	}
	<-begun
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	noLeftovers(t, path)
	h := reopen(t, path)
	defer h.crash()
	if h.index.Len() != 1 {
		t.Errorf("%d hosts", h.index.Len())
	}
}

// TestRewriteUnderLoad: while many change leases and the file is written anew again and again, it never is without its
// owner or incomplete, and nothing is lost.
func TestRewriteUnderLoad(t *testing.T) {
	const callers, each, hosts = 16, 4000, 10
	var rewrites atomic.Int32
	path := filepath.Join(memoryDir(t), "f")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		if bytes.Contains(b, []byte("written anew")) {
			rewrites.Add(1)
		}
		return len(b), nil
	}), nil))
	j, err := OwnFile(path, JournalOptions{Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var run, work sync.WaitGroup
	run.Go(func() {
		if err := j.Run(ctx, func() {}); err != nil {
			t.Error(err)
		}
	})
	for c := range uint32(callers) {
		work.Go(func() {
			for n := range uint32(each) {
				if err := j.Put(t.Context(), host(fmt.Sprintf("h%d-%d", c, n%hosts), c<<16|n), false); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	over := make(chan struct{})
	run.Go(func() { work.Wait(); close(over) })
	looks := 0
	for end := false; !end; looks++ {
		select {
		case <-over:
			end = true
		default:
		}
		if other, err := OwnFile(path, JournalOptions{}); err == nil || !strings.Contains(err.Error(), "in use") {
			t.Fatalf("another owner: %v %v", other, err)
		}
		if got, err := readFile(path); err != nil || len(got.diagnostics) > 0 {
			t.Fatalf("%v %v", err, got.diagnostics)
		}
	}
	cancel()
	run.Wait()
	t.Logf("%d rewrites, looked at %d times", rewrites.Load(), looks)
	if rewrites.Load() < 2 {
		t.Error("hardly written anew")
	}
	h := reopen(t, path)
	defer h.crash()
	for c := range uint32(callers) {
		for n := uint32(each - hosts); n < each; n++ {
			name := fmt.Sprintf("h%d-%d", c, n%hosts)
			if got, want := h.index.Host(h.index.FindName(name)), host(name, c<<16|n); !got.Equal(want) {
				t.Errorf("%s: %+v", name, got)
			}
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// BenchmarkRewrite measures what a rewrite of a million leases costs those who change leases meanwhile: how long one of
// four callers waits at most, before and during the rewrite, and during its last step.
func BenchmarkRewrite(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				benchmarkRewrite(b, n)
			}
		})
	}
}

func benchmarkRewrite(b *testing.B, n int) {
	b.StopTimer()
	path := filepath.Join(b.TempDir(), "f")
	text := bigFile(n)
	// The same hosts again and again: a file of which little counts.
	if err := os.WriteFile(path, bytes.Repeat(text, 6), 0o600); err != nil {
		b.Fatal(err)
	}
	var last string
	var done atomic.Bool
	log := slog.New(slog.NewTextHandler(writerFunc(func(t []byte) (int, error) {
		if bytes.Contains(t, []byte("written anew")) {
			last = string(t)
			done.Store(true)
		}
		return len(t), nil
	}), nil))
	j, err := OwnFile(path, JournalOptions{Logger: log})
	if err != nil {
		b.Fatal(err)
	}
	j.live = j.size // not yet
	text = nil
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { _ = j.Run(ctx, func() {}) })
	next := atomic.Uint32{}
	next.Store(uint32(n))
	put := func(until func() bool) []time.Duration {
		var mu sync.Mutex
		var all []time.Duration
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for !until() {
					i := next.Add(1)
					begin := time.Now()
					if err := j.Put(ctx, host(fmt.Sprint("new", i), i), true); err != nil {
						b.Error(err)
						return
					}
					took := time.Since(begin)
					mu.Lock()
					all = append(all, took)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		slices.Sort(all)
		return all
	}
	end := time.Now().Add(3 * time.Second)
	quiet := put(func() bool { return time.Now().After(end) })
	cancel()
	run.Wait()
	if j, err = OwnFile(path, JournalOptions{Logger: log}); err != nil {
		b.Fatal(err)
	}
	j.live = 0
	ctx, cancel = context.WithCancel(context.Background())
	run.Go(func() { _ = j.Run(ctx, func() {}) })
	b.StartTimer()
	busy := put(done.Load)
	b.StopTimer()
	cancel()
	run.Wait()
	ms := func(l []time.Duration, per1000 int) float64 {
		return float64(l[(len(l)-1)*per1000/1000].Microseconds()) / 1000
	}
	for _, p := range []int{500, 990, 999, 1000} {
		b.ReportMetric(ms(quiet, p), fmt.Sprintf("quiet-ms-%d", p))
		b.ReportMetric(ms(busy, p), fmt.Sprintf("busy-ms-%d", p))
	}
	b.StartTimer()
	b.Logf("%d puts quiet, %d busy; %s", len(quiet), len(busy), last)
}
