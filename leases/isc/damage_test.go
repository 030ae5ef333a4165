package isc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDamage: 43 ways in which a lease file was damaged, what ISC dhcpd made of it (hosts that it serves with MAC and
// address after the start, read off the recorded notes) and what we make of it. Every file has vm-1, vm-2, vm-3 and,
// where something was cut, vm-4; some go on behind the damage with vm-5 and vm-6.
func TestDamage(t *testing.T) {
	for _, tt := range []struct {
		name       string
		isc, ours  string // numbers of the hosts served
		code       string // of our diagnostic; "" = none
		difference string // why we differ
	}{
		{"s1-missing-semicolon", "1 3", "1 2 3", "missing-semicolon", "the line's end is where it belongs"},
		{"s2-unknown-keyword", "1 2 3", "1 2 3", "", ""},
		{"s3-missing-brace", "1 2", "1 2 3 5", "missing-brace", "a new record ends the old one"},
		{"s4-missing-open-brace", "1 5", "1 2 3 5", "missing-brace", "a statement behind the name stands for the brace"},
		{"s5-garbage-line", "1 3", "1 2 3", "garbage", "garbage ends where a record begins"},
		{"s6-garbage-line-semi", "1 2 3", "1 2 3", "unknown-statement", ""},
		{"s7-binary", "1 3", "1 2 3", "garbage", "garbage ends where a record begins"},
		{"s8-bad-quad", "1 2! 3", "1 3", "bad-address", "ISC serves 256.1.13.184 as 0.1.13.184: a wrong address is worse than none"},
		{"s9-three-quads", "1 3", "1 3", "odd-address", ""},
		{"s10-five-quads", "1 2 3", "1 2 3", "odd-address", ""},
		{"s11-space-after-comma", "1 2 3", "1 2 3", "", ""},
		{"s12-one-line", "1 2 3", "1 2 3", "", ""},
		{"s13-mac-forms", "1 2 3", "1 2 3", "", ""},
		{"s14-fixed-address6", "1 2 3", "1 2 3", "", ""},
		{"s15-fixed-address-v6text", "1 3", "1 2 3", "", "plain IPv6 text cannot be mistaken"},
		{"s16-two-fixed", "1 2 3", "1 2 3", "", ""},
		{"s17-dup-no-deleted", "1 2 3", "1 2 3", "", "the index says that the newer replaces the older"},
		{"s18-dup-mac", "1 2 2b 3", "1 2 2b 3", "", ""},
		{"s19-deleted-unknown", "1 3", "1 3", "", ""},
		{"s20-not-dynamic", "1 2 3", "1 2 3", "", "ISC drops it from the file"},
		{"s21-quoted-name", "1 3", "1 2 3", "", "a quoted name is a name"},
		{"s22-comments", "1 2 3", "1 2 3", "", ""},
		{"s23-crlf", "1 2 3", "1 2 3", "", ""},
		{"s24-bom", "1 2 3", "1 2 3", "byte-order-mark", ""},
		{"s25-no-header", "1 2", "1 2", "", ""},
		{"s26-v4-lease", "1 3", "1 3", "", "ISC drops the lease, we keep it as text"},
		{"s27-big-endian", "1", "1", "", ""},
		{"s28-unknown-group", "1 2 3", "1 2 3", "", ""},
		{"s29-iana-after-cut", "1 2 3", "1 2 3 5", "torn-statement", "a record glued to a cut one is found"},
		{"s30-option-in-host", "1 2 3", "1 2 3", "", ""},
		{"s31-empty", "", "", "", ""},
		{"t1-cut-in-address", "1 2 3", "1 2 3", "torn-statement", "ISC keeps vm-4 without its address"},
		{"t2-cut-in-mac", "1 2 3", "1 2 3", "torn-statement", "ISC keeps vm-4 with three bytes of MAC"},
		{"t3-cut-after-brace", "1 2 3", "1 2 3", "torn-record", ""},
		{"t4-cut-in-name", "1 2 3", "1 2 3", "torn-record", ""},
		{"t5-no-closing-brace", "1 2 3 4", "1 2 3 4", "missing-brace", ""},
		{"t6-cut-after-dynamic", "1 2 3", "1 2 3", "torn-record", "ISC writes vm-4 back empty"},
		{"t7-cut-in-keyword", "1 2 3", "1 2 3", "garbage", ""},
		{"t8-cut-quads", "1 2 3", "1 2 3", "torn-statement", ""},
		{"t9-cut-before-semi", "1 2 3", "1 2 3", "torn-statement", "the last number may have had more digits"},
		{"t10-cut-then-append", "1 2 3", "1 2 3 5 6", "torn-statement", "a record glued to a cut one is found"},
		{"t11-nul-tail", "1 2 3", "1 2 3", "nul-bytes", ""},
		{"t12-nul-then-records", "1 2 6", "1 2 5 6", "nul-bytes", "NULs are passed over"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata", "31-"+tt.name+".in.leases"))
			if err != nil {
				t.Fatal(err)
			}
			s := NewScanner(bytes.NewReader(text), Options{File: "f"})
			if got := served(s); got != tt.ours {
				t.Errorf("served %q, want %q (ISC %q)", got, tt.ours, tt.isc)
			}
			if (tt.isc != tt.ours) && tt.difference == "" {
				t.Error("the row does not say why we differ from ISC")
			}
			diagnostics := s.Diagnostics()
			found := tt.code == "" && len(diagnostics) == 0
			for _, d := range diagnostics {
				found = found || d.Code == tt.code
			}
			if !found {
				t.Errorf("diagnostics %v, want %q", diagnostics, tt.code)
			}
		})
	}
}

// served lists the numbers of the hosts that have a MAC and an IPv6 address after the whole file.
func served(s *Scanner) string {
	var names []string
	for s.Scan() {
		if s.Kind() != KindHost {
			continue
		}
		h := s.Host()
		n := strings.TrimPrefix(h.Name, "vm-")
		for i, old := range names {
			if old == n {
				names = append(names[:i], names[i+1:]...)
				break
			}
		}
		if !h.Deleted && len(h.Hardware) == 6 && len(h.Addresses) >= 16 {
			names = append(names, n)
		}
	}
	return strings.Join(names, " ")
}

// TestLenient: forms of a sound host that other writers produce. All say the same.
func TestLenient(t *testing.T) {
	want := &Host{Name: "vm", Dynamic: true, HardwareType: Ethernet, Hardware: []byte{0x52, 0x54, 0, 0, 0x40, 2},
		Addresses: []byte{0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2}}
	const mac, addr = "hardware ethernet 52:54:00:00:40:02;", "fixed-address 32.1.13.184,0.1.0.0,0.0.0.0,0.0.4.2;"
	record := func(lines ...string) string {
		return "host vm {\n  dynamic;\n  " + strings.Join(lines, "\n  ") + "\n}\n"
	}
	for name, text := range map[string]string{
		"as ISC writes it":        record(mac, addr),
		"order":                   record(addr, mac),
		"one line":                "host vm { dynamic; " + mac + " " + addr + " }",
		"one line, no blanks":     "host vm{dynamic;" + mac + addr + "}",
		"brace on its own line":   "host vm\n{\n dynamic;" + mac + addr + "}",
		"blanks after commas":     record(mac, "fixed-address 32.1.13.184, 0.1.0.0, 0.0.0.0, 0.0.4.2;"),
		"quads on four lines":     record(mac, "fixed-address 32.1.13.184,\n\t0.1.0.0,\n\t0.0.0.0,\n\t0.0.4.2;"),
		"wrapped inside a quad":   record(mac, "fixed-address 32.1.13.\n 184,0.1.0.0,0.0.0.0,0.0.4.2;"),
		"fixed-address6":          record(mac, "fixed-address6 2001:db8:1::402;"),
		"plain text":              record(mac, "fixed-address 2001:DB8:1:0:0:0:0:402;"),
		"upper-case MAC":          record("hardware ethernet 52:54:00:00:40:02;", addr),
		"MAC of one-digit bytes":  record("hardware ethernet 52:54:0:0:40:2;", addr),
		"MAC without colons":      record("hardware ethernet 525400004002;", addr),
		"comment in a statement":  record("hardware ethernet # the NIC\n 52:54:00:00:40:02;", addr),
		"comment with a brace":    record("# } host x {", mac, addr),
		"CRLF":                    strings.ReplaceAll(record(mac, addr), "\n", "\r\n"),
		"empty statements":        record(";", mac, ";;", addr),
		"no line end at the end":  strings.TrimRight(record(mac, addr), "\n"),
		"quoted name":             "host \"vm\" {\n dynamic;" + mac + addr + "}",
		"no semicolon at the end": "host vm { dynamic; " + mac + " fixed-address 32.1.13.184,0.1.0.0,0.0.0.0,0.0.4.2 }",
	} {
		t.Run(name, func(t *testing.T) {
			s := NewScanner(strings.NewReader(text), Options{})
			if !s.Scan() || s.Kind() != KindHost {
				t.Fatalf("no host: %v", s.Diagnostics())
			}
			if got := s.Host().Clone(); !got.Equal(want) || got.Damaged {
				t.Errorf("got %+v", got)
			}
			if s.Scan() {
				t.Errorf("then %d %q", s.Kind(), s.Text())
			}
		})
	}
}

// TestStatements: what is understood of statements, and what is only kept.
func TestStatements(t *testing.T) {
	dns := "20010db8000000000000000000000053"
	for _, tt := range []struct{ text, name, value string }{
		{"supersede dhcp6.name-servers = 20:01:0d:b8:00:00:00:00:00:00:00:00:00:\n                00:00:53;", "dhcp6.name-servers", dns},
		{"supersede dhcp6.name-servers = 20:01:d:b8:0:0:0:0:0:0:0:0:0:0:0:53;", "dhcp6.name-servers", dns},
		{"supersede dhcp6.name-servers = concat (20:01:0d:b8:00:00:00:00:00:00:00\n   :00:00:00:00:53, 20:01:0d:b8:00:00:00:00:00:00:00:00:00:00:00:53\n );", "dhcp6.name-servers", dns + dns},
		{"option dhcp6.name-servers 2001:db8::53;", "dhcp6.name-servers", dns},
		{"option dhcp6.name-servers 2001:db8::53, 2001:db8::53;", "dhcp6.name-servers", dns + dns},
		{"option dhcp6.domain-search \"a.bc\", \"d\";", "dhcp6.domain-search", "0161026263000164" + "00"},
		{"supersede dhcp6.domain-search = 01:61:00;", "dhcp6.domain-search", "016100"},
		{"supersede server.default-lease-time = 00:00:04:b0;", "server.default-lease-time", "000004b0"},
		{"supersede server.default-lease-time = 1200;", "server.default-lease-time", "000004b0"},
		{"supersede dhcp6.preference = 10;", "dhcp6.preference", "10"},
		{"default-lease-time 1200;", "server.default-lease-time", "000004b0"},
		{"option dhcp6.preference 10;", "dhcp6.preference", "0a"},
		{"option dhcp6.bootfile-url \"http://a\";", "dhcp6.bootfile-url", "687474703a2f2f61"},
		{"supersede dhcp6.unknown-200 = 01:02:03;", "dhcp6.unknown-200", "010203"},
		{"option dhcp6.info-refresh-time 600;", "dhcp6.info-refresh-time", "00000258"},
		{"option dhcp-renewal-time 60;", "dhcp-renewal-time", "0000003c"},
		{"supersede routers = 0a:00:00:01;", "routers", "0a000001"},
		{"option dhcp6.unknown-200 1f;", "dhcp6.unknown-200", "1f"},
		// Kept, not understood.
		{"option default-ip-ttl 64;", "default-ip-ttl", ""},
		{"execute (\"/usr/bin/touch\", \"/x\");", "", ""},
		{"append dhcp6.name-servers = 20:01;", "", ""},
		{"supersede host-name = pick-first-value (option host-name, \"x\");", "host-name", ""},
		{"if exists dhcp6.oro { supersede dhcp6.preference = 1; } else { execute (\"x\"); }", "", ""},
		{"option dhcp6.preference 300;", "dhcp6.preference", ""},
		{"option dhcp6.name-servers 8.8.8.8;", "dhcp6.name-servers", ""},
	} {
		text := "host vm {\n  " + tt.text + "\n}\n"
		s := NewScanner(strings.NewReader(text), Options{})
		if !s.Scan() || len(s.Host().Statements) != 1 {
			t.Errorf("%s: %v %v", tt.text, s.Host().Statements, s.Diagnostics())
			continue
		}
		st := s.Host().Statements[0]
		if st.Text != tt.text || st.Name != tt.name || fmt.Sprintf("%x", st.Value) != tt.value {
			t.Errorf("%s: text %q, %s = %x, want %s", tt.text, st.Text, st.Name, st.Value, tt.value)
		}
	}
}

// TestPartial: a record that is still being written is left alone, wherever it was cut, and found when it is whole.
func TestPartial(t *testing.T) {
	first := "host a {\n  dynamic;\n  hardware ethernet 52:54:00:00:40:01;\n  fixed-address 10.0.0.1;\n}\n"
	second := "host b {\n  dynamic;\n  hardware ethernet 52:54:00:00:40:02;\n  fixed-address 10.0.0.2;\n        supersede x = \"}\";\n}\n"
	third := "server-duid \"\\000\\001\";\n\n# comment\nia-na \"x\" {\n  iaaddr ::1 {\n  }\n}\n"
	whole := first + second + third
	for n := range len(whole) + 1 {
		s := NewScanner(strings.NewReader(whole[:n]), Options{Partial: true})
		records := 0
		for s.Scan() {
			records++
		}
		if d := s.Diagnostics(); len(d) > 0 {
			t.Fatalf("cut at %d: %v", n, d)
		}
		tail := s.Tail()
		rest := NewScanner(strings.NewReader(whole[tail.Offset:]), Options{Partial: true, Start: tail})
		for rest.Scan() {
			records++
		}
		if d := rest.Diagnostics(); records != 4 || len(d) > 0 {
			t.Fatalf("cut at %d: %d records, tail %v, %v", n, records, tail, d)
		}
	}
}

// TestDiagnosticsAreBounded: a file of garbage does not fill the memory with complaints.
func TestDiagnosticsAreBounded(t *testing.T) {
	s := NewScanner(strings.NewReader(strings.Repeat("}\n", maxDiagnostics+100)), Options{})
	for s.Scan() {
	}
	d := s.Diagnostics()
	if len(d) != maxDiagnostics+1 || !strings.HasPrefix(d[maxDiagnostics].Found, "100 ") {
		t.Errorf("%d diagnostics, the last %v", len(d), d[len(d)-1])
	}
}
