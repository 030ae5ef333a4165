package server

import (
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/lease6/lease6/server/config"
)

const (
	macA     = "52:54:00:00:00:01"
	macB     = "52:54:00:00:00:02"
	macC     = "52:54:00:00:00:03"
	template = "52:54:00:ff:ff:ff" // of the template that clones were made from; has no lease
	stranger = "52:54:00:ee:ee:ee"

	linkOne = "2001:db8:1::1" // a relay's link-address
	random  = "fe80::1234:5678:9abc:def0"
)

// eui is the link-local address that a client forms from its MAC.
func eui(m string) string { return eui64(mustMAC(m)).String() }

// TestIdentity is design.md §3 as a table: whose lease is it?
func TestIdentity(t *testing.T) {
	direct := func(m string) from { return from{ifindex: 1, frame: m} }
	for _, tt := range []struct {
		name     string
		packet   dhcpv6.DHCPv6
		from     from
		want     string // granted address; "" = refused
		source   config.Source
		mismatch bool
		bad79    bool
	}{
		{name: "DUID-LL, direct", packet: solicit(duidLL(macA)), from: direct(macA),
			want: "2001:db8:1::a1", source: config.SourceFrame},
		{name: "clone with the template's DUID-LLT, direct", packet: solicit(duidLLT(template)), from: direct(macA),
			want: "2001:db8:1::a1", source: config.SourceFrame, mismatch: true},
		{name: "DUID-UUID, direct", packet: solicit(duidUUID()), from: direct(macA),
			want: "2001:db8:1::a1", source: config.SourceFrame},
		{name: "DUID-EN, direct", packet: solicit(duidEN()), from: direct(macA),
			want: "2001:db8:1::a1", source: config.SourceFrame},
		{name: "second NIC with the first one's DUID, direct", packet: solicit(duidLL(macA)), from: direct(macB),
			want: "2001:db8:1::a2", source: config.SourceFrame, mismatch: true},
		{name: "tenant claims another's MAC, direct", packet: solicit(duidLL(macA)), from: direct(stranger),
			source: 0, mismatch: true},
		{name: "tenant claims another's MAC in its link-local too", packet: solicit(duidLL(macA)),
			from: from{ifindex: 1, frame: stranger, src: eui(macA)}, mismatch: true},
		{name: "option 79 in a client's own message is not believed",
			packet: withOption(solicit(duidLL(stranger)), option79(macA)), from: direct(stranger)},
		{name: "DUID-LL, relayed without option 79", packet: relay(solicit(duidLL(macA)), linkOne, random),
			want: "2001:db8:1::a1", source: config.SourceDUID},
		{name: "clone, relayed, EUI-64 link-local", packet: relay(solicit(duidLLT(template)), linkOne, eui(macA)),
			want: "2001:db8:1::a1", source: config.SourceEUI64},
		{name: "clone, relayed, random link-local: nothing tells", packet: relay(solicit(duidLLT(template)), linkOne, random)},
		{name: "clone, relayed with option 79", packet: relay(solicit(duidLLT(template)), linkOne, random, option79(macA)),
			want: "2001:db8:1::a1", source: config.SourceOption79, mismatch: true},
		{name: "second NIC, first one's DUID, relayed, EUI-64", packet: relay(solicit(duidLL(macA)), linkOne, eui(macB)),
			want: "2001:db8:1::a2", source: config.SourceEUI64},
		{name: "second NIC, first one's DUID, relayed with 79, random", packet: relay(solicit(duidLL(macA)), linkOne, random, option79(macB)),
			want: "2001:db8:1::a2", source: config.SourceOption79, mismatch: true},
		{name: "tenant claims another's MAC, relayed with 79", packet: relay(solicit(duidLL(macA)), linkOne, eui(macA), option79(stranger)),
			mismatch: true},
		{name: "EUI-64 without a lease here: the DUID is tried", packet: relay(solicit(duidLL(macA)), linkOne, eui(stranger)),
			want: "2001:db8:1::a1", source: config.SourceDUID},
		{name: "EUI-64 has a lease on another link only", packet: relay(solicit(duidLL(macA)), linkOne, eui(macC)),
			want: "2001:db8:1::a1", source: config.SourceDUID},
		{name: "option 79 of another hardware type", packet: relay(solicit(duidLL(macA)), linkOne, random,
			&dhcpv6.OptionGeneric{OptionCode: 79, OptionData: append([]byte{0, 6}, mac(macB)...)}),
			want: "2001:db8:1::a1", source: config.SourceDUID, bad79: true},
		{name: "option 79 of wrong length", packet: relay(solicit(duidLL(macA)), linkOne, random,
			&dhcpv6.OptionGeneric{OptionCode: 79, OptionData: append([]byte{0, 1, 9}, mac(macB)...)}),
			want: "2001:db8:1::a1", source: config.SourceDUID, bad79: true},
		{name: "option 79 of the outer relay saw a relay, not the client",
			packet: relay(relay(solicit(duidLL(macA)), linkOne, random), "2001:db8:9::9", "fe80::9", option79(macB)),
			want:   "2001:db8:1::a1", source: config.SourceDUID},
		{name: "option 79 of the inner of two relays",
			packet: relay(relay(solicit(duidUUID()), linkOne, random, option79(macA)), "2001:db8:9::9", "fe80::9"),
			want:   "2001:db8:1::a1", source: config.SourceOption79},
		{name: "DUID-LL of hardware type 6", packet: relay(solicit(&dhcpv6.DUIDLL{HWType: 6, LinkLayerAddr: mac(macA)}), linkOne, random)},
		{name: "the frame of a relayed message is the relay's", packet: relay(solicit(duidUUID()), linkOne, random), from: direct(macA)},
		{name: "not an Ethernet frame: hints are tried", packet: solicit(duidLL(macA)), from: from{ifindex: 1, src: random},
			want: "2001:db8:1::a1", source: config.SourceDUID},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene()
			m := s.reply(t, tt.packet, tt.from)
			_, out := s.ask(t, tt.packet.ToBytes(), tt.from)
			if got := granted(m); got != tt.want {
				t.Errorf("granted %q, want %q: %s", got, tt.want, describe(m))
			}
			if out.source != tt.source || out.mismatch != tt.mismatch || out.badOption79 != tt.bad79 || out.unknown != (tt.want == "") {
				t.Errorf("source %d mismatch %v bad option 79 %v unknown %v, want %d %v %v %v",
					out.source, out.mismatch, out.badOption79, out.unknown, tt.source, tt.mismatch, tt.bad79, tt.want == "")
			}
		})
	}
}

func withOption(m *dhcpv6.Message, o dhcpv6.Option) *dhcpv6.Message {
	m.AddOption(o)
	return m
}

func TestIdentityPolicy(t *testing.T) {
	clone := solicit(duidLL(macA))
	t.Run("on-mismatch drop", func(t *testing.T) {
		s := newScene()
		s.dynamic.Identity.OnMismatch = config.MismatchDrop
		if b, out := s.ask(t, clone.ToBytes(), from{ifindex: 1, frame: macB}); b != nil || out.drop != DropMismatch {
			t.Errorf("answered %x, drop %v", b, out.drop)
		}
		if m := s.reply(t, clone, from{ifindex: 1, frame: macA}); granted(m) != "2001:db8:1::a1" {
			t.Errorf("an honest client: %s", describe(m))
		}
	})
	t.Run("order without frame", func(t *testing.T) {
		s := newScene()
		s.dynamic.Identity.Order = []config.Source{config.SourceDUID}
		if m := s.reply(t, clone, from{ifindex: 1, frame: macB}); granted(m) != "2001:db8:1::a1" {
			t.Errorf("the DUID is all that counts here: %s", describe(m))
		}
	})
	t.Run("hints the other way round", func(t *testing.T) {
		s := newScene()
		s.dynamic.Identity.Order = []config.Source{config.SourceDUID, config.SourceEUI64}
		if m := s.reply(t, relay(clone, linkOne, eui(macB)), from{}); granted(m) != "2001:db8:1::a1" {
			t.Errorf("the DUID comes first here: %s", describe(m))
		}
	})
	t.Run("unknown clients ignored", func(t *testing.T) {
		s := newScene()
		s.dynamic.Unknown = config.UnknownIgnore
		if b, out := s.ask(t, solicit(duidUUID()).ToBytes(), from{ifindex: 1, frame: stranger}); b != nil || out.drop != DropUnknown || !out.unknown {
			t.Errorf("answered %x, drop %v, unknown %v", b, out.drop, out.unknown)
		}
	})
}

// TestNoBindingState: whatever a NIC called itself before, it gets its address at once.
func TestNoBindingState(t *testing.T) {
	s := newScene()
	at := from{ifindex: 1, frame: macA}
	for i := range 200 {
		duid := &dhcpv6.DUIDUUID{UUID: [16]byte{byte(i), 7}}
		m := solicit(duid)
		m.Options.OneIANA().IaId = [4]byte{byte(i), 1, 2, 3}
		if got := granted(s.reply(t, m, at)); got != "2001:db8:1::a1" {
			t.Fatalf("DUID %d: %q", i, got)
		}
	}
	decline := message(dhcpv6.MessageTypeDecline, duidEN(), "2001:db8:1::a1")
	if got := describe(s.reply(t, decline, at)); got != "reply Success" {
		t.Errorf("decline: %s", got)
	}
	if _, out := s.ask(t, decline.ToBytes(), at); !out.declined {
		t.Error("the decline was not counted")
	}
	if got := granted(s.reply(t, solicit(duidLL(macA)), at)); got != "2001:db8:1::a1" {
		t.Errorf("after the decline: %q", got)
	}
}

// TestBelieved: who may speak as a relay. A client that could would be served as anybody.
func TestBelieved(t *testing.T) {
	const uplink, vms = 77, 1 // interfaces: not served, and where clients are
	const genuine, management = "2001:db8:ff::2", "2001:db8:fe::2"
	claim := relay(solicit(duidLL(stranger)), linkOne, random, option79(macA))
	for _, tt := range []struct {
		name   string
		relays []string // server.relays
		packet dhcpv6.DHCPv6
		from   from
		want   bool
	}{
		{"a relay on the uplink", nil, claim, from{ifindex: uplink, src: genuine, unicast: true}, true},
		{"a relay on the uplink, link-local", nil, claim, from{ifindex: uplink, src: "fe80::2", unicast: true}, true},
		{"two relays", nil, relay(claim, "2001:db8:9::9", management), from{ifindex: uplink, src: genuine, unicast: true}, true},
		{"a client on its own link, by multicast", nil, claim, from{ifindex: vms, frame: stranger}, false},
		{"a client on its own link, to the server's address", nil, claim, from{ifindex: vms, src: genuine, unicast: true}, false},
		{"a VM from afar, with the address of its lease", nil, claim, from{ifindex: uplink, src: "2001:db8:1::a2", unicast: true}, false},
		{"a client behind a relay, from its link-local address", nil, relay(claim, linkOne, random), from{ifindex: uplink, src: genuine, unicast: true}, false},
		{"a client behind a relay, from its lease", nil, relay(claim, linkOne, "2001:db8:1::a2"), from{ifindex: uplink, src: genuine, unicast: true}, false},
		{"listed", []string{genuine + "/128"}, claim, from{ifindex: uplink, src: genuine, unicast: true}, true},
		{"listed, by multicast on a client's link", []string{"2001:db8:ff::/64"}, claim, from{ifindex: vms, src: genuine}, true},
		{"not listed", []string{management + "/128"}, claim, from{ifindex: uplink, src: genuine, unicast: true}, false},
		{"listed, but the relay inside is not", []string{genuine + "/128"}, relay(claim, linkOne, random), from{ifindex: uplink, src: genuine, unicast: true}, false},
		{"both listed", []string{genuine + "/128", "fe80::/10"}, relay(claim, "::", random), from{ifindex: uplink, src: genuine, unicast: true}, true},
		{"no relay at all", []string{genuine + "/128"}, solicit(duidLL(macA)), from{ifindex: vms, frame: macA}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene()
			s.dynamic.Relays = prefixes(tt.relays...)
			b, out := s.ask(t, tt.packet.ToBytes(), tt.from)
			if (b != nil) != tt.want || !tt.want && out.drop != DropRelay {
				t.Errorf("answered %v, drop %q", b != nil, out.drop)
			}
		})
	}
}
