package record

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lease6/lease6/leases/isc"
	"github.com/lease6/lease6/server/omapi/codec"
)

func TestStatements(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		// What ISC dhcpd made of the same.
		{"an option", "option dhcp6.name-servers 2001:db8::53;", "supersede dhcp6.name-servers = 20:01:0d:b8:00:00:00:00:00:00:00:00:00:\n                00:00:53;"},
		{"two", "option dhcp6.name-servers 2001:4860:4860::8888,2001:4860:4860::8844;",
			"supersede dhcp6.name-servers = concat (20:01:48:60:48:60:00:00:00:00:00\n" +
				"                                               :00:00:00:88:88, 20:01:48:60:48:\n" +
				"                                               60:00:00:00:00:00:00:00:00:88:44\n                );"},
		{"bytes", "supersede dhcp6.name-servers = 20:01:48:60:48:60:00:00:00:00:00:00:00:00:88:88;",
			"supersede dhcp6.name-servers = 20:01:48:60:48:60:00:00:00:00:00:00:00:\n                00:88:88;"},
		{"domains", `option dhcp6.domain-search "a.example","b.example";`,
			"supersede dhcp6.domain-search = 01:61:07:65:78:61:6d:70:6c:65:00:01:62:\n                07:65:78:61:6d:70:6c:65:00;"},
		{"one domain", `option dhcp6.domain-search "example.com";`, "supersede dhcp6.domain-search = 07:65:78:61:6d:70:6c:65:03:63:6f:6d:00;"},
		{"an option by number", "option dhcp6.unknown-200 01:02:03;", "supersede dhcp6.unknown-200 = 01:02:03;"},
		{"lifetimes", "default-lease-time 1200; max-lease-time 7200;",
			"supersede server.default-lease-time = 00:00:04:b0; supersede server.max-lease-time = 00:00:1c:20;"},
		{"no semicolon", "default-lease-time 100", "supersede server.default-lease-time = 00:00:00:64;"},
		{"comments", "# hello\ndefault-lease-time 100; # x", "supersede server.default-lease-time = 00:00:00:64;"},
		{"IPv4", "option routers 10.0.0.1; option domain-name-servers 8.8.8.8, 8.8.4.4;",
			"supersede routers = 0a:00:00:01; supersede domain-name-servers = concat (08:08:08:08, 08:08:04:04);"},
		{"IPv4 names", `supersede host-name "hn"; default host-name = "x"; supersede domain-name "ex.org";`,
			`supersede host-name = "hn"; default host-name = "x"; supersede domain-name = "ex.org";`},
		{"a number of unknown width", "option default-ip-ttl 64; supersede ip-forwarding true;", "option default-ip-ttl 64; option ip-forwarding true;"},
		{"nothing", " # nothing\n", ""},
		{"concat", "supersede dhcp6.name-servers = concat(20:01:0d:b8:00:00:00:00:00:00:00:00:00:00:00:01);",
			"supersede dhcp6.name-servers = 20:01:0d:b8:00:00:00:00:00:00:00:00:00:\n                00:00:01;"},
		// What ISC stores, and runs or evaluates later, or cannot read back.
		{"execute", `execute("/usr/bin/touch", "/tmp/x");`, "-"},
		{"execute hidden behind an option", `option dhcp6.preference 1; execute("x");`, "-"},
		{"an expression", `supersede dhcp6.domain-search = substring(option dhcp6.client-id, 0, 4);`, "-"},
		{"concat of an expression", `supersede dhcp6.name-servers = concat(option dhcp6.client-id);`, "-"},
		{"if", `if option dhcp6.vendor-class = "x" { default-lease-time 100; }`, "-"},
		{"on", `on commit { execute("x"); }`, "-"},
		{"log", `log(info, "x");`, "-"},
		{"append", "append dhcp6.name-servers = 20:01;", "-"},
		{"an option that nobody knows", "option dhcp6.no-such-option foo;", "-"},
		{"an undefined option", "supersede classless-static-routes = 18:c0:a8:02:0a:3c:0a:01;", "-"},
		{"an expression for IPv4", "supersede host-name = option dhcp-client-identifier;", "-"},
		{"an IPv6 address for IPv4", "option routers 2001:db8::1;", "-"},
		{"a malformed value", "option dhcp6.name-servers 20:01;", "-"},
		{"not an address", "option dhcp6.name-servers 10.0.0.1;", "-"},
		{"the end of the record", "} host evil { dynamic; }", "-"},
		{"another record", "default-lease-time 100;\nhost evil {\n hardware ethernet 1:2:3:4:5:6;\n}", "-"},
		{"a host's own words", "hardware ethernet 52:54:00:00:00:01;", "-"},
		{"deleted", "deleted;", "-"},
		{"an open string", `option dhcp6.bootfile-url "x;`, "-"},
		{"NUL", "default-lease-time 100;\x00", "-"},
		{"two statements in one line without semicolon", "option dhcp6.preference 1\noption dhcp6.preference 2;", "-"},
		{"a word", "hello", "-"},
		{"too long", strings.Repeat(" ", maxStatements+1), "-"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, refused := ParseStatements([]byte(test.text))
			if refused != nil {
				if test.want != "-" || refused.Result != codec.ParseError && refused.Result != codec.InvalidArgument {
					t.Errorf("%v", refused)
				}
				return
			}
			var all []string
			for i := range got {
				all = append(all, got[i].Text)
			}
			if text := strings.Join(all, " "); text != test.want {
				t.Errorf("\n got %s\nwant %s", text, test.want)
			}
			readBack(t, got)
		})
	}
}

// readBack holds that statements mean the same when they come back from the file.
func readBack(t *testing.T, statements []isc.Statement) {
	t.Helper()
	h := isc.Host{Name: "a", Dynamic: true, Statements: statements}
	s := isc.NewScanner(bytes.NewReader(isc.AppendHost(nil, &h)), isc.Options{})
	if !s.Scan() || !s.Host().Equal(&h) || s.Scan() || len(s.Diagnostics()) > 0 {
		t.Fatalf("%+v does not come back", statements)
	}
	for i, st := range s.Host().Statements {
		if want := statements[i]; st.Name != want.Name || want.Value != nil && !bytes.Equal(st.Value, want.Value) {
			t.Errorf("%+v comes back as %+v", statements[i], st)
		}
	}
}

// FuzzStatements holds that whatever is accepted comes back from the lease file as what it was, and is a constant.
func FuzzStatements(f *testing.F) {
	f.Add("option dhcp6.name-servers 2001:db8::53;")
	f.Add(`supersede host-name "x"; default-lease-time 700; option routers 10.0.0.1;`)
	f.Add(`execute("x");`)
	f.Fuzz(func(t *testing.T, text string) {
		statements, refused := ParseStatements([]byte(text))
		if refused != nil {
			return
		}
		readBack(t, statements)
		for _, s := range statements {
			word, _, _ := strings.Cut(s.Text, " ")
			if word != "supersede" && word != "default" && word != "option" || s.Value == nil && strings.ContainsAny(s.Text, "(){}\"") {
				t.Fatalf("%q from %q", s.Text, text)
			}
		}
	})
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"vm1": "vm1", "005056000011_host": "005056000011_host", "a.b-c": "a.b-c", "x": "x", "x-a": "x-a",
		"00:50:56:00:00:18_host": "x--00--50--56--00--00--18_host",
		"a b":                    "x--a-20b", "a-b c": "x--a-2db-20c", "_x": "x--_x", ".": "x--.", "x--a": "x--x-2d-2da", "ü": "x---c3-bc", "": "x--",
	} {
		if got := StoredName(name); got != want || RealName(got) != name {
			t.Errorf("%q is stored as %q, want %q; that is read as %q", name, got, want, RealName(got))
		}
	}
	for _, foreign := range []string{"x--a", "x--a-", "x--a-2", "x--a-zz", "x--a-2DB", "x--vm-61", "x--a- 1"} {
		if got := RealName(foreign); got != foreign {
			t.Errorf("%q, of somebody else's making, is read as %q", foreign, got)
		}
	}
}

// FuzzNames holds that any name can be stored so that ISC reads it, and comes back; and that no two are stored alike.
func FuzzNames(f *testing.F) {
	f.Add("00:50:56:00:00:18_host")
	f.Add("x--a-2db")
	f.Fuzz(func(t *testing.T, name string) {
		stored := StoredName(name)
		if RealName(stored) != name || len(stored) <= 1024 && !isc.ISCReadsName(stored) {
			t.Fatalf("%q is stored as %q, which is %q", name, stored, RealName(stored))
		}
		if real := RealName(name); real != name && StoredName(real) != name {
			t.Fatalf("%q is read as %q, which is stored as %q", name, real, StoredName(real))
		}
	})
}

// TestShorten holds that a host with more than fits is told as far as it fits.
func TestShorten(t *testing.T) {
	h := isc.Host{Name: strings.Repeat("n", 600), HardwareType: 1, Hardware: make([]byte, 6), UID: make([]byte, 255), Addresses: make([]byte, 1600)}
	for range 2 {
		m := codec.Message{Op: codec.Update, Object: Object(&h)}
		if n := len(m.Append(nil, nil)) + 64; n != replySize(&h) {
			t.Errorf("a reply of %d bytes is taken for one of %d", n, replySize(&h))
		}
		Shorten(&h)
	}
	if replySize(&h) > MaxReply || len(h.Addresses) != 16 || h.UID != nil {
		t.Errorf("%d bytes, %d of addresses, %d of identifier", replySize(&h), len(h.Addresses), len(h.UID))
	}
}
