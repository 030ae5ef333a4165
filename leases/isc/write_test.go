package isc

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWriteAsISC: every host and group that the real server wrote is written back by us with the same bytes.
func TestWriteAsISC(t *testing.T) {
	files, err := filepath.Glob("testdata/[0-2]*.leases")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := NewScanner(bytes.NewReader(text), Options{})
		for s.Scan() {
			var got []byte
			switch s.Kind() {
			case KindHost:
				got = AppendHost(nil, s.Host())
			case KindGroup:
				got = AppendGroup(nil, s.Group())
			case KindServerDUID:
				got = AppendServerDUID(nil, s.DUID())
			default:
				continue
			}
			if diff := cmp.Diff(strings.TrimSpace(string(s.Text())), strings.TrimSpace(string(got))); diff != "" && !lossy(s) {
				t.Errorf("%s (-ISC +ours):\n%s", file, diff)
			}
		}
	}
}

// lossy are records that ISC writes in a form that says less than nothing: «fixed-address ;».
func lossy(s *Scanner) bool { return bytes.Contains(s.Text(), []byte("fixed-address ;")) }

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		name string
		isc  bool
	}{
		{"005056000011_host", true}, {"a.b.c", true}, {"-x", true}, {"1", true}, {"deleted", true}, {strings.Repeat("x", 1024), true},
		{"00:50:56:00:00:18_host", false}, {"_x", false}, {"a b", false}, {"slash/y", false}, {"brace{", false}, {"semi;colon", false},
		{"[v6]", false}, {"#hash", false}, {strings.Repeat("x", 1025), false}, {"", false}, {"a\"b", false}, {"}", false}, {" a", false},
		{"a ", false}, {"new\nline", false}, {"é", false}, {"a { b", false}, {"back\\slash", false}, {"a {", false},
	} {
		if got := ISCReadsName(tt.name); got != tt.isc {
			t.Errorf("ISCReadsName(%q) = %v", tt.name, got)
		}
		if tt.name == "" {
			continue
		}
		h := &Host{Name: tt.name, Dynamic: true, HardwareType: 1, Hardware: []byte{1, 2, 3, 4, 5, 6}, Addresses: make([]byte, 16)}
		next := &Host{Name: "next", Dynamic: true, Deleted: true}
		text := AppendHost(AppendHost(nil, h), next)
		s := NewScanner(bytes.NewReader(text), Options{})
		if !s.Scan() || !s.Host().Equal(h) {
			t.Errorf("%q comes back as %q: %v", tt.name, s.Host().Name, s.Diagnostics())
		}
		if !s.Scan() || !s.Host().Equal(next) {
			t.Errorf("behind %q: %q", tt.name, s.Text())
		}
	}
}

// FuzzScan: no bytes make the reader panic or stop short, however they arrive it reads the same from them, and every
// host that it reads and writes comes back the same.
func FuzzScan(f *testing.F) {
	files, err := filepath.Glob("testdata/*.leases")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if len(text) < 4096 {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := dump(t, NewScanner(bytes.NewReader(text), Options{File: "f"}))
		if slow := dump(t, NewScanner(&trickle{text, 7}, Options{File: "f"})); slow != got {
			t.Fatalf("read in pieces:\n%s", cmp.Diff(got, slow))
		}
		// A leading blank keeps the fast path away from the first record, and the comments from all others.
		plain := bytes.ReplaceAll(text, []byte("{\n  dynamic;\n"), []byte("{\n  dynamic; \n"))
		a, b := hosts(text), hosts(plain)
		if bytes.Count(text, []byte{'"'}) == 0 && bytes.Count(text, []byte{'#'}) == 0 && a != b {
			t.Fatalf("without the fast path:\n%s", cmp.Diff(a, b))
		}
		s := NewScanner(bytes.NewReader(text), Options{File: "f"})
		for s.Scan() {
			if s.Kind() == KindHost && !s.Host().Deleted && !s.Host().Damaged {
				roundTrip(t, s.Host().Clone())
			}
		}
		if s.Tail().Offset != int64(len(text)) {
			t.Fatalf("stopped at %d of %d bytes", s.Tail().Offset, len(text))
		}
	})
}

// hosts is what a text says about hosts, without their places.
func hosts(text []byte) string {
	var b strings.Builder
	for s := NewScanner(bytes.NewReader(text), Options{}); s.Scan(); {
		if s.Kind() == KindHost {
			h := s.Host()
			fmt.Fprintf(&b, "%q %v %v %v %d %x %x %x\n", h.Name, h.Dynamic, h.Deleted, h.Damaged, h.HardwareType, h.Hardware, h.Addresses, h.UID)
		}
	}
	return b.String()
}

func roundTrip(t *testing.T, h *Host) {
	t.Helper()
	if n := len(h.Addresses) % 4; n != 0 {
		h.Addresses = h.Addresses[:len(h.Addresses)-n] // ISC drops these too
	}
	text := AppendHost(nil, h)
	s := NewScanner(bytes.NewReader(text), Options{})
	if !s.Scan() || s.Kind() != KindHost || !equalRead(s.Host(), h) {
		t.Fatalf("%+v\nwritten as %q\ncomes back as %+v %v", h, text, s.Host(), s.Diagnostics())
	}
	if s.Scan() {
		t.Fatalf("%q has more than one record: %q", text, s.Text())
	}
}

// equalRead compares a host with what was read back: nil and empty are the same there.
func equalRead(got, want *Host) bool {
	g, w := *got, *want
	if len(g.UID) == 0 && len(w.UID) == 0 {
		g.UID, w.UID = nil, nil
	}
	if len(w.Hardware) == 0 {
		g.HardwareType, w.HardwareType = 0, 0
	}
	return g.Equal(&w)
}

// trickle reads a few bytes at a time.
type trickle struct {
	text []byte
	n    int
}

func (r *trickle) Read(p []byte) (int, error) {
	n := copy(p[:min(len(p), r.n)], r.text)
	r.text = r.text[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}
