package leases

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lease6/lease6/leases/isc"
)

// host makes a host with one address: its number says all.
func host(name string, n uint32) *isc.Host {
	h := &isc.Host{Name: name, Dynamic: true, HardwareType: isc.Ethernet, Hardware: []byte{0x52, 0x54, 0, 0, 0, 0}, Addresses: make([]byte, 16)}
	binary.BigEndian.PutUint32(h.Hardware[2:], n)
	copy(h.Addresses, []byte{0x20, 1, 0xd, 0xb8})
	binary.BigEndian.PutUint32(h.Addresses[12:], n)
	return h
}

func fileOf(hosts ...*isc.Host) []byte {
	var b []byte
	for _, h := range hosts {
		b = isc.AppendHost(b, h)
	}
	return b
}

func load(t testing.TB, text string) (*Index, []isc.Diagnostic) {
	t.Helper()
	ix, diagnostics, err := Load(strings.NewReader(text), LoadOptions{File: "f"})
	if err != nil {
		t.Fatal(err)
	}
	check(t, ix)
	return ix, diagnostics
}

func check(t testing.TB, ix *Index) {
	t.Helper()
	for _, err := range ix.Check() {
		t.Error(err)
	}
}

// TestModel changes an index at random and holds it against a map.
func TestModel(t *testing.T) {
	const seed = 1
	r := rand.New(rand.NewPCG(seed, 0))
	ix := newIndex(0)
	model := make(map[string]*isc.Host)
	for step := range 60_000 {
		name := fmt.Sprintf("h%d", r.IntN(300))
		if r.IntN(3) == 0 {
			if id := ix.FindName(name); id != 0 {
				ix.remove(id)
			}
			delete(model, name)
		} else {
			h := randomHost(r, name)
			ix.put(h)
			model[name] = h.Clone()
		}
		if step%997 == 0 {
			if ix.crowded() {
				ix = ix.compact()
			}
			compareModel(t, ix, model)
		}
	}
	compareModel(t, ix, model)
	compareModel(t, ix.compact(), model)
	if len(ix.entries) > 10_000 {
		t.Errorf("%d entries for %d hosts: garbage gathers", len(ix.entries), ix.Len())
	}
}

func randomHost(r *rand.Rand, name string) *isc.Host {
	h := host(name, uint32(r.IntN(100))) // few MACs and addresses: many are shared
	switch r.IntN(8) {
	case 0:
		h.Addresses = append(h.Addresses, host("", uint32(r.IntN(100))).Addresses...)
	case 1:
		h.Addresses = []byte{10, 0, 0, 1}
	case 2:
		h.Addresses, h.UID = nil, []byte{'u', byte(r.IntN(20))}
	case 3:
		h.HardwareType = 6
	case 4:
		h.Hardware, h.HardwareType = nil, 0
	case 5:
		h.Statements = []isc.Statement{{Text: fmt.Sprintf("option dhcp6.preference %d;", r.IntN(3)), Name: "dhcp6.preference", Value: []byte{1}}}
	case 6:
		h.Group, h.Dynamic = "g", false
	}
	return h
}

func compareModel(t *testing.T, ix *Index, model map[string]*isc.Host) {
	t.Helper()
	check(t, ix)
	if ix.Len() != len(model) {
		t.Fatalf("%d hosts, want %d", ix.Len(), len(model))
	}
	addrs := make(map[[16]byte]bool)
	for name, want := range model {
		id := ix.FindName(name)
		if id == 0 {
			t.Fatalf("%s is missing", name)
		}
		if got := ix.Host(id); !got.Equal(want) {
			t.Fatalf("got %+v\nwant %+v", got, want)
		}
		if want.UID != nil && !ix.sameUID(want.UID, id) {
			t.Fatalf("%s: client identifier %q is not found", name, want.UID)
		}
		if len(want.Hardware) > 0 && ix.FindHardware(want.HardwareType, want.Hardware) == 0 {
			t.Fatalf("%s: hardware %d/%x is not found", name, want.HardwareType, want.Hardware)
		}
		for i := 0; 16*(i+1) <= len(want.Addresses); i++ {
			a, ok := ix.Addr(id, i)
			if !ok || a != [16]byte(want.Addresses[16*i:]) {
				t.Fatalf("%s: address %d is %x %v", name, i, a, ok)
			}
			addrs[a] = true
			if ix.FindAddr(a) == 0 {
				t.Fatalf("%s: address %x is not found", name, a)
			}
		}
	}
	for n := range uint32(100) {
		if a := [16]byte(host("", n).Addresses); ix.FindAddr(a) != 0 && !addrs[a] {
			t.Fatalf("address %x is found and nobody's", a)
		}
	}
}

// sameUID reports whether the host found by a client identifier has it.
func (ix *Index) sameUID(uid []byte, id ID) bool {
	found := ix.FindUID(uid)
	if found == 0 {
		return false
	}
	a, b := ix.Host(found), ix.Host(id)
	return bytes.Equal(a.UID, b.UID)
}

// TestNewestFirst: of two hosts of one MAC the newer comes first, also after changes.
func TestNewestFirst(t *testing.T) {
	ix := newIndex(0)
	for _, name := range []string{"a", "b", "c"} {
		ix.put(host(name, 1))
	}
	chain := func() (names string) {
		for id := ix.FindMAC(MAC(host("", 1).Hardware).Key()); id != 0; id = ix.NextMAC(id) {
			names += ix.Name(id)
		}
		return names
	}
	if got := chain(); got != "cba" {
		t.Errorf("got %s", got)
	}
	ix.put(host("a", 1)) // written again: now the newest
	if got := chain(); got != "acb" {
		t.Errorf("after an update: %s", got)
	}
	ix.remove(ix.FindName("c"))
	if got := chain(); got != "ab" {
		t.Errorf("after a deletion: %s", got)
	}
	check(t, ix)
}

// TestNewestFirstAfterMuchChange: a file that has seen much, read and compacted, says the same about who is newer.
func TestNewestFirstAfterMuchChange(t *testing.T) {
	var b []byte
	many := func(from, to uint32) {
		for n := from; n < to; n++ {
			b = isc.AppendHost(b, host(fmt.Sprint("h", n), n))
		}
	}
	none := func(from, to uint32) {
		for n := from; n < to; n++ {
			b = isc.AppendHost(b, &isc.Host{Name: fmt.Sprint("h", n), Dynamic: true, Deleted: true})
		}
	}
	many(0, 9_000)
	b = isc.AppendHost(b, host("old", 1<<20))
	none(0, 4_000)
	b = isc.AppendHost(b, host("new", 1<<20))
	none(4_000, 9_000)
	check := func(text []byte) {
		t.Helper()
		ix, _ := load(t, string(text))
		if id := ix.FindMAC(MAC(host("", 1<<20).Hardware).Key()); ix.Name(id) != "new" || len(ix.entries) > 100 {
			t.Errorf("the newest is %q of %d entries", ix.Name(id), len(ix.entries))
		}
	}
	check(b)
	var written bytes.Buffer
	if _, err := Format(&written, bytes.NewReader(b), FormatOptions{}); err != nil {
		t.Fatal(err)
	}
	check(written.Bytes())
}

// TestConflicts: what a host meets is told, with its place.
func TestConflicts(t *testing.T) {
	for _, tt := range []struct {
		name  string
		hosts []*isc.Host
		want  []string
		n     int
	}{
		{"none", []*isc.Host{host("a", 1), host("b", 2)}, nil, 2},
		{"name", []*isc.Host{host("a", 1), host("a", 2)}, []string{"duplicate-name"}, 1},
		{"name, deleted in between", []*isc.Host{host("a", 1), {Name: "a", Dynamic: true, Deleted: true}, host("a", 2)}, nil, 1},
		{"MAC and address", []*isc.Host{host("a", 1), host("b", 1)}, []string{"duplicate-mac", "duplicate-address"}, 2},
		{"MAC on another link", []*isc.Host{host("a", 1), {Name: "b", HardwareType: 1, Hardware: host("", 1).Hardware,
			Addresses: append([]byte{0x20, 2}, make([]byte, 14)...)}}, nil, 2},
		{"deletion of nobody", []*isc.Host{{Name: "x", Dynamic: true, Deleted: true}, host("a", 1)}, nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ix, diagnostics := load(t, string(fileOf(tt.hosts...)))
			var codes []string
			for _, d := range diagnostics {
				codes = append(codes, d.Code)
				if d.Pos.Line < 2 || d.Severity != isc.Warning {
					t.Errorf("%v", d)
				}
			}
			if strings.Join(codes, " ") != strings.Join(tt.want, " ") || ix.Len() != tt.n {
				t.Errorf("%d hosts, %v, want %d, %v", ix.Len(), codes, tt.n, tt.want)
			}
		})
	}
}

// TestDamagedRecordCostsOnlyItself: what cannot be read takes nothing away.
func TestDamagedRecordCostsOnlyItself(t *testing.T) {
	good := string(fileOf(host("a", 1)))
	ix, diagnostics := load(t, good+"host a {\n  dynamic;\n  hardware ethernet 52:54:\n}\nhost b {\n  dynamic;\n  fixed-address 1.2\n}\n"+string(fileOf(host("c", 3))))
	if ix.FindName("a") == 0 || ix.FindName("b") != 0 || ix.FindName("c") == 0 {
		t.Errorf("hosts %d: %v", ix.Len(), diagnostics)
	}
	kept := false
	for _, d := range diagnostics {
		kept = kept || d.Code == "earlier-kept"
	}
	if !kept {
		t.Errorf("nothing said that the earlier record of a stays: %v", diagnostics)
	}
	ix, diagnostics = load(t, strings.Repeat("x", 0)+"host "+strings.Repeat("n", longestName+1)+" {\n  dynamic;\n}\n")
	if ix.Len() != 0 || len(diagnostics) != 1 || diagnostics[0].Code != "long-name" {
		t.Errorf("long name: %d hosts, %v", ix.Len(), len(diagnostics))
	}
}

// TestSettings: what statements of hosts and groups say to clients.
func TestSettings(t *testing.T) {
	record := func(more ...string) string {
		return strings.Replace(string(fileOf(host("a", 1))), "}\n", strings.Join(more, "\n")+"\n}\n", 1)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"none", record(), "<nil>"},
		{"not understood", record(`execute("rm", "-rf");`, "supersede routers = 0a:00:00:01;"), "<nil>"},
		{"lifetimes", record("supersede server.default-lease-time = 00:00:04:b0;", "option dhcp-renewal-time 60;"), "&{1200 0 60 0 false 0 []}"},
		{"preference", record("option dhcp6.preference 10;"), "&{0 0 0 0 true 10 []}"},
		{"options sorted, the last wins", record("supersede dhcp6.domain-search = 01:61:00;",
			"supersede dhcp6.unknown-200 = 01:02;", "supersede dhcp6.domain-search = 01:62:00;"), "&{0 0 0 0 false 0 [{24 [1 98 0]} {200 [1 2]}]}"},
		{"of the server's own", record("supersede dhcp6.unknown-2 = 01:02;", "supersede dhcp6.unknown-79 = 01:02;"), "<nil>"},
		{"malformed lists", record("supersede dhcp6.name-servers = 01:02;", "supersede dhcp6.domain-search = 05:61:00;",
			"supersede server.default-lease-time = 01;"), "<nil>"},
		{"group", "group g1 {\n  dynamic;\n  supersede server.default-lease-time = 00:00:03:09;\n}\n" + record(`group "g1";`), "&{777 0 0 0 false 0 []}"},
		{"group, overridden", "group g1 {\n  dynamic;\n  supersede server.default-lease-time = 00:00:03:09;\n  option dhcp6.preference 1;\n}\n" +
			record(`group "g1";`, "option dhcp6.preference 2;"), "&{777 0 0 0 true 2 []}"},
		{"group that comes later", record(`group "g1";`) + "group g1 {\n  dynamic;\n  option dhcp6.preference 3;\n}\n", "&{0 0 0 0 true 3 []}"},
		{"group deleted", "group g1 {\n  option dhcp6.preference 3;\n}\n" + record(`group "g1";`) + "group g1 {\n  dynamic;\n  deleted;\n}\n", "<nil>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ix, _ := load(t, tt.text)
			if got := fmt.Sprint(ix.Settings(ix.FindName("a"))); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestSettingsAreShared: a million hosts of one network keep their statements once.
func TestSettingsAreShared(t *testing.T) {
	ix := newIndex(0)
	for i := range 1000 {
		h := host(fmt.Sprint("h", i), uint32(i))
		h.Statements = []isc.Statement{{Text: "option dhcp6.preference 9;", Name: "dhcp6.preference", Value: []byte{9}}}
		ix.put(h)
	}
	if len(ix.sets.all) != 2 || len(ix.rare) != 0 {
		t.Errorf("%d sets, %d rare hosts", len(ix.sets.all), len(ix.rare))
	}
	for i := range 1000 {
		ix.remove(ix.FindName(fmt.Sprint("h", i)))
	}
	if len(ix.sets.byKey) != 0 || len(ix.sets.free) != 1 {
		t.Errorf("nobody is left, and %d sets", len(ix.sets.byKey))
	}
	check(t, ix)
}

func TestParseMAC(t *testing.T) {
	want := MAC{0x52, 0x54, 0, 0xa, 0xb, 0xc}
	for _, text := range []string{"52:54:00:0a:0b:0c", "52:54:00:0A:0B:0C", "52-54-00-0a-0b-0c", "5254000a0b0c", "5254.000a.0b0c", "52:54:0:a:b:c"} {
		if got, err := ParseMAC(text); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "52:54", "52:54:00:0a:0b:0c:0d", "52:54:00:0a:0b:zz", "525400", "hello"} {
		if _, err := ParseMAC(text); err == nil || !strings.Contains(err.Error(), "52:54:00:12:34:56") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if macOf(want.Key()) != want || want.String() != "52:54:00:0a:0b:0c" {
		t.Error(want)
	}
}

// TestLookupsDoNotAllocate: they are on the packet path.
func TestLookupsDoNotAllocate(t *testing.T) {
	ix := newIndex(0)
	for i := range 1000 {
		ix.put(host(fmt.Sprint("h", i), uint32(i)))
	}
	several := host("several", 5000)
	several.Addresses = append(several.Addresses, several.Addresses...)
	ix.put(several)
	if n := testing.AllocsPerRun(100, func() {
		for n := range uint32(6000) {
			id := ix.FindMAC(0x5254_0000_0000 | uint64(n))
			for ; id != 0; id = ix.NextMAC(id) {
				for i := 0; ; i++ {
					a, ok := ix.Addr(id, i)
					if !ok {
						break
					}
					ix.FindAddr(a)
				}
				ix.Settings(id)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestFormatFixpoint: what Format wrote it writes again, byte for byte, and both say the same.
func TestFormatFixpoint(t *testing.T) {
	files, err := filepath.Glob("isc/testdata/*.leases")
	if err != nil || len(files) < 90 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range []FormatOptions{{File: "f"}, {File: "f", ISCNames: true}} {
				var once, twice bytes.Buffer
				if _, err := Format(&once, bytes.NewReader(text), o); err != nil {
					t.Fatal(err)
				}
				diagnostics, err := Format(&twice, bytes.NewReader(once.Bytes()), o)
				if err != nil || once.String() != twice.String() {
					t.Errorf("%v\n%s\n---\n%s", err, once.String(), twice.String())
				}
				for _, d := range diagnostics {
					if d.Severity == isc.Error {
						t.Errorf("in what was written: %v", d)
					}
				}
				a, _ := load(t, string(text))
				b, _ := load(t, once.String())
				if o.ISCNames {
					for id := range b.All() {
						if !isc.ISCReadsName(b.Name(id)) {
							t.Errorf("name %q", b.Name(id))
						}
					}
				} else {
					sameHosts(t, b, a)
				}
			}
		})
	}
}

func sameHosts(t *testing.T, got, want *Index) {
	t.Helper()
	if got.Len() != want.Len() || !bytes.Equal(got.ServerDUID(), want.ServerDUID()) {
		t.Errorf("%d hosts, server DUID %x, want %d %x", got.Len(), got.ServerDUID(), want.Len(), want.ServerDUID())
	}
	for id := range want.All() {
		w := want.Host(id)
		g := got.Host(got.FindName(w.Name))
		if n := len(w.Addresses) % 4; n != 0 {
			w.Addresses = w.Addresses[:len(w.Addresses)-n] // not written by ISC either
		}
		if len(w.UID) == 0 {
			w.UID = g.UID
		}
		if !g.Equal(&w) {
			t.Errorf("got %+v\nwant %+v", g, w)
		}
	}
}
