package leases

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lease6/lease6/leases/isc"
)

// TestEveryPrefix cuts a file of all kinds of changes at every byte, and puts behind the cut what file systems leave
// there, or what was on the disk before: the journal opens with exactly the state after the last complete change, and
// goes on from there.
func TestEveryPrefix(t *testing.T) {
	text, states := everyChange(t)
	random := make([]byte, 700)
	for i, r := 0, rand.NewPCG(1, 2); i < len(random); i++ {
		random[i] = byte(r.Uint64())
	}
	for _, junk := range []struct{ name, text string }{
		{"nothing", ""},
		{"zeros", strings.Repeat("\x00", 100)},
		{"random bytes", string(random)},
		{"braces", "\x80}\x81;{\n}}\x82"},
		{"zeros and random bytes", strings.Repeat("\x00", 50) + string(random[:50]) + "\n" + string(random[50:])},
		{"text", "\nlorem ipsum dolor sit amet\nconsetetur"},
		{"half of an old record", "\x01e;\n  fixed-addr"},
	} {
		t.Run(junk.name, func(t *testing.T) {
			t.Parallel()
			dir := memoryDir(t)
			for n := range len(text) + 1 {
				path := filepath.Join(dir, "f")
				if err := os.WriteFile(path, []byte(text[:n]+junk.text), 0o600); err != nil {
					t.Fatal(err)
				}
				testPrefix(t, path, n, states)
			}
		})
	}
}

// state is what a file has when it has so many bytes.
type state struct {
	size int
	has  map[string]string
}

// everyChange makes changes of every kind, and returns the file and the state after each.
func everyChange(t *testing.T) (text string, states []state) {
	j, path := journal(t, "")
	h := &hand{j, t}
	defer h.crash()
	note := func(err error) {
		h.must(err)
		states = append(states, state{int(h.size), hostsOf(h.index)})
	}
	note(nil)
	note(h.put(host("a", 1)))
	note(h.put(host("52:54:00:00:00:02_host", 2)))
	note(h.put(host("a", 3)))
	note(h.remove("a"))
	note(h.put(host("a", 4)))
	note(h.putGroup(isc.Group{Name: "g", Statements: []isc.Statement{{Text: "option x 1;"}}}))
	odd := host("odd name }", 5)
	odd.UID, odd.Group = []byte("\x00\x04}\"\n;"), "g"
	odd.Statements = []isc.Statement{{Text: "supersede dhcp6.name-servers = 20:01:0d:b8:00:00:00:00:00:00:00:00:00:\n                00:00:53;"}}
	note(h.put(odd))
	moved := odd.Clone()
	moved.Addresses[15]++
	note(h.put(moved))
	note(h.putGroup(isc.Group{Name: "g", Statements: []isc.Statement{{Text: "option x 2;"}}}))
	note(h.remove("odd name }"))
	note(h.put(host("a", 6)))
	return readAll(t, path), states
}

// testPrefix opens a file of which the first n bytes are sound.
func testPrefix(t *testing.T, path string, n int, states []state) {
	t.Helper()
	want, next := states[0].has, states[0].has
	for i, s := range states {
		if s.size-1 > n && s.size > 0 { // the end of its line does not matter
			break
		}
		want, next = s.has, states[min(i+1, len(states)-1)].has
	}
	j, err := OwnFile(path, JournalOptions{})
	if err != nil {
		t.Fatalf("cut at %d: %v", n, err)
	}
	h := &hand{j, t}
	defer h.crash()
	// Junk with a brace may complete a record of which only the brace was missing.
	if got := hostsOf(h.index); !maps.Equal(got, want) && !maps.Equal(got, next) {
		t.Fatalf("cut at %d: %s", n, short(got, want))
	} else if !maps.Equal(got, want) && readAll(t, path)[n] != '}' && readAll(t, path)[n+1] != '}' {
		t.Fatalf("cut at %d: there is more than what is complete: %s", n, short(got, want))
	}
	before := h.index.Len()
	h.must(h.put(host("after", 1<<20)))
	now := readAll(t, path)
	ix, diagnostics := load(t, now)
	if ix.FindName("after") == 0 || ix.Len() != before+1 || !strings.Contains(now, "\nhost after {") && !strings.HasPrefix(now, "host after {") {
		t.Fatalf("cut at %d: %v\n%s", n, diagnostics, now)
	}
	for _, d := range diagnostics {
		if d.Severity == isc.Error {
			t.Fatalf("cut at %d: %s", n, d)
		}
	}
}

const torn = "host torn {\n  dynamic;\n  hardware ethernet 52:54"

// TestOwnFile: what of a file is taken, dropped or refused, and what a repair makes of it.
func TestOwnFile(t *testing.T) {
	whole := string(fileOf(host("a", 1), host("b", 2)))
	bad := "host bad {\n  dynamic;\n  hardware ethernet 52:54:00:00:00:03;\n  fixed-address banana;\n}\n"
	for _, tt := range []struct {
		name, text string
		hosts      string
		log        string // in the log
		torn       string // in FILE.torn
		refused    string // in the error; then hosts are those after a repair
	}{
		{name: "sound", text: whole, hosts: "a b"},
		{name: "empty", text: "", hosts: ""},
		{name: "no end of line", text: strings.TrimSuffix(whole, "\n"), hosts: "a b"},
		{name: "comment without end", text: whole + "# what", hosts: "a b"},
		{name: "torn", text: whole + torn, hosts: "a b", log: "f:11:1", torn: torn},
		{name: "torn behind zeros", text: whole + "\x00\x00" + torn, hosts: "a b", log: "f:11:3", torn: torn},
		{name: "garbage at the end", text: whole + torn + "\x80}\x81", hosts: "a b", log: "f:10:2", torn: "\n" + torn + "\x80}\x81"},
		{name: "update without its second half", text: whole + "host a {\n  dynamic;\n  deleted;\n }\n", hosts: "a b", log: "f:11:1"},
		{name: "deletion", text: whole + "host a {\n  dynamic;\n  deleted;\n}\n", hosts: "b"},
		{name: "deletion and torn creation", text: whole + "host a {\n  dynamic;\n  deleted;\n}\nhost a {\n", hosts: "b", torn: "host a {\n"},
		{name: "damaged record", text: bad + whole, hosts: "a b", refused: "f:4:3: error: host \"bad\""},
		{name: "damaged record at the end", text: whole + bad, hosts: "a b", refused: "banana"},
		{name: "garbage between", text: whole + "\x01\x02{}\n" + string(fileOf(host("c", 3))), hosts: "a b c", refused: "f:11:1: error"},
		{name: "torn in the middle", text: torn + "\n" + whole, hosts: "a b", refused: "torn"},
		{name: "damaged and torn", text: bad + whole + torn, hosts: "a b", refused: "banana"},
		{name: "update with a damaged second half", text: whole + "host a {\n  dynamic;\n  deleted;\n }\nhost a {\n  dynamic;\n  hardware ethernet x;\n}\n", hosts: "a b", refused: "f:17:3"},
		{name: "much damage", text: strings.Repeat(bad, 9) + whole, hosts: "a b", refused: "and 6 more"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(memoryDir(t), "f")
			if err := os.WriteFile(path, []byte(tt.text), 0o640); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			o := JournalOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))}
			j, err := OwnFile(path, o)
			if tt.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tt.refused) || !strings.Contains(err.Error(), "--repair") {
					t.Fatalf("%v, want %q in it", err, tt.refused)
				}
				if readAll(t, path) != tt.text {
					t.Fatal("a refused file was changed")
				}
				o.Repair = true
				j, err = OwnFile(path, o)
			}
			if err != nil {
				t.Fatal(err)
			}
			h := &hand{j, t}
			defer h.crash()
			if got := namesOf(h.index); got != tt.hosts {
				t.Errorf("hosts %q, want %q", got, tt.hosts)
			}
			if tt.refused != "" && readAll(t, path+".damaged") != tt.text {
				t.Error("the damaged file is not kept")
			}
			if tt.torn != "" && readAll(t, path+".torn") != tt.torn {
				t.Errorf("torn %q, want %q", readAll(t, path+".torn"), tt.torn)
			}
			if !strings.Contains(log.String(), tt.log) {
				t.Errorf("log %q, want %q in it", log.String(), tt.log)
			}
			h.must(h.put(host("after", 99)))
			again, _ := load(t, readAll(t, path))
			if got := namesOf(again); got != strings.TrimSpace(tt.hosts+" after") {
				t.Errorf("the file has %q", got)
			}
			noLeftovers(t, path)
		})
	}
}

func namesOf(ix *Index) string {
	var names []string
	for id := range ix.All() {
		names = append(names, ix.Name(id))
	}
	return strings.Join(names, " ")
}

// TestRepairKeepsAll: a second damaged file does not take the place of the first, the mode stays, what is no host stays,
// and a sound file is left alone.
func TestRepairKeepsAll(t *testing.T) {
	dir := memoryDir(t)
	path := filepath.Join(dir, "f")
	text := func(n int) string {
		return fmt.Sprintf("host h%d {\n  dynamic;\n  fixed-address banana;\n}\n", n) + fileBegin + "ia-na \"x\" {\n}\n" + string(fileOf(host("a", 1)))
	}
	for n := range 3 {
		if err := os.WriteFile(path, []byte(text(n)), 0o640); err != nil {
			t.Fatal(err)
		}
		j, err := OwnFile(path, JournalOptions{Repair: true})
		if err != nil {
			t.Fatal(err)
		}
		j.file.Close()
		kept := path + ".damaged"
		if n > 0 {
			kept += fmt.Sprint(".", n)
		}
		if readAll(t, kept) != text(n) {
			t.Errorf("%s is not the damaged file", kept)
		}
	}
	now := readAll(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 || !strings.Contains(now, "ia-na") {
		t.Errorf("%v %v\n%s", info.Mode(), err, now)
	}
	j, err := OwnFile(path, JournalOptions{Repair: true})
	if err != nil {
		t.Fatal(err)
	}
	j.file.Close()
	if entries, _ := os.ReadDir(dir); readAll(t, path) != now || len(entries) != 4 {
		t.Errorf("a sound file was repaired: %v", entries)
	}
}

// TestOwnLink: a link to a lease file stays one, whatever is written anew.
func TestOwnLink(t *testing.T) {
	dir := memoryDir(t)
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := os.WriteFile(real, fileOf(host("a", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	h := reopen(t, link)
	defer h.crash()
	h.must(h.beginRewrite())
	h.finishRewrite()
	h.must(h.put(host("b", 2)))
	if at, err := os.Readlink(link); err != nil || at != real || !strings.Contains(readAll(t, real), "host b") {
		t.Errorf("%q %v", at, err)
	}
}

// TestNotOwned: what cannot be a lease file of ours.
func TestNotOwned(t *testing.T) {
	dir := memoryDir(t)
	for path, want := range map[string]string{
		dir:                           "is a directory",
		"/dev/null":                   "not a regular file",
		filepath.Join(dir, "no", "f"): "no such file",
	} {
		if _, err := OwnFile(path, JournalOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestLockFollowsTheName: the owner puts a new file in the place of the old one and lets go of that; nobody who opened
// the old one just before may take the lock on it for one on the lease file.
func TestLockFollowsTheName(t *testing.T) {
	const times = 20_000
	path := filepath.Join(memoryDir(t), "f")
	next := func() *os.File {
		file, err := os.OpenFile(path+rewriteSuffix, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			err = errors.Join(lockFile(file), os.Rename(path+rewriteSuffix, path))
		}
		if err != nil {
			t.Error(err)
		}
		return file
	}
	file := next()
	over := make(chan struct{})
	go func() {
		defer close(over)
		for range times {
			old := file
			file = next()
			old.Close()
		}
	}()
	for end := false; !end; {
		select {
		case <-over:
			end = true
		default:
		}
		if _, err := lockOwn(path); err == nil || !strings.Contains(err.Error(), "in use") {
			t.Errorf("locked beside its owner: %v", err)
			break
		}
	}
	<-over
	file.Close()
}
