package config

import (
	"bytes"
	"cmp"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lease6/lease6/server/config/strict"
)

// TestDomainName: the longest label has 63 bytes, the longest name takes 255 (RFC 1035 §2.3.4).
func TestDomainName(t *testing.T) {
	label := func(n int) string { return strings.Repeat("a", n) }
	name := label(63) + "." + label(63) + "." + label(63) + "." // takes 192 bytes, and the root one more
	for _, tt := range []struct {
		name string
		want string // in wire format; "" if refused
	}{
		{"a", "\x01a\x00"},
		{"example.com", "\x07example\x03com\x00"},
		{"example.com.", "\x07example\x03com\x00"},
		{"Ex-1._udp", "\x04Ex-1\x04_udp\x00"},
		{label(63), "\x3f" + label(63) + "\x00"},
		{label(64), ""},
		{name + label(61), strings.Repeat("\x3f"+label(63), 3) + "\x3d" + label(61) + "\x00"},
		{name + label(62), ""},
		{"", ""}, {".", ""}, {"a..b", ""}, {"a..", ""}, {".a", ""}, {"a b", ""}, {"a\x00", ""}, {"é", ""}, {"-a", ""}, {"a-", ""}, {"-", ""},
	} {
		got, err := domainName(tt.name)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("domainName(%q) = %q, %v; want %q", tt.name, got, err, tt.want)
		}
		if len(got) > 255 {
			t.Errorf("%d bytes", len(got))
		}
	}
}

// TestOptionBounds: the options of a link may take 2048 bytes with their headers, and not one more.
func TestOptionBounds(t *testing.T) {
	text := func(n int) string {
		return "[defaults.options]\ncustom = [{ code = 200, text = '" + strings.Repeat("a", n) + "' }, { code = 201, hex = '' }]"
	}
	cfg := mustParse(t, text(2040))
	if got := cfg.Dynamic.Links[0].Options; len(got) != 2 || len(got[0].Data) != 2040 {
		t.Errorf("options %v", got)
	}
	if _, err := Parse(strings.NewReader(text(2041)), "x"); err == nil {
		t.Error("2049 bytes are accepted")
	}
}

// TestInheritedOptionsAreNotShared: a link that replaces an option must not change it for the next.
func TestInheritedOptionsAreNotShared(t *testing.T) {
	cfg := mustParse(t, `
[defaults.options]
name-servers = ["2001:db8::1"]
[[link]]
name = "a"
prefixes = ["2001:db8:1::/64"]
options.name-servers = ["2001:db8::a"]
[[link]]
name = "b"
prefixes = ["2001:db8:2::/64"]
options.name-servers = []
[[link]]
name = "c"
prefixes = ["2001:db8:3::/64"]
`)
	want := [][]byte{netip.MustParseAddr("2001:db8::a").AsSlice(), nil, netip.MustParseAddr("2001:db8::1").AsSlice()}
	for i, l := range cfg.Dynamic.Links {
		var got []byte
		if len(l.Options) > 0 {
			got = l.Options[0].Data
		}
		if !bytes.Equal(got, want[i]) {
			t.Errorf("link %s: %x, want %x", l.Name, got, want[i])
		}
	}
}

// FuzzParse: no text makes Parse panic; whatever it refuses has a place for each problem, and whatever it accepts holds
// what the server relies on.
func FuzzParse(f *testing.F) {
	f.Add(Reference())
	f.Add(Minimal)
	for _, pattern := range []string{"testdata/*.good.toml", "testdata/*.bad.toml"} {
		for _, file := range files(f, pattern) {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			if len(text) < 8<<10 { // longer ones only slow the fuzzer down
				f.Add(string(text))
			}
		}
	}
	f.Fuzz(parsed)
}

// FuzzLines puts files together from the lines of those we have: two bytes choose a line. Such files are TOML far more
// often than what FuzzParse makes up, with tables in odd orders.
func FuzzLines(f *testing.F) {
	lines := strings.Split(examples(), "\n")
	for _, pattern := range []string{"testdata/*.good.toml", "testdata/*.bad.toml"} {
		for _, file := range files(f, pattern) {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			lines = append(lines, strings.Split(string(text), "\n")...)
		}
	}
	lines = slices.DeleteFunc(lines, func(s string) bool { return s == "" || s[0] == '#' || len(s) > 1000 })
	slices.Sort(lines)
	lines = slices.Compact(lines)
	f.Add([]byte{0, 1, 0, 2, 0, 3})
	f.Fuzz(func(t *testing.T, choice []byte) {
		var b strings.Builder
		for ; len(choice) > 1; choice = choice[2:] {
			b.WriteString(lines[(int(choice[0])<<8|int(choice[1]))%len(lines)])
			b.WriteByte('\n')
		}
		parsed(t, b.String())
	})
}

// parsed holds what must be true of any text.
func parsed(t *testing.T, text string) {
	cfg, err := Parse(strings.NewReader(text), "fuzz")
	if err != nil {
		placed(t, text, err)
		return
	}
	invariants(t, cfg)
	if again := mustParse(t, text); dump(again) != dump(cfg) || RestartNeeded(cfg, again) != nil {
		t.Error("the same text is not read the same twice")
	}
}

// placed holds that every problem has a place within the text.
func placed(t *testing.T, text string, err error) {
	for _, one := range err.(interface{ Unwrap() []error }).Unwrap() {
		var e *strict.Error
		if !errors.As(one, &e) {
			t.Fatalf("%T: %v", one, one)
		}
		lines := strings.Split(text, "\n")
		// The end of the text may be a line of its own, and the end of a line a column.
		if e.Line < 1 || e.Line > len(lines) || e.Column < 1 || e.Column > len(lines[e.Line-1])+1 {
			t.Errorf("no such place: %v", e)
		}
		if strings.ContainsAny(e.Error(), "\n") {
			t.Errorf("more than one line: %q", e.Error())
		}
	}
}

func invariants(t *testing.T, cfg *Config) {
	if len(cfg.Dynamic.Links) == 0 || len(cfg.Dynamic.Identity.Order) == 0 || cfg.Leases.File == "" || cfg.Server.DUIDFile == "" {
		t.Errorf("something is missing: %+v", cfg)
	}
	if n := len(cfg.Server.DUID); n != 0 && (n < 3 || n > 130) {
		t.Errorf("a DUID of %d bytes", n)
	}
	taken := make(map[netip.Prefix]bool)
	for _, l := range cfg.Dynamic.Links {
		if len(l.Prefixes) == 0 || l.Name == "" {
			t.Errorf("link %q has the prefixes %v", l.Name, l.Prefixes)
		}
		for _, p := range slices.Concat(l.Prefixes, l.RelayAddresses) {
			if p != p.Masked() || taken[p] || !p.Addr().Is6() {
				t.Errorf("link %q has the prefix %v", l.Name, p)
			}
			taken[p] = true
		}
		t1, t2, preferred, valid := Seconds(l.T1), Seconds(l.T2), Seconds(l.Preferred), Seconds(l.Valid)
		if t1 > t2 || t2 > preferred || preferred > valid || preferred == 0 {
			t.Errorf("link %q has the times %d, %d, %d, %d", l.Name, t1, t2, preferred, valid)
		}
		sum := 0
		for _, o := range l.Options {
			sum += 4 + len(o.Data)
			if reserved[int(o.Code)] != "" {
				t.Errorf("link %q has option %d", l.Name, o.Code)
			}
		}
		byCode := func(a, b Option) int { return cmp.Compare(a.Code, b.Code) }
		unique := slices.CompactFunc(slices.Clone(l.Options), func(a, b Option) bool { return a.Code == b.Code })
		if sum > mostOptionBytes || !slices.IsSortedFunc(l.Options, byCode) || len(unique) != len(l.Options) {
			t.Errorf("link %q has the options %v", l.Name, l.Options)
		}
	}
}
