package leases

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lease6/lease6/leases/isc"
)

// memoryDir is a directory in memory where there is one: tests that open a thousand journals are not about the disk.
func memoryDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "lease6-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func journal(t *testing.T, text string) (*Journal, string) {
	t.Helper()
	path := filepath.Join(memoryDir(t), "f")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := OwnFile(path, JournalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return j, path
}

// hand drives a journal in the goroutine of its test instead of Run's: nothing else is going on.
type hand struct {
	*Journal
	t *testing.T
}

// reopen opens the file at path as after a crash: whoever had it before has just let go of it.
func reopen(t *testing.T, path string) *hand {
	t.Helper()
	j, err := OwnFile(path, JournalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &hand{j, t}
}

// crash lets go of the file without finishing anything.
func (h *hand) crash() {
	if r := h.rewriting; r != nil {
		r.stop()
		if r.done != nil {
			<-r.done
		}
		r.file.Close()
	}
	h.file.Close()
}

func (h *hand) do(r *request) error {
	r.done = make(chan error, 1)
	h.commit([]*request{r})
	return <-r.done
}

func (h *hand) put(host *isc.Host) error   { return h.do(&request{host: host, name: host.Name}) }
func (h *hand) remove(name string) error   { return h.do(&request{name: name}) }
func (h *hand) putGroup(g isc.Group) error { return h.do(&request{group: &g, name: g.Name}) }

// must fails the test at once.
func (h *hand) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// finishRewrite brings a rewrite to its end.
func (h *hand) finishRewrite() {
	for h.rewriting != nil {
		h.goOnRewriting(<-h.rewriting.done)
	}
}

// fat is a host of more text than a rewrite copies while changes wait.
func fat(name string, n uint32) *isc.Host {
	h := host(name, n)
	h.Statements = []isc.Statement{{Text: `supersede host-name = "` + strings.Repeat("x", rewriteRest+1) + `";`}}
	return h
}

// hostsOf is what an index has, by name, as text.
func hostsOf(ix *Index) map[string]string {
	all := make(map[string]string)
	for id := range ix.All() {
		h := ix.Host(id)
		all[h.Name] = string(isc.AppendHost(nil, &h))
	}
	for name := range ix.sets.groups {
		g, _ := ix.Group(name)
		all["group "+name] = string(isc.AppendGroup(nil, &g))
	}
	return all
}

// short tells two states apart in few words.
func short(got, want map[string]string) string {
	var s []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			s = append(s, fmt.Sprintf("%s is %.200q, want %.200q", name, got[name], want[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			s = append(s, "there is "+name)
		}
	}
	return strings.Join(s, "; ")
}

func readAll(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// step is one change of a script, and what it does to a model.
type step struct {
	name string
	do   func(h *hand) error
	then func(model map[string]string)
}

func putStep(x *isc.Host) step {
	return step{"put " + x.Name, func(h *hand) error { return h.put(x) }, func(m map[string]string) { m[x.Name] = string(isc.AppendHost(nil, x)) }}
}

func removeStep(name string) step {
	return step{"remove " + name, func(h *hand) error { return h.remove(name) }, func(m map[string]string) { delete(m, name) }}
}

func groupStep(g isc.Group) step {
	return step{"group " + g.Name, func(h *hand) error { return h.putGroup(g) }, func(m map[string]string) { m["group "+g.Name] = string(isc.AppendGroup(nil, &g)) }}
}

// script is every kind of change before, during and after a rewrite. What is no change cannot fail.
func script() []step {
	nothing := func(map[string]string) {}
	var round error
	return []step{
		putStep(host("a", 1)), putStep(host("b", 2)), putStep(host("a", 3)), removeStep("b"), putStep(host("b", 4)),
		groupStep(isc.Group{Name: "g", Statements: []isc.Statement{{Text: "option x 1;"}}}),
		{"begin a rewrite", func(h *hand) error {
			if err := h.beginRewrite(); err == nil {
				round = <-h.rewriting.done
			}
			return nil
		}, nothing},
		putStep(host("a", 5)), removeStep("b"), putStep(fat("c", 6)),
		{"go on with it", func(h *hand) error {
			if h.rewriting != nil {
				h.goOnRewriting(round)
			}
			if h.rewriting != nil {
				round = <-h.rewriting.done
			}
			return nil
		}, nothing},
		putStep(host("d", 7)), putStep(host("a", 8)),
		{"finish it", func(h *hand) error {
			if h.rewriting != nil {
				h.goOnRewriting(round)
			}
			return nil
		}, nothing},
		putStep(host("e", 9)), putStep(host("c", 10)), removeStep("d"),
	}
}

// fault lets the n-th operation of a disk fail.
type fault struct {
	name     string
	err      error
	short    bool // half of what is to be written is written
	truncate bool // taking it back fails too
}

var faults = []fault{
	{"EIO", syscall.EIO, false, false},
	{"ENOSPC after half of it", syscall.ENOSPC, true, false},
	{"ENOSPC, and no truncation", syscall.ENOSPC, true, true},
	{"EIO, and no truncation", syscall.EIO, false, true},
}

// breakage counts operations of a journal's disk, and says where one failed.
type breakage struct {
	count int
	own   bool // in the lease file, and not in one that is to become it
}

// breakAt lets operation number n of the journal's disk fail.
func (h *hand) breakAt(n int, f fault) *breakage {
	b := new(breakage)
	next := func(own bool) error {
		if b.count++; b.count == n {
			b.own = own
			return f.err
		}
		return nil
	}
	real := h.disk
	h.disk.write = func(file *os.File, text []byte) (int, error) {
		err := next(file == h.file)
		switch {
		case err == nil:
			return real.write(file, text)
		case f.short:
			n, _ := real.write(file, text[:len(text)/2])
			return n, err
		}
		return 0, err
	}
	h.disk.sync = func(file *os.File) error { return next(file == h.file) }
	h.disk.syncDir = func(string) error { return next(true) } // the name is that of the new file already
	h.disk.rename = func(from, to string) error {
		if err := next(false); err != nil {
			return err
		}
		return real.rename(from, to)
	}
	h.disk.truncate = func(file *os.File, size int64) error {
		if f.truncate {
			return f.err
		}
		return real.truncate(file, size)
	}
	return b
}

// TestFaults lets every single operation on the disk fail, in every way. Whatever happens, what was acknowledged is
// there at the next start, and what was refused is not; a failure in the lease file refuses all that follows, and one in
// a rewrite nothing.
func TestFaults(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			sticky := 0
			n := 1
			for ; testFault(t, n, f, &sticky); n++ {
			}
			if n < 40 || sticky < 15 {
				t.Errorf("%d operations, %d sticky failures: the script does less than it did", n, sticky)
			}
		})
	}
}

// testFault reports whether there was an operation n.
func testFault(t *testing.T, n int, f fault, sticky *int) bool {
	j, path := journal(t, fileBegin)
	h := &hand{j, t}
	broken := h.breakAt(n, f)
	model, maybe := hostsOf(h.index), map[string]string(nil)
	for _, s := range script() {
		failed := h.failed != nil
		err := s.do(h)
		switch {
		case failed && err == nil && !strings.Contains(s.name, " it") && !strings.Contains(s.name, "rewrite"):
			t.Fatalf("operation %d: %s was taken after a failure", n, s.name)
		case err == nil:
			s.then(model)
		case !errors.Is(err, ErrFailed) && !errors.Is(err, ErrNotFound) || !errors.Is(h.failed, f.err):
			t.Fatalf("operation %d: %s: %v", n, s.name, err)
		case maybe == nil:
			maybe = maps.Clone(model)
			s.then(maybe)
		}
	}
	if broken.own != (h.failed != nil) {
		t.Fatalf("operation %d: it is in the lease file: %v; the journal has failed: %v", n, broken.own, h.failed)
	}
	if h.failed != nil {
		*sticky++
	}
	if got := hostsOf(h.index); !maps.Equal(got, model) || (h.Status().Problem == "") != (h.failed == nil) {
		t.Fatalf("operation %d: served is not what was acknowledged: %s; %+v", n, short(got, model), h.Status())
	}
	check(t, h.index)
	h.crash()
	again := reopen(t, path)
	defer again.crash()
	// A write that came to its end, of which the sync failed and which cannot be taken back, is there.
	if got := hostsOf(again.index); !maps.Equal(got, model) && !(f.truncate && maps.Equal(got, maybe)) {
		t.Fatalf("operation %d: %s", n, short(got, model))
	}
	again.must(again.put(host("after", 1000)))
	noLeftovers(t, path)
	return broken.count >= n
}

// noLeftovers looks for what a rewrite left behind.
func noLeftovers(t *testing.T, path string) {
	t.Helper()
	all, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		switch strings.TrimPrefix(name, path) {
		case "", "~", ".torn", ".damaged", "~.new": // the last is a link, which costs nothing
		default:
			t.Errorf("%s is left", name)
		}
	}
}

// TestCrashAnywhere takes a picture of the directory before every single operation on the disk, and in the middle of
// every write: a start from each has what was acknowledged, and of what was being written nothing or all.
func TestCrashAnywhere(t *testing.T) {
	j, path := journal(t, fileBegin)
	h := &hand{j, t}
	h.must(h.put(host("first", 100)))
	model := hostsOf(h.index)
	next := maps.Clone(model)
	pictures := 0
	picture := func() {
		pictures++
		dir := memoryDir(t)
		all, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
		for _, name := range all {
			h.must(os.WriteFile(filepath.Join(dir, filepath.Base(name)), []byte(readAll(t, name)), 0o600))
		}
		again := reopen(t, filepath.Join(dir, filepath.Base(path)))
		defer again.crash()
		if got := hostsOf(again.index); !maps.Equal(got, model) && !maps.Equal(got, next) {
			t.Errorf("picture %d: %s", pictures, short(got, model))
		}
		again.must(again.put(host("after", 1000)))
		noLeftovers(t, again.path)
	}
	real := h.disk
	h.disk.write = func(f *os.File, b []byte) (int, error) {
		picture()
		n, _ := real.write(f, b[:len(b)/2])
		picture()
		m, err := real.write(f, b[len(b)/2:])
		return n + m, err
	}
	h.disk.sync = func(*os.File) error { picture(); return nil }
	h.disk.syncDir = func(string) error { picture(); return nil }
	h.disk.rename = func(from, to string) error { picture(); return real.rename(from, to) }
	for _, s := range script() {
		s.then(next)
		h.must(s.do(h))
		s.then(model)
	}
	picture()
	if pictures < 60 {
		t.Errorf("only %d pictures", pictures)
	}
	h.crash()
}

// TestJournalModel changes a journal at random, rewrites and reopens it, and holds it against a map.
func TestJournalModel(t *testing.T) {
	const seed, steps = 7, 6000
	r := rand.New(rand.NewPCG(seed, 0))
	j, path := journal(t, fileBegin)
	h := &hand{j, t}
	defer func() { h.crash() }()
	model := make(map[string]string)
	macs := make(map[string]uint32)
	rewrites := 0
	for n := range steps {
		name := fmt.Sprintf("h%d", r.IntN(40))
		switch kind := r.IntN(100); {
		case kind < 60:
			h.modelPut(r, name, model, macs)
		case kind < 85:
			_, exists := model[name]
			if err := h.remove(name); (err == nil) != exists || err != nil && !errors.Is(err, ErrNotFound) {
				t.Fatalf("step %d: remove %s, which exists %v: %v", n, name, exists, err)
			}
			delete(model, name)
			delete(macs, name)
		case kind < 92:
			g := isc.Group{Name: fmt.Sprintf("g%d", r.IntN(3)), Statements: []isc.Statement{{Text: fmt.Sprintf("option x %d;", n)}}}
			h.must(h.putGroup(g))
			model["group "+g.Name] = string(isc.AppendGroup(nil, &g))
		case kind < 94 && h.rewriting == nil:
			h.must(h.beginRewrite())
			rewrites++
		case kind < 96 && h.rewriting != nil:
			h.goOnRewriting(<-h.rewriting.done)
		case kind < 97:
			h.crash()
			h = reopen(t, path)
			noLeftovers(t, path)
			if d := h.Status(); d.Errors > 0 {
				t.Fatalf("step %d: %+v", n, d)
			}
		}
		check(t, h.index)
		if got := hostsOf(h.index); !maps.Equal(got, model) || h.failed != nil {
			t.Fatalf("step %d: %s, %v", n, short(got, model), h.failed)
		}
	}
	if _, err := os.Stat(path + "~"); err != nil || rewrites < 50 {
		t.Errorf("%d rewrites: %v", rewrites, err)
	}
}

// modelPut puts a host, with a MAC that another may have.
func (h *hand) modelPut(r *rand.Rand, name string, model map[string]string, macs map[string]uint32) {
	h.t.Helper()
	x := host(name, 1+r.Uint32N(60))
	mac := uint32(x.Hardware[5])
	switch r.IntN(20) {
	case 0:
		x.Statements = fat("", 0).Statements
	case 1:
		x.UID = []byte{0, 4, byte(r.Uint32())}
	case 2:
		x.Addresses = append(x.Addresses, host("", r.Uint32()).Addresses...)
	case 3:
		x.Hardware, x.HardwareType, mac = nil, 0, 0
	}
	taken := false
	for other, m := range macs {
		taken = taken || other != name && m == mac && mac != 0 && macs[name] != mac
	}
	err := h.put(x)
	if (err != nil) != taken || err != nil && !errors.Is(err, ErrExists) {
		h.t.Fatalf("put %s with MAC %d: %v", name, mac, err)
	}
	if err == nil {
		model[name] = string(isc.AppendHost(nil, x))
		macs[name] = mac
	}
}

// TestRolledBackLater: what could not be taken back at once is taken back when that is possible.
func TestRolledBackLater(t *testing.T) {
	j, path := journal(t, string(fileOf(host("a", 1))))
	before := readAll(t, path)
	real := j.disk
	var mended atomic.Bool
	j.disk.write = func(f *os.File, b []byte) (int, error) {
		n, _ := real.write(f, b[:len(b)/2])
		return n, syscall.ENOSPC
	}
	j.disk.truncate = func(f *os.File, size int64) error {
		if !mended.Load() {
			return syscall.EIO
		}
		return real.truncate(f, size)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx, func() {}) }()
	if err := j.Put(ctx, host("b", 2), true); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if readAll(t, path) == before {
		t.Fatal("nothing was written: the test tests nothing")
	}
	mended.Store(true)
	for end := time.Now().Add(10 * time.Second); readAll(t, path) != before && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if got := readAll(t, path); got != before {
		t.Errorf("the file has %q", got)
	}
	if ix := j.Acquire(); ix.FindName("a") == 0 || ix.FindName("b") != 0 || j.Status().Problem == "" {
		t.Errorf("%d hosts, %+v", ix.Len(), j.Status())
	}
	j.Release()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
