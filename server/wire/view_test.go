package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/lease6/lease6/server/wire"
)

var (
	clientMAC  = net.HardwareAddr{0x52, 0x54, 0, 0x12, 0x34, 0x56}
	clientDUID = &dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: clientMAC}
)

// message is a Solicit by the library: an independent writer of what the view reads.
func message(t testing.TB, mods ...dhcpv6.Modifier) *dhcpv6.Message {
	t.Helper()
	m, err := dhcpv6.NewMessage(append([]dhcpv6.Modifier{
		dhcpv6.WithClientID(clientDUID),
		dhcpv6.WithIAID([4]byte{1, 2, 3, 4}),
		dhcpv6.WithRequestedOptions(dhcpv6.OptionDNSRecursiveNameServer, dhcpv6.OptionSolMaxRT),
	}, mods...)...)
	if err != nil {
		t.Fatal(err)
	}
	m.MessageType = dhcpv6.MessageTypeSolicit
	m.TransactionID = dhcpv6.TransactionID{0xaa, 0xbb, 0xcc}
	return m
}

// relayed wraps m depth times; the innermost relay gets opts.
func relayed(t testing.TB, m dhcpv6.DHCPv6, depth int, opts ...dhcpv6.Option) dhcpv6.DHCPv6 {
	t.Helper()
	for i := range depth {
		r, err := dhcpv6.EncapsulateRelay(m, dhcpv6.MessageTypeRelayForward,
			net.ParseIP("2001:db8::1"), net.ParseIP("fe80::5054:ff:fe12:3456"))
		if err != nil {
			t.Fatal(err)
		}
		r.HopCount = uint8(i)
		if i == 0 {
			for _, o := range opts {
				r.Options.Add(o)
			}
		}
		m = r
	}
	return m
}

func TestParseClientMessage(t *testing.T) {
	m := message(t, dhcpv6.WithRapidCommit)
	var v wire.View
	if err := v.Parse(m.ToBytes()); err != nil {
		t.Fatal(err)
	}
	switch {
	case v.Type != wire.Solicit, v.TransactionID != m.TransactionID:
		t.Errorf("header: type %d, transaction %x", v.Type, v.TransactionID)
	case !bytes.Equal(v.ClientID, clientDUID.ToBytes()):
		t.Errorf("client id %x", v.ClientID)
	case v.ServerID != nil:
		t.Errorf("server id %x where there is none", v.ServerID)
	case !v.RapidCommit, v.NumNA != 1, v.NumPD != 0, v.NumTA != 0:
		t.Errorf("rapid commit %v, IAs %d %d %d", v.RapidCommit, v.NumNA, v.NumTA, v.NumPD)
	case !v.Requests(23), !v.Requests(82), v.Requests(24):
		t.Errorf("ORO %x", v.ORO)
	case len(v.Relays()) != 0:
		t.Error("relays where there are none")
	}
}

func TestParseRelays(t *testing.T) {
	opt79 := &dhcpv6.OptionGeneric{OptionCode: 79, OptionData: append([]byte{0, 1}, clientMAC...)}
	for _, depth := range []int{1, 2, 8, 32} {
		m := relayed(t, message(t), depth, dhcpv6.OptInterfaceID([]byte("eth0.7")), opt79)
		var v wire.View
		if err := v.Parse(m.ToBytes()); err != nil {
			t.Fatalf("depth %d: %v", depth, err)
		}
		relays := v.Relays()
		if len(relays) != depth || int(relays[0].HopCount()) != depth-1 {
			t.Fatalf("depth %d: %d relays, outer hop count %d", depth, len(relays), relays[0].HopCount())
		}
		in := &relays[depth-1]
		if string(in.InterfaceID) != "eth0.7" {
			t.Errorf("depth %d: interface-id %q", depth, in.InterfaceID)
		}
		if mac, ok := wire.LinkLayerMAC(in.LinkLayer); !ok || !bytes.Equal(mac[:], clientMAC) {
			t.Errorf("depth %d: option 79 %x %v", depth, mac, ok)
		}
		if got := netip.AddrFrom16(*in.LinkAddress()); got != netip.MustParseAddr("2001:db8::1") {
			t.Errorf("depth %d: link-address %v", depth, got)
		}
		if mac, ok := wire.EUI64MAC(in.PeerAddress()); !ok || !bytes.Equal(mac[:], clientMAC) {
			t.Errorf("depth %d: peer's MAC %x %v", depth, mac, ok)
		}
	}
}

func TestParseErrors(t *testing.T) {
	solicit := message(t).ToBytes()
	header := make([]byte, 34)
	header[0] = wire.RelayForward
	replyInside := wire.AppendOption(bytes.Clone(header), wire.OptRelayMessage, append([]byte{wire.RelayReply}, header[1:]...))
	for _, tt := range []struct {
		name   string
		packet []byte
		want   error
	}{
		{"empty", nil, wire.ErrShort},
		{"three bytes", solicit[:3], wire.ErrShort},
		{"option header cut", solicit[:6], wire.ErrOption},
		{"option cut", solicit[:len(solicit)-1], wire.ErrOption},
		{"relay header cut", header[:33], wire.ErrShort},
		{"relay without message", header, wire.ErrNoRelay},
		{"relay with an option that lies", append(bytes.Clone(header), 0, 9, 0, 9, 1), wire.ErrOption},
		{"relay around nothing", wire.AppendOption(bytes.Clone(header), wire.OptRelayMessage, nil), wire.ErrShort},
		{"relay-reply inside", replyInside, wire.ErrRelayed},
		{"relay-reply", replyInside[38:], wire.ErrRelayed},
		{"33 relays", relayed(t, message(t), 33).ToBytes(), wire.ErrNesting},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var v wire.View
			if err := v.Parse(tt.packet); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

// TestOddOptionsAreNoError holds what the library refuses whole messages for and a server need not read.
func TestOddOptionsAreNoError(t *testing.T) {
	for _, tt := range []struct {
		name string
		code uint16
		data []byte
	}{
		{"FQDN empty", 39, nil},
		{"elapsed time of 3 bytes", 8, []byte{0, 0, 1}},
		{"vendor class short", 16, []byte{0, 0}},
		{"user class cut", 15, []byte{0, 9, 1}},
		{"ORO odd", 6, []byte{0, 23, 0}},
		{"IA_NA short", 3, []byte{1, 2, 3}},
		{"IA_PD short", 25, []byte{1}},
		{"DNS of 15 bytes", 23, make([]byte, 15)},
		{"empty status", 13, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			packet := wire.AppendOption(message(t).ToBytes(), tt.code, tt.data)
			var v wire.View
			if err := v.Parse(packet); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(v.ClientID, clientDUID.ToBytes()) || v.NumNA != 1 {
				t.Errorf("client id %x, %d IA_NA", v.ClientID, v.NumNA)
			}
		})
	}
}

func TestDUIDMAC(t *testing.T) {
	mac := [6]byte(clientMAC)
	duid := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for _, tt := range []struct {
		name string
		duid []byte
		ok   bool
	}{
		{"LL", duid([]byte{0, 3, 0, 1}, mac[:]), true},
		{"LLT", duid([]byte{0, 1, 0, 1, 9, 9, 9, 9}, mac[:]), true},
		{"LL of InfiniBand", duid([]byte{0, 3, 0, 32}, mac[:]), false},
		{"LL of 8 bytes", duid([]byte{0, 3, 0, 1}, mac[:], []byte{1, 2}), false},
		{"LLT cut", duid([]byte{0, 1, 0, 1, 9, 9}, mac[:]), false},
		{"type 0x0103", duid([]byte{1, 3, 0, 1}, mac[:]), false},
		{"type 0x3003, found by fuzzing a prototype", duid([]byte{0x30, 3, 0, 1}, mac[:]), false},
		{"EN", duid([]byte{0, 2, 0, 1}, mac[:]), false},
		{"UUID", duid([]byte{0, 4}, make([]byte, 16)), false},
		{"empty", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := wire.DUIDMAC(tt.duid)
			if ok != tt.ok || ok && got != mac {
				t.Errorf("got %x %v, want %v", got, ok, tt.ok)
			}
		})
	}
}

func TestLinkLayerMAC(t *testing.T) {
	for _, tt := range []struct {
		name string
		data []byte
		ok   bool
	}{
		{"Ethernet", []byte{0, 1, 2, 0, 0, 0, 0, 1}, true},
		{"other type", []byte{0, 6, 2, 0, 0, 0, 0, 1}, false},
		{"type in the high byte", []byte{1, 1, 2, 0, 0, 0, 0, 1}, false},
		{"short", []byte{0, 1, 2, 0, 0, 0, 0}, false},
		{"11 bytes, found by fuzzing a prototype", []byte{0, 1, 2, 0, 0, 0, 0, 1, 0, 0, 0}, false},
		{"empty", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, ok := wire.LinkLayerMAC(tt.data); ok != tt.ok {
				t.Errorf("got %v, want %v", ok, tt.ok)
			}
		})
	}
}

func TestEUI64MAC(t *testing.T) {
	for _, tt := range []struct {
		addr string
		mac  string // "" = none
	}{
		{"fe80::250:56ff:fe00:11", "00:50:56:00:00:11"},
		{"fe80::5054:ff:fe12:3456", "52:54:00:12:34:56"},
		{"fe80::119e:f6ff:fe27:52aa", "13:9e:f6:27:52:aa"},
		{"fe80::1", ""},
		{"fe80:0:0:1:250:56ff:fe00:11", ""},
		{"fec0::250:56ff:fe00:11", ""},
		{"2001:db8::250:56ff:fe00:11", ""},
		{"fe80::250:56ff:ff00:11", ""},
	} {
		a := netip.MustParseAddr(tt.addr).As16()
		mac, ok := wire.EUI64MAC(&a)
		if ok != (tt.mac != "") || ok && net.HardwareAddr(mac[:]).String() != tt.mac {
			t.Errorf("%s: got %x %v, want %q", tt.addr, mac, ok, tt.mac)
		}
	}
}

// TestRelayReply checks the wrapping against the library's reader.
func TestRelayReply(t *testing.T) {
	forward := relayed(t, message(t), 3,
		dhcpv6.OptInterfaceID([]byte("port 7")),
		&dhcpv6.OptionGeneric{OptionCode: 135, OptionData: []byte{0, 0}},
		&dhcpv6.OptionGeneric{OptionCode: 43, OptionData: []byte{0, 37, 0, 9, 0, 18}}, // echo Remote-ID; never the message itself
		&dhcpv6.OptRemoteID{EnterpriseNumber: 42, RemoteID: []byte("rack 1")},
	).ToBytes()
	var v wire.View
	if err := v.Parse(forward); err != nil {
		t.Fatal(err)
	}
	var w wire.RelayWrap
	b := w.Open([]byte("before"), v.Relays())
	b = append(b, wire.Reply, 0xaa, 0xbb, 0xcc)
	b = wire.AppendOption(b, wire.OptClientID, v.ClientID)
	w.Close(b)

	got, err := dhcpv6.FromBytes(b[len("before"):])
	if err != nil {
		t.Fatal(err)
	}
	for hop := 2; hop >= 0; hop-- {
		r, ok := got.(*dhcpv6.RelayMessage)
		if !ok || r.MessageType != dhcpv6.MessageTypeRelayReply || int(r.HopCount) != hop {
			t.Fatalf("hop %d: %v", hop, got)
		}
		if !r.LinkAddr.Equal(net.ParseIP("2001:db8::1")) || !r.PeerAddr.Equal(net.ParseIP("fe80::5054:ff:fe12:3456")) {
			t.Errorf("hop %d: link %v, peer %v", hop, r.LinkAddr, r.PeerAddr)
		}
		if hop == 0 {
			if string(r.Options.InterfaceID()) != "port 7" || r.Options.RemoteID() == nil || r.GetOneOption(135) == nil {
				t.Errorf("innermost relay's options: %v", r.Options)
			}
			if len(r.Options.Options) != 4 {
				t.Errorf("innermost relay has %d options, want interface-id, port, remote-id, message: %v", len(r.Options.Options), r.Options)
			}
		}
		got = r.Options.RelayMessage()
	}
	if m, ok := got.(*dhcpv6.Message); !ok || m.MessageType != dhcpv6.MessageTypeReply {
		t.Errorf("inside: %v", got)
	}
}

// TestAppendersAgainstLibrary reads with the library what the appenders wrote.
func TestAppendersAgainstLibrary(t *testing.T) {
	addr := netip.MustParseAddr("2001:db8::10").As16()
	b := []byte{wire.Advertise, 1, 2, 3}
	b, at := wire.OpenIA(b, wire.OptIANA, [4]byte{1, 2, 3, 4}, 100, 200)
	b = wire.AppendAddr(b, &addr, 300, 400)
	b = wire.AppendStatus(b, wire.StatusSuccess, "fine")
	wire.CloseOption(b, at)
	m, err := dhcpv6.MessageFromBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	ia := m.Options.OneIANA()
	if ia == nil || ia.IaId != [4]byte{1, 2, 3, 4} || ia.T1.Seconds() != 100 || ia.T2.Seconds() != 200 {
		t.Fatalf("IA_NA %v", ia)
	}
	a := ia.Options.OneAddress()
	if a == nil || !a.IPv6Addr.Equal(net.IP(addr[:])) || a.PreferredLifetime.Seconds() != 300 || a.ValidLifetime.Seconds() != 400 {
		t.Errorf("address %v", a)
	}
	if s := ia.Options.Status(); s == nil || s.StatusCode != iana.StatusSuccess || s.StatusMessage != "fine" {
		t.Errorf("status %v", s)
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	packet := relayed(t, message(t), 2, dhcpv6.OptInterfaceID([]byte("x"))).ToBytes()
	var v wire.View
	var w wire.RelayWrap
	out := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() {
		if err := v.Parse(packet); err != nil {
			t.Fatal(err)
		}
		b := w.Open(out, v.Relays())
		b = append(b, v.Type, 0, 0, 0)
		w.Close(b)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestEchoIsBounded: an Echo Request of many codes is not searched for every one of many options.
func TestEchoIsBounded(t *testing.T) {
	var codes []byte
	for i := range 1000 {
		codes = binary.BigEndian.AppendUint16(codes, uint16(1000+i))
	}
	r := wire.Relay{EchoRequest: codes}
	if !r.Echoes(1000) || r.Echoes(1999) {
		t.Error("the first codes count, the last of a thousand does not")
	}
}

func BenchmarkParse(b *testing.B) {
	for _, depth := range []int{0, 1, 2} {
		packet := relayed(b, message(b), depth).ToBytes()
		b.Run([]string{"direct", "relayed", "relayed twice"}[depth], func(b *testing.B) {
			b.ReportAllocs()
			var v wire.View
			for b.Loop() {
				if err := v.Parse(packet); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
