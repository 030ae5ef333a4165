package omapi

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lease6/lease6/leases/isc"
	"github.com/lease6/lease6/server/omapi/codec"
)

// step is one request and what must come of it.
type step struct {
	do   func(c *client) codec.Message
	want string // the beginning of the reply
}

// Requests of steps.
func open(kind, flags string, attributes ...any) func(*client) codec.Message {
	return func(c *client) codec.Message { return c.open(kind, flags, attributes...) }
}

func op(o codec.Op, handle uint32, attributes ...any) func(*client) codec.Message {
	return func(c *client) codec.Message {
		return c.ask(&codec.Message{Op: o, Handle: handle, Object: text(attributes...)})
	}
}

const exclusive = "create exclusive"

// hostA is the reply with host a of the tests.
const hostA = "update ip-address=20010db8000100000000000000000001 name=a hardware-address=525400000701 hardware-type=00000001"

var sessionTests = []struct {
	name  string
	hosts []isc.Host
	steps []step
	after string // host a in the end, as AppendHost writes it without its head; "" = not there, "*" = whatever
}{
	{"create and find", nil, []step{
		{open("host", exclusive, "name", "a", "ip-address", addr(1), "hardware-address", mac(1), "hardware-type", 1), hostA},
		{open("host", "", "name", "a"), hostA},
		{open("host", "", "hardware-address", mac(1)), hostA},
		{open("host", "", "hardware-address", mac(1), "hardware-type", 1), hostA},
		{open("host", "", "name", "a", "hardware-address", mac(1)), hostA},
		{open("host", "", "ip-address", addr(1)), hostA},
		{open("host", "", "handle", 1), hostA},
		{op(codec.Refresh, 1), hostA},
		{open("host", "", "name", "A"), `status 23 "no object matches specification"`},
		{open("host", "", "name", "a", "known", 1, "bogus", "x"), hostA},
		{open("host", "", "name", "a", "hardware-address", mac(9)), "status 23"},
		{open("host", "", "hardware-address", mac(1), "hardware-type", 6), "status 23"},
		{open("host", "", "ip-address", addr(9)), "status 23"},
		{open("host", "", "handle", 7), "status 23"},
		{open("host", "", "dhcp-client-identifier", "x"), "status 23"},
		{open("host", ""), "status 23"},
		{open("host", "", "hardware-type", []byte{1}), "status 39"},
	}, "hardware ethernet 52:54:00:00:07:01; fixed-address 32.1.13.184,0.1.0.0,0.0.0.0,0.0.0.1;"},
	{"keys that disagree", []isc.Host{vm("a", 1), vm("b", 2)}, []step{
		{open("host", "", "name", "a", "hardware-address", mac(2)), `status 44 "object lookup failed: the name is that of host \"a\", another key that of \"b\""`},
		{open("host", exclusive, "name", "a", "hardware-address", mac(2)), "status 44"},
		{open("host", "create update", "name", "a", "hardware-address", mac(2)), "status 44"},
	}, "*"},
	{"two hosts of one MAC", []isc.Host{vm("a", 1), {Name: "b", Dynamic: true, HardwareType: 1, Hardware: mac(1), Addresses: addr(2)}}, []step{
		{open("host", "", "name", "a", "hardware-address", mac(1)), hostA},
		{open("host", "", "name", "b", "hardware-address", mac(1)), "update ip-address=20010db8000100000000000000000002 name=b"},
		{open("host", "", "hardware-address", mac(1)), "update ip-address=20010db8000100000000000000000002 name=b"},
		{open("host", exclusive, "name", "c", "hardware-address", mac(1)), `status 44 "the hardware-address is that of host \"b\""`},
	}, "*"},
	{"exclusive create of what is there", []isc.Host{vm("a", 1), vm("b", 2)}, []step{
		{open("host", exclusive, "name", "a", "hardware-address", mac(9)), `status 18 "specified object already exists: host \"a\""`},
		{open("host", exclusive, "name", "c", "hardware-address", mac(1)), `status 44 "the hardware-address is that of host \"a\""`},
		{open("host", exclusive, "name", "a", "hardware-address", mac(1)), "status 18"},
		{open("host", exclusive, "hardware-address", mac(1)), "status 18"},
	}, "*"},
	{"create of what is there changes it", []isc.Host{vm("a", 1)}, []step{
		{open("host", "create", "name", "a", "hardware-address", mac(1), "hardware-type", 1, "ip-address", addr(5)),
			"update ip-address=20010db8000100000000000000000005 name=a"},
		{open("host", "create", "hardware-address", mac(1), "ip-address", addr(6)), "update ip-address=20010db8000100000000000000000006 name=a"},
		{open("host", "create", "name", "a", "hardware-address", mac(9)), "status 18"},
		{open("host", "create update", "name", "a", "hardware-address", mac(9)), "update ip-address=20010db8000100000000000000000006 name=a hardware-address=525400000709"},
	}, "hardware ethernet 52:54:00:00:07:09; fixed-address 32.1.13.184,0.1.0.0,0.0.0.0,0.0.0.6;"},
	{"open with update", []isc.Host{vm("a", 1)}, []step{
		{open("host", "update", "name", "a", "ip-address", addr(5)), "update ip-address=20010db8000100000000000000000005 name=a"},
		{open("host", "update", "name", "b", "ip-address", addr(6)), "status 23"},
		{open("host", "update", "name", "b", "hardware-address", mac(1)), "status 23"},
	}, "hardware ethernet 52:54:00:00:07:01; fixed-address 32.1.13.184,0.1.0.0,0.0.0.0,0.0.0.5;"},
	{"update by handle", []isc.Host{vm("a", 1), vm("b", 2)}, []step{
		{open("host", "", "name", "a"), hostA},
		{op(codec.Update, 1, "ip-address", addr(5)), "status 0"},
		{op(codec.Update, 1, "ip-address", addr(5)), "status 0"},
		{op(codec.Update, 1, "name", "a", "known", 0), "status 0"},
		{op(codec.Update, 1), "status 39"},
		{op(codec.Update, 1, "name", "z"), "status 18"},
		{op(codec.Update, 1, "name", ""), "status 18"},
		{op(codec.Update, 9, "name", "z"), `status 23 "no matching handle"`},
		{op(codec.Update, 1, "hardware-address", mac(2)), `status 44 "the hardware-address is that of host \"b\""`},
		{op(codec.Update, 1, "hardware-address", mac(3)), "status 0"},
		{open("host", "", "hardware-address", mac(1)), "status 23"},
		{op(codec.Update, 1, "hardware-address", ""), "status 39"},
		{op(codec.Update, 1, "dhcp-client-identifier", "id"), "status 0"},
		{op(codec.Update, 1, "hardware-address", ""), "status 0"},
	}, `uid "id"; fixed-address 32.1.13.184,0.1.0.0,0.0.0.0,0.0.0.5;`},
	{"an update that is refused changes nothing", []isc.Host{vm("a", 1)}, []step{
		{open("host", "", "name", "a"), hostA},
		{op(codec.Update, 1, "ip-address", addr(5), "bogus", "x"), `status 69 "hosts have no attribute \"bogus\""`},
		{op(codec.Update, 1, "ip-address", addr(5), "statements", "execute(\"/bin/true\");"), "status 45"},
		{op(codec.Update, 1, "ip-address", addr(5), "group", "nobody"), `status 23 "no group \"nobody\""`},
		{open("host", "", "name", "a"), hostA},
	}, "hardware ethernet 52:54:00:00:07:01; fixed-address 32.1.13.184,0.1.0.0,0.0.0.0,0.0.0.1;"},
	{"addresses", []isc.Host{vm("a", 1)}, []step{
		{open("host", "", "name", "a"), hostA},
		{op(codec.Update, 1, "ip-address", []byte{1}), `status 39 "ip-address of 1 bytes: want 16, or a multiple of 16 for several, or 4"`},
		{op(codec.Update, 1, "ip-address", []byte{1, 2}), "status 39"},
		{op(codec.Update, 1, "ip-address", []byte{1, 2, 3}), "status 39"},
		{op(codec.Update, 1, "ip-address", make([]byte, 8)), "status 39"},
		{op(codec.Update, 1, "ip-address", make([]byte, 17)), "status 39"},
		{op(codec.Update, 1, "ip-address", make([]byte, 16)), `status 39 "ip-address ::: no NIC can have it"`},
		{op(codec.Update, 1, "ip-address", append([]byte{0xff, 2}, make([]byte, 14)...)), "status 39"},
		{op(codec.Update, 1, "ip-address", bytes.Repeat(addr(1), 60)), `status 39 "too large`},
		{op(codec.Update, 1, "ip-address", append(append(addr(1), addr(2)...), make([]byte, 32)...)), "status 0"},
		{open("host", "", "ip-address", addr(2)), "update ip-address=20010db800010000000000000000000120010db80001000000000000000000020000"},
		{op(codec.Update, 1, "ip-address", ""), "status 0"},
		{op(codec.Refresh, 1), "update name=a hardware-address"},
		{op(codec.Update, 1, "ip-address", []byte{10, 0, 0, 5}), "status 0"},
		{op(codec.Refresh, 1), "update ip-address=0a000005 name=a"},
	}, "hardware ethernet 52:54:00:00:07:01; fixed-address 10.0.0.5;"},
	{"hardware", nil, []step{
		{open("host", exclusive, "name", "b"), `status 39 "a host needs a hardware-address or a dhcp-client-identifier"`},
		{open("host", exclusive, "name", "b", "hardware-address", []byte("RT")), "status 39"},
		{open("host", exclusive, "name", "b", "hardware-address", make([]byte, 6)), "status 39"},
		{open("host", exclusive, "name", "b", "hardware-address", make([]byte, 21), "hardware-type", 32), "status 39"},
		{open("host", exclusive, "name", "b", "hardware-address", mac(2), "hardware-type", 256), "status 39"},
		{open("host", exclusive, "name", "b", "hardware-address", bytes.Repeat([]byte{7}, 20), "hardware-type", 32), "update name=b"},
		{open("host", "", "hardware-address", bytes.Repeat([]byte{7}, 20), "hardware-type", 32), "update name=b"},
		{open("host", exclusive, "name", "a", "hardware-address", mac(1)), "update name=a hardware-address=525400000701 hardware-type=00000001"},
	}, "hardware ethernet 52:54:00:00:07:01;"},
	{"client identifiers", nil, []step{
		{open("host", exclusive, "name", "a", "dhcp-client-identifier", []byte{0, 1}, "ip-address", addr(1)),
			"update ip-address=20010db8000100000000000000000001 dhcp-client-identifier=0001 name=a"},
		{open("host", "", "dhcp-client-identifier", []byte{0, 1}), "update ip-address"},
		{open("host", exclusive, "name", "b", "dhcp-client-identifier", []byte{0, 1}), `status 44 "the dhcp-client-identifier is that of host \"a\""`},
		{open("host", exclusive, "name", "b", "hardware-address", mac(2)), "update name=b"},
		{open("host", "update", "name", "b", "dhcp-client-identifier", []byte{0, 2}), "update dhcp-client-identifier=0002 name=b"},
		{op(codec.Update, 2, "dhcp-client-identifier", []byte{0, 1}), "status 44"},
		{op(codec.Update, 2, "dhcp-client-identifier", make([]byte, 256)), "status 39"},
	}, "uid 00:01; fixed-address 32.1.13.184,0.1.0.0,0.0.0.0,0.0.0.1;"},
	{"delete and create again", []isc.Host{vm("a", 1)}, []step{
		{open("host", "", "name", "a"), hostA},
		{op(codec.Delete, 1), "status 0"},
		{op(codec.Delete, 1), `status 23 "no matching handle"`},
		{op(codec.Refresh, 1), "status 23"},
		{op(codec.Update, 1, "ip-address", addr(1)), "status 23"},
		{open("host", exclusive, "name", "a", "hardware-address", mac(9)), "update name=a hardware-address=525400000709"},
		{op(codec.Delete, 2), "status 0"},
		{open("host", exclusive, "name", "b", "hardware-address", mac(1)), "update name=b"},
		{op(codec.Delete, 3), "status 0"},
		{open("host", exclusive, "name", "a", "ip-address", addr(1), "hardware-address", mac(1)), hostA},
	}, "hardware ethernet 52:54:00:00:07:01; fixed-address 32.1.13.184,0.1.0.0,0.0.0.0,0.0.0.1;"},
	{"names", []isc.Host{vm("00:50:56:00:00:17_host", 1)}, []step{
		{open("host", exclusive, "hardware-address", mac(2)), "update name=(invented)"},
		{open("host", exclusive, "name", "00:50:56:00:00:18_host", "hardware-address", mac(3)), "update name=00:50:56:00:00:18_host"},
		{open("host", exclusive, "name", "00:50:56:00:00:18_host", "hardware-address", mac(9)), "status 18"},
		{open("host", "", "name", "00:50:56:00:00:18_host"), "update name=00:50:56:00:00:18_host"},
		{open("host", "", "hardware-address", mac(3)), "update name=00:50:56:00:00:18_host"},
		{op(codec.Update, 2, "ip-address", addr(3), "name", "00:50:56:00:00:18_host"), "status 0"},
		{op(codec.Delete, 2), "status 0"},
		{open("host", exclusive, "name", "00:50:56:00:00:17_host", "hardware-address", mac(9)), "status 18"},
		{open("host", "", "name", "00:50:56:00:00:17_host"), "update ip-address=20010db8000100000000000000000001 name=00:50:56:00:00:17_host"},
		{op(codec.Delete, 3), "status 0"},
		{open("host", exclusive, "name", "a b;\"}\n", "hardware-address", mac(4)), "update name=6120623b227d0a"},
		{open("host", "", "name", "a b;\"}\n"), "update name=6120623b227d0a"},
		{open("host", exclusive, "name", "x--a", "hardware-address", mac(5)), "update name=x--a"},
		{open("host", exclusive, "name", strings.Repeat("n", 900), "hardware-address", mac(6)), `status 39 "too large`},
		{open("host", exclusive, "name", strings.Repeat(":", 520), "hardware-address", mac(6)), `status 39 "too large`},
	}, ""},
	{"groups", nil, []step{
		{open("group", "", "name", "g"), "status 23"},
		{open("group", ""), "status 23"},
		{open("group", exclusive, "name", "g"), "status 39"},
		{open("group", exclusive, "statements", "default-lease-time 700;"), "status 39"},
		{open("group", exclusive, "name", "a b", "statements", "default-lease-time 700;"), "status 39"},
		{open("group", exclusive, "name", "g", "statements", "default-lease-time 700;", "ip-address", addr(1)), "status 69"},
		{open("group", exclusive, "name", "g", "statements", "execute(\"x\");"), "status 45"},
		{open("group", exclusive, "name", "g", "statements", "default-lease-time 700;"), "update name=g"},
		{open("group", exclusive, "name", "g", "statements", "default-lease-time 800;"), "status 18"},
		{open("group", "", "name", "g"), "update name=g"},
		{open("host", exclusive, "name", "a", "hardware-address", mac(1), "group", "g", "statements", "option dhcp6.preference 7;"), "update name=a"},
		{op(codec.Refresh, 1), "update name=g"},
		{op(codec.Update, 1, "statements", "default-lease-time 900;"), "status 0"},
		{op(codec.Update, 1, "name", "h"), "status 18"},
		{op(codec.Delete, 1), "status 0"},
		{op(codec.Delete, 1), "status 23"},
		{open("group", "update", "name", "g", "statements", "default-lease-time 900;"), "status 23"},
		{op(codec.Update, 2, "group", "", "statements", ""), "status 0"},
	}, "hardware ethernet 52:54:00:00:07:01;"},
	{"what is not served", []isc.Host{vm("a", 1)}, []step{
		{open("subnet", "", "name", "x"), `status 27 "no objects of type \"subnet\" here: host and group are served"`},
		{open("lease", "", "ip-address", []byte{10, 0, 0, 1}), "status 23"},
		{open("lease", "create", "ip-address", []byte{10, 0, 0, 1}), "status 27"},
		{open("", "create", "name", "a"), `status 39 "type required on create"`},
		{open("", "", "name", "a"), `status 23 "no matching handle"`},
		{open("authenticator", "", "name", keyName, "algorithm", "hmac-md5.SIG-ALG.REG.INT."), "status 23"},
		{op(codec.Notify, 1), `status 27 "notify not implemented yet"`},
		{func(c *client) codec.Message {
			return c.ask(&codec.Message{Op: codec.Open, Values: text("type", "host", "create", []byte{1}), Object: text("name", "b")})
		}, `status 39 "invalid create flag value"`},
	}, "*"},
}

func TestSessions(t *testing.T) {
	for _, test := range sessionTests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, Options{}, test.hosts...)
			c := f.dial(t)
			for i, s := range test.steps {
				m := s.do(c)
				if got := show(&m); !strings.HasPrefix(got, s.want) {
					t.Fatalf("step %d:\n got %s\nwant %s", i+1, got, s.want)
				}
				if n := len(m.Append(nil, nil)); n > 1024 {
					t.Errorf("step %d: a reply of %d bytes", i+1, n)
				}
			}
			got := ""
			if h, ok := f.host("a"); ok {
				record := string(isc.AppendHost(nil, &h))
				_, record, _ = strings.Cut(record, "dynamic;\n")
				got = strings.Join(strings.Fields(strings.TrimSuffix(record, "}\n")), " ")
			}
			if test.after != "*" && got != test.after {
				t.Errorf("host a in the end:\n got %s\nwant %s", got, test.after)
			}
		})
	}
}

// TestConversationsThatEnd are messages that are answered by closing the connection, as by ISC.
func TestConversationsThatEnd(t *testing.T) {
	f := newFixture(t, Options{}, vm("a", 1))
	for name, m := range map[string]codec.Message{
		"status":             {Op: codec.Status},
		"operation 0":        {},
		"operation 7":        {Op: 7},
		"a reply":            {Op: codec.Open, ReplyTo: 5},
		"a key never opened": {Op: codec.Open, AuthID: 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := f.dial(t)
			_, err := c.conn.Write(m.Append(nil, nil))
			check(t, err)
			if !c.closed() {
				t.Error("the connection is still there")
			}
		})
	}
	if n := f.Counters().Malformed; n != 5 {
		t.Errorf("%d counted, want 5", n)
	}
}

// TestUpdateOfAVanishedHost deletes a host behind the back of a connection that has its handle.
func TestUpdateOfAVanishedHost(t *testing.T) {
	f := newFixture(t, Options{}, vm("a", 1))
	one, other := f.dial(t), f.dial(t)
	one.open("host", "", "name", "a")
	other.open("host", "", "name", "a")
	if m := other.ask(&codec.Message{Op: codec.Delete, Handle: 1}); code(&m) != 0 {
		t.Fatal(show(&m))
	}
	for _, o := range []codec.Op{codec.Update, codec.Refresh, codec.Delete} {
		m := one.ask(&codec.Message{Op: o, Handle: 1, Object: text("ip-address", addr(5))})
		if code(&m) != 23 {
			t.Errorf("%v: %s", o, show(&m))
		}
	}
	if _, ok := f.host("a"); ok {
		t.Error("the host is back")
	}
}

// TestHandlesAreBounded opens more objects than a connection keeps in its hands.
func TestHandlesAreBounded(t *testing.T) {
	h := newHandles()
	key := h.of(reference{kind: keyKind})
	for i := range 3 * maxHandles {
		h.of(reference{hostKind, string(rune(i))})
	}
	if n := len(h.byHandle); n > maxHandles+1 || n != len(h.byObject) {
		t.Errorf("%d handles of %d objects, want at most %d", n, len(h.byObject), maxHandles+1)
	}
	if h.byHandle[key].kind != keyKind || h.byHandle[h.last].kind != hostKind || h.byHandle[2].kind != 0 {
		t.Error("the key is gone, or the newest, or the oldest is there")
	}
}
