package server

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/lease6/lease6/server/config"
	"github.com/lease6/lease6/server/wire"
)

const (
	solicitType = dhcpv6.MessageTypeSolicit
	requestType = dhcpv6.MessageTypeRequest
	confirmType = dhcpv6.MessageTypeConfirm
	renewType   = dhcpv6.MessageTypeRenew
	rebindType  = dhcpv6.MessageTypeRebind
	releaseType = dhcpv6.MessageTypeRelease
	declineType = dhcpv6.MessageTypeDecline
	informType  = dhcpv6.MessageTypeInformationRequest
)

func withIAs(m *dhcpv6.Message, options ...dhcpv6.Option) *dhcpv6.Message {
	for _, o := range options {
		m.AddOption(o)
	}
	return m
}

// TestAnswers is the server side of RFC 9915 §18.3 as a table. The client is NIC a (lease 2001:db8:1::a1) on link one
// unless the row says otherwise.
func TestAnswers(t *testing.T) {
	ll := duidLL(macA)
	one := from{ifindex: 1, frame: macA}
	unknown := from{ifindex: 1, frame: stranger}
	const times = "3600/7200"
	for _, tt := range []struct {
		name   string
		packet *dhcpv6.Message
		from   from
		want   string
	}{
		{"solicit", solicit(ll), one, "advertise na1[2001:db8:1::a1 " + times + "]"},
		{"solicit with a hint for another address", message(solicitType, ll, "2001:db8:1::99"), one, "advertise na1[2001:db8:1::a1 " + times + "]"},
		{"solicit, rapid commit", withIAs(solicit(ll), &dhcpv6.OptionGeneric{OptionCode: 14}), one, "reply rapid na1[2001:db8:1::a1 " + times + "]"},
		{"solicit, rapid commit, unknown", withIAs(solicit(ll), &dhcpv6.OptionGeneric{OptionCode: 14}), unknown, "advertise na1[NoAddrsAvail]"},
		{"solicit, unknown", solicit(ll), unknown, "advertise na1[NoAddrsAvail]"},
		{"solicit, unknown, two IAs", withIAs(solicit(ll), iaNA(2)), unknown, "advertise na1[NoAddrsAvail] na2[NoAddrsAvail]"},
		{"solicit, IA_PD beside", withIAs(solicit(ll), &dhcpv6.OptIAPD{IaId: [4]byte{3: 7}}), one, "advertise na1[2001:db8:1::a1 " + times + "] pd7[NoPrefixAvail]"},
		{"solicit, IA_TA beside is ignored", withIAs(solicit(ll), &dhcpv6.OptIATA{IaId: [4]byte{3: 8}}), one, "advertise na1[2001:db8:1::a1 " + times + "]"},
		{"solicit, three IAs: the first", withIAs(solicit(ll), iaNA(2), iaNA(3)), one,
			"advertise na1[2001:db8:1::a1 " + times + "] na2[NoAddrsAvail] na3[NoAddrsAvail]"},
		{"request, two IAs: the one that has it", withIAs(message(requestType, ll), iaNA(2, "2001:db8:1::a1")), one,
			"reply na1[NoAddrsAvail] na2[2001:db8:1::a1 " + times + "]"},
		{"request", message(requestType, ll, "2001:db8:1::a1"), one, "reply na1[2001:db8:1::a1 " + times + "]"},
		{"request for another address on the link", message(requestType, ll, "2001:db8:1::99"), one, "reply na1[2001:db8:1::a1 " + times + "]"},
		{"request for an address of another link", message(requestType, ll, "2001:db8:7::99"), one, "reply na1[NotOnLink]"},
		{"request, unknown", message(requestType, ll, "2001:db8:1::a1"), unknown, "reply na1[NoAddrsAvail]"},
		{"renew", message(renewType, ll, "2001:db8:1::a1"), one, "reply na1[2001:db8:1::a1 " + times + "]"},
		{"renew of another's address", message(renewType, ll, "2001:db8:1::99"), one, "reply na1[2001:db8:1::a1 " + times + ", 2001:db8:1::99 0/0]"},
		{"renew of both", message(renewType, ll, "2001:db8:1::99", "2001:db8:1::a1"), one, "reply na1[2001:db8:1::a1 " + times + ", 2001:db8:1::99 0/0]"},
		{"renew, spare IA with an address", withIAs(message(renewType, ll, "2001:db8:1::a1"), iaNA(2, "2001:db8:1::98")), one,
			"reply na1[2001:db8:1::a1 " + times + "] na2[2001:db8:1::98 0/0, NoAddrsAvail]"},
		{"renew, lease gone", message(renewType, ll, "2001:db8:1::a1"), unknown, "reply na1[NoBinding]"},
		{"rebind", message(rebindType, ll, "2001:db8:1::a1"), one, "reply na1[2001:db8:1::a1 " + times + "]"},
		{"rebind of another's address", message(rebindType, ll, "2001:db8:1::99"), one, "reply na1[2001:db8:1::a1 " + times + ", 2001:db8:1::99 0/0]"},
		{"rebind, unknown, another link's address", message(rebindType, ll, "2001:db8:7::99"), unknown, "reply na1[2001:db8:7::99 0/0, NoBinding]"},
		{"rebind, unknown, one another's and one nobody's", message(rebindType, ll, "2001:db8:1::a1", "2001:db8:1::99"), unknown,
			"reply na1[2001:db8:1::a1 0/0, NoBinding]"},
		{"rebind, lease gone to another", message(rebindType, ll, "2001:db8:1::a1"), unknown, "reply na1[2001:db8:1::a1 0/0, NoBinding]"},
		{"release", message(releaseType, ll, "2001:db8:1::a1"), one, "reply Success"},
		{"release of another's address", message(releaseType, ll, "2001:db8:1::99"), one, "reply Success na1[NoBinding]"},
		{"release, unknown", message(releaseType, ll, "2001:db8:1::a1"), unknown, "reply Success na1[NoBinding]"},
		{"decline", message(declineType, ll, "2001:db8:1::a1"), one, "reply Success"},
		{"decline, unknown", message(declineType, ll, "2001:db8:1::a1"), unknown, "reply Success na1[NoBinding]"},
		{"confirm", message(confirmType, ll, "2001:db8:1::a1"), one, "reply Success"},
		{"confirm, another free address on the link", message(confirmType, ll, "2001:db8:1::99"), one, "reply Success"},
		{"confirm, an address of another link", message(confirmType, ll, "2001:db8:2::99"), one, "reply NotOnLink"},
		{"confirm, one right and one wrong", message(confirmType, ll, "2001:db8:1::a1", "2001:db8:2::99"), one, "reply NotOnLink"},
		{"confirm, a clone asks for its template's address", message(confirmType, ll, "2001:db8:1::a2"), one, "reply NotOnLink"},
		{"confirm, unknown client", message(confirmType, ll, "2001:db8:1::99"), unknown, "reply Success"},
		{"confirm on a catch-all, own address", message(confirmType, ll, "2001:db8:1::a1"), from{ifindex: 9, frame: macA}, "reply Success"},
		{"confirm on a catch-all, another's address", message(confirmType, ll, "2001:db8:1::a2"), from{ifindex: 9, frame: macA}, "reply NotOnLink"},
		{"information-request", message(informType, ll), one, "reply"},
		{"information-request without client id", message(informType, nil), one, "reply"},
		{"information-request, unknown", message(informType, ll), unknown, "reply"},
		{"information-request to us", withIAs(message(informType, ll), &dhcpv6.OptionGeneric{OptionCode: 2, OptionData: serverDUID}), one, "reply"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newScene().reply(t, tt.packet, tt.from)
			if got := describe(m); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if m.TransactionID != tt.packet.TransactionID {
				t.Errorf("transaction %v", m.TransactionID)
			}
			if want := tt.packet.Options.ClientID(); want != nil && !m.Options.ClientID().Equal(want) {
				t.Errorf("client id %v, want %v", m.Options.ClientID(), want)
			}
			if string(m.Options.ServerID().ToBytes()) != string(serverDUID) {
				t.Errorf("server id %v", m.Options.ServerID())
			}
		})
	}
}

// TestNoAnswer is RFC 9915 §16 and whatever else is met with silence.
func TestNoAnswer(t *testing.T) {
	ll := duidLL(macA)
	one := from{ifindex: 1, frame: macA}
	otherServer := &dhcpv6.OptionGeneric{OptionCode: 2, OptionData: []byte{0, 3, 0, 1, 9, 9, 9, 9, 9, 9}}
	without := func(m *dhcpv6.Message, code dhcpv6.OptionCode) *dhcpv6.Message { m.Options.Del(code); return m }
	replaced := func(m *dhcpv6.Message, o dhcpv6.Option) *dhcpv6.Message { m.UpdateOption(o); return m }
	for _, tt := range []struct {
		name   string
		packet dhcpv6.DHCPv6
		from   from
		want   Drop
	}{
		{"§16.2 solicit without client id", solicit(nil), one, DropClientID},
		{"§16.2 solicit with server id", withOption(solicit(ll), otherServer), one, DropServerID},
		{"§16.3 advertise", message(dhcpv6.MessageTypeAdvertise, ll), one, DropType},
		{"§16.4 request without server id", without(message(requestType, ll), 2), one, DropServerID},
		{"§16.4 request to another server", replaced(message(requestType, ll), otherServer), one, DropServerID},
		{"§16.4 request without client id", message(requestType, nil), one, DropClientID},
		{"§16.5 confirm with server id", withOption(message(confirmType, ll, "2001:db8:1::a1"), otherServer), one, DropServerID},
		{"§16.5 confirm without client id", message(confirmType, nil, "2001:db8:1::a1"), one, DropClientID},
		{"§16.6 renew without server id", without(message(renewType, ll), 2), one, DropServerID},
		{"§16.6 renew to another server", replaced(message(renewType, ll), otherServer), one, DropServerID},
		{"§16.6 renew without client id", message(renewType, nil), one, DropClientID},
		{"§16.7 rebind with server id", withOption(message(rebindType, ll), otherServer), one, DropServerID},
		{"§16.7 rebind without client id", message(rebindType, nil), one, DropClientID},
		{"§16.8 decline to another server", replaced(message(declineType, ll), otherServer), one, DropServerID},
		{"§16.8 decline without client id", message(declineType, nil), one, DropClientID},
		{"§16.9 release to another server", replaced(message(releaseType, ll), otherServer), one, DropServerID},
		{"§16.9 release without server id", without(message(releaseType, ll), 2), one, DropServerID},
		{"§16.10 reply", message(dhcpv6.MessageTypeReply, ll), one, DropType},
		{"§16.11 reconfigure", message(dhcpv6.MessageTypeReconfigure, ll), one, DropType},
		{"§16.12 information-request with an IA", withOption(message(informType, ll), iaNA(1)), one, DropIA},
		{"§16.12 information-request to another server", withOption(message(informType, ll), otherServer), one, DropServerID},
		{"a type nobody knows", message(dhcpv6.MessageType(200), ll), one, DropType},
		{"leasequery", message(dhcpv6.MessageTypeLeaseQuery, ll), one, DropType},
		{"client id empty", withOption(solicit(nil), &dhcpv6.OptionGeneric{OptionCode: 1}), one, DropClientID},
		{"client id of 131 bytes", withOption(solicit(nil), &dhcpv6.OptionGeneric{OptionCode: 1, OptionData: make([]byte, 131)}), one, DropClientID},
		{"confirm without addresses", message(confirmType, ll), one, DropNoAnswer},
		{"confirm on a catch-all, an address nobody has", message(confirmType, ll, "2001:db8:77::1"), from{ifindex: 9, frame: macA}, DropNoAnswer},
		{"§18.3.5 rebind of what may be another server's", message(rebindType, ll, "2001:db8:1::99"), from{ifindex: 1, frame: stranger}, DropNoAnswer},
		{"§18.3.5 rebind without addresses, unknown", message(rebindType, ll), from{ifindex: 1, frame: stranger}, DropNoAnswer},
		{"unicast from a client", solicit(ll), from{ifindex: 1, frame: macA, unicast: true}, DropUnicast},
		{"no link", solicit(ll), from{ifindex: 77}, DropLink},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, out := newScene().ask(t, tt.packet.ToBytes(), tt.from)
			if b != nil || out.drop != tt.want {
				t.Errorf("answer %x, drop %q, want %q", b, out.drop, tt.want)
			}
		})
	}
}

func TestUnicastAllowed(t *testing.T) {
	s := newScene()
	s.dynamic.Unicast = true
	m := s.reply(t, message(renewType, duidLL(macA), "2001:db8:1::a1"), from{ifindex: 1, unicast: true})
	if granted(m) != "2001:db8:1::a1" {
		t.Error(describe(m))
	}
}

// TestLeaseSelection: which lease, and which of its addresses, by the link.
func TestLeaseSelection(t *testing.T) {
	for _, tt := range []struct {
		name    string
		mac     string
		ifindex int32
		want    string
	}{
		{"own link", macA, 1, "2001:db8:1::a1"},
		{"another link", macA, 2, ""},
		{"catch-all", macC, 9, "2001:db8:2::a3"},
		{"two leases, link one", "52:54:00:00:00:04", 1, "2001:db8:1::b4"},
		{"two leases, link two", "52:54:00:00:00:04", 2, "2001:db8:2::b4"},
		{"two leases, catch-all: the newest", "52:54:00:00:00:04", 9, "2001:db8:2::b4"},
		{"two leases on one link: the newest", "52:54:00:00:00:05", 1, "2001:db8:1::d5"},
		{"an IPv4 address is not for us", "52:54:00:00:00:06", 9, ""},
		{"several addresses: the one of the link", "52:54:00:00:00:07", 1, "2001:db8:1::7"},
		{"several addresses, catch-all: the first", "52:54:00:00:00:07", 9, "2001:db8:9::7"},
		{"IPv4-mapped is an address like any other", "52:54:00:00:00:08", 9, "10.60.1.254"}, // as net.IP prints it
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newScene().reply(t, solicit(duidUUID()), from{ifindex: tt.ifindex, frame: tt.mac})
			if got := granted(m); got != tt.want {
				t.Errorf("granted %q, want %q", got, tt.want)
			}
		})
	}
}

// TestLinkSelection: where a relayed client is (RFC 9915 §13.1).
func TestLinkSelection(t *testing.T) {
	m := solicit(duidLL("52:54:00:00:00:04")) // has a lease on link one and one on link two
	id := func(s string) dhcpv6.Option { return dhcpv6.OptInterfaceID([]byte(s)) }
	for _, tt := range []struct {
		name   string
		packet dhcpv6.DHCPv6
		from   from
		want   string
	}{
		{"link-address in a prefix", relay(m, "2001:db8:1::1", random), from{}, "2001:db8:1::b4"},
		{"link-address in the other prefix", relay(m, "2001:db8:2::1", random), from{}, "2001:db8:2::b4"},
		{"relay-address outside the prefixes", relay(m, "fd00:77::1", random), from{}, "2001:db8:1::b4"},
		{"unknown link-address: catch-all, the newest", relay(m, "fd00:99::1", random), from{}, "2001:db8:2::b4"},
		{"interface-id wins over link-address", relay(m, "2001:db8:2::1", random, id("port-one")), from{}, "2001:db8:1::b4"},
		{"interface-id that is not configured", relay(m, "2001:db8:1::1", random, id("port-x")), from{}, "2001:db8:1::b4"},
		{"LDRA: link-address of the next relay", relay(relay(m, "::", random), "2001:db8:1::1", random), from{}, "2001:db8:1::b4"},
		{"LDRA on our own link", relay(m, "::", random), from{ifindex: 1}, "2001:db8:1::b4"},
		{"the inner of two link-addresses", relay(relay(m, "2001:db8:1::1", random), "2001:db8:2::1", random), from{ifindex: 2}, "2001:db8:1::b4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := granted(newScene().reply(t, tt.packet, tt.from)); got != tt.want {
				t.Errorf("granted %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("longest prefix wins", func(t *testing.T) {
		s := newScene()
		s.dynamic.Links[0].Prefixes = prefixes("2001:db8:1::/48", "2001:db8:1::/64")
		s.dynamic.Links[1].Prefixes = prefixes("2001:db8:1:8000::/49", "2001:db8:2::/64")
		if got := granted(s.reply(t, relay(m, "2001:db8:1:8000::1", random), from{})); got != "2001:db8:2::b4" {
			t.Errorf("granted %q", got)
		}
	})
	t.Run("without a catch-all an unknown link-address is not answered", func(t *testing.T) {
		s := newScene()
		s.dynamic.Links = s.dynamic.Links[:2]
		if b, out := s.ask(t, relay(m, "fd00:99::1", random).ToBytes(), from{}); b != nil || out.drop != DropLink {
			t.Errorf("answer %x, drop %v", b, out.drop)
		}
	})
}

// TestOptions: only what is asked for goes out, and what belongs into the message.
func TestOptions(t *testing.T) {
	all := []dhcpv6.OptionCode{23, 24, 32, 82, 83, 31}
	for _, tt := range []struct {
		name   string
		packet *dhcpv6.Message
		mac    string
		want   []int // options beside client id, server id, IAs and status
	}{
		{"nothing asked for", solicit(duidUUID()), macA, nil},
		{"DNS asked for", withORO(solicit(duidUUID()), 23), macA, []int{23}},
		{"all asked for: no refresh time in an Advertise", withORO(solicit(duidUUID()), all...), macA, []int{23, 24, 82, 83}},
		{"information-request", withORO(message(informType, duidUUID()), all...), macA, []int{23, 24, 32, 82, 83}},
		{"information-request of a stranger", withORO(message(informType, duidUUID()), all...), stranger, []int{23, 24, 32, 82, 83}},
		{"refused: only the retransmission times", withORO(solicit(duidUUID()), all...), stranger, []int{82, 83}},
		{"refused, nothing asked for", solicit(duidUUID()), stranger, nil},
		{"release", withORO(message(releaseType, duidUUID(), "2001:db8:1::a1"), all...), macA, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newScene().reply(t, tt.packet, from{ifindex: 1, frame: tt.mac})
			got := slices.DeleteFunc(optionCodes(m), func(c int) bool { return slices.Contains([]int{1, 2, 3, 13, 25}, c) })
			if !slices.Equal(got, tt.want) {
				t.Errorf("options %v, want %v", got, tt.want)
			}
		})
	}
}

func TestPreference(t *testing.T) {
	s := newScene()
	s.dynamic.Links[0].Preference = 200
	at := from{ifindex: 1, frame: macA}
	if got := optionCodes(s.reply(t, solicit(duidUUID()), at)); !slices.Contains(got, 7) {
		t.Errorf("advertise has options %v", got)
	}
	if got := optionCodes(s.reply(t, solicit(duidUUID()), from{ifindex: 1, frame: stranger})); slices.Contains(got, 7) {
		t.Errorf("a refusal has options %v", got)
	}
	if got := optionCodes(s.reply(t, message(requestType, duidUUID()), at)); slices.Contains(got, 7) {
		t.Errorf("reply has options %v", got)
	}
}

// TestHostStatements: what the lease file says about a host wins over its link.
func TestHostStatements(t *testing.T) {
	for _, tt := range []struct {
		name, statement string
		want            string // lifetimes and T1/T2
		dns             string
	}{
		{"none", "", "3600/7200 1800/2880", "2001:db8::53"},
		{"name servers as ISC writes them", "supersede dhcp6.name-servers = 20:01:0d:b8:00:00:00:00:00:00:00:00:00:00:00:99;", "3600/7200 1800/2880", "2001:db8::99"},
		{"valid lifetime", "supersede server.default-lease-time = 00:00:04:b0;", "750/1200 375/600", "2001:db8::53"},
		{"infinite", "supersede server.default-lease-time = ff:ff:ff:ff;", "4294967295/4294967295 4294967295/4294967295", "2001:db8::53"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene()
			s.hosts = "a  " + macA + "  2001:db8:1::a1  " + tt.statement
			m := s.reply(t, withORO(solicit(duidUUID()), 23), from{ifindex: 1, frame: macA})
			raw := findIA(t, m.ToBytes())
			if raw != tt.want {
				t.Errorf("lifetimes %s, want %s", raw, tt.want)
			}
			if dns := m.Options.DNS(); len(dns) != 1 || dns[0].String() != tt.dns {
				t.Errorf("DNS %v, want %s", dns, tt.dns)
			}
		})
	}
}

// findIA writes preferred/valid T1/T2 of the first IA_NA, from the bytes: the library rounds infinity.
func findIA(t *testing.T, message []byte) string {
	t.Helper()
	var v wire.View
	if err := v.Parse(message); err != nil {
		t.Fatal(err)
	}
	for rest := v.Options; len(rest) > 0; {
		code, data, tail, _ := wire.NextOption(rest)
		rest = tail
		if code != wire.OptIANA {
			continue
		}
		_, addr, _, _ := wire.NextOption(data[12:])
		return u32(addr[16:]) + "/" + u32(addr[20:]) + " " + u32(data[4:]) + "/" + u32(data[8:])
	}
	t.Fatal("no IA_NA")
	return ""
}

// TestRelayReplies: the answer retraces the way of the question.
func TestRelayReplies(t *testing.T) {
	s := newScene()
	question := relay(relay(solicit(duidUUID()), linkOne, eui(macA), dhcpv6.OptInterfaceID([]byte("inner"))),
		"2001:db8:9::9", "fe80::9", &dhcpv6.OptionGeneric{OptionCode: 135, OptionData: []byte{0, 0}})
	b, out := s.ask(t, question.ToBytes(), from{})
	if b == nil {
		t.Fatal(out.drop)
	}
	d, err := dhcpv6.FromBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	outer := d.(*dhcpv6.RelayMessage)
	inner, ok := outer.Options.RelayMessage().(*dhcpv6.RelayMessage)
	if !ok {
		t.Fatalf("inside the outer relay: %v", outer.Options.RelayMessage())
	}
	shape := func(r *dhcpv6.RelayMessage) string {
		return strings.Join([]string{r.MessageType.String(), string('0' + rune(r.HopCount)), r.LinkAddr.String(), r.PeerAddr.String(), string(r.Options.InterfaceID())}, " ")
	}
	want := []string{"RELAY-REPL 1 2001:db8:9::9 fe80::9 ", "RELAY-REPL 0 " + linkOne + " " + eui(macA) + " inner"}
	if diff := cmp.Diff(want, []string{shape(outer), shape(inner)}); diff != "" {
		t.Error(diff)
	}
	if outer.GetOneOption(135) == nil || inner.GetOneOption(135) != nil {
		t.Error("Relay Source Port goes back to the relay that sent it, and to no other")
	}
}

// TestTrimmed: on an interface options that do not fit a frame are left out, and the address arrives.
func TestTrimmed(t *testing.T) {
	s := newScene()
	s.dynamic.Links[0].Options = append(slices.Clone(s.dynamic.Links[0].Options), config.Option{Code: 200, Data: make([]byte, 1450)})
	p, ix := s.policy(), s.index(t)
	packet := withORO(solicit(duidLL(macA)), 23, 200).ToBytes()
	var v wire.View
	if err := v.Parse(packet); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		limit   int
		trimmed bool
	}{{0, false}, {9000, false}, {1452, true}} {
		in := arrival{size: len(packet), link: p.links[0], mac: mustMAC(macA), hasMAC: true, multicast: true, limit: tt.limit}
		var out outcome
		b := answer(make([]byte, 0, 8192), &v, &in, p, ix, &out)
		m, err := dhcpv6.MessageFromBytes(b)
		if err != nil {
			t.Fatal(err)
		}
		if out.trimmed != tt.trimmed || granted(m) != "2001:db8:1::a1" || len(m.Options.DNS()) != 1 || tt.limit > 0 && len(b) > tt.limit {
			t.Errorf("limit %d: %d bytes, trimmed %v: %s", tt.limit, len(b), out.trimmed, describe(m))
		}
	}
}

func TestReplyPort(t *testing.T) {
	withPort := relay(solicit(duidUUID()), linkOne, random, &dhcpv6.OptionGeneric{OptionCode: 135, OptionData: []byte{0, 0}})
	for _, tt := range []struct {
		name   string
		packet dhcpv6.DHCPv6
		want   uint16
	}{
		{"client", solicit(duidUUID()), 546},
		{"relay", relay(solicit(duidUUID()), linkOne, random), 547},
		{"relay with a port of its own", withPort, 5000},
		{"the option of an inner relay is not for us", relay(withPort, linkOne, random), 547},
	} {
		var v wire.View
		if err := v.Parse(tt.packet.ToBytes()); err != nil {
			t.Fatal(err)
		}
		if got := replyPort(v.Relays(), 5000); got != tt.want {
			t.Errorf("%s: port %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestReplyFitsOrIsNotBegun: the bound holds for the messages that grow most.
func TestReplyFitsOrIsNotBegun(t *testing.T) {
	s := newScene()
	m := message(renewType, duidLL(macA))
	for i := range 150 {
		m.AddOption(iaNA(byte(i), "2001:db8:1::99"))
	}
	packet := relay(m, linkOne, random).ToBytes()
	p, ix := s.policy(), s.index(t)
	for _, who := range []string{macA, stranger} {
		in := arrival{size: len(packet), multicast: true}
		var v wire.View
		if err := v.Parse(relay(m, linkOne, random, option79(who)).ToBytes()); err != nil {
			t.Fatal(err)
		}
		in.size += 12
		var out outcome
		b := answer(make([]byte, 0, 65536), &v, &in, p, ix, &out)
		if b == nil {
			t.Fatal(out.drop)
		}
		// One byte less room than the bound: not begun.
		r := reply{v: &v, p: p, link: out.link}
		bound := r.bound(in.size)
		if len(b) > bound {
			t.Errorf("%s: reply of %d bytes, bound %d", who, len(b), bound)
		}
		if b := answer(make([]byte, 0, bound-1), &v, &in, p, ix, &out); b != nil || out.drop != DropSize {
			t.Errorf("%s: begun without room: drop %v", who, out.drop)
		}
	}
}

func TestAnswerDoesNotAllocate(t *testing.T) {
	s := newScene()
	p, ix := s.policy(), s.index(t)
	buf := make([]byte, 0, 4096)
	oro := func(m *dhcpv6.Message) *dhcpv6.Message { return withORO(m, 23, 24, 32, 82) }
	for name, packet := range map[string]dhcpv6.DHCPv6{
		"solicit":             oro(solicit(duidLL(macA))),
		"renew":               oro(message(renewType, duidLLT(template), "2001:db8:1::99")),
		"information-request": oro(message(informType, duidUUID())),
		"relayed":             relay(relay(oro(solicit(duidUUID())), linkOne, random, option79(macA), dhcpv6.OptInterfaceID([]byte("x"))), "fd00::1", random),
		"unknown":             relay(oro(solicit(duidUUID())), linkOne, random, option79(stranger)),
	} {
		raw := packet.ToBytes()
		w := &worker{}
		in := arrival{size: len(raw), multicast: true, link: p.links[0], mac: mustMAC(macA), hasMAC: true}
		if n := testing.AllocsPerRun(100, func() {
			if err := w.view.Parse(raw); err != nil {
				t.Fatal(err)
			}
			w.out = outcome{}
			b := answer(buf, &w.view, &in, p, ix, &w.out)
			if b == nil {
				t.Fatal(w.out.drop)
			}
			w.account(true, 1)
			w.counters.publish()
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkAnswer(b *testing.B) {
	s := newScene()
	p, ix := s.policy(), s.index(b)
	buf := make([]byte, 0, 4096)
	raw := relay(withORO(solicit(duidUUID()), 23, 24), linkOne, random, option79(macA)).ToBytes()
	in := arrival{size: len(raw), multicast: true}
	var v wire.View
	var out outcome
	b.ReportAllocs()
	for b.Loop() {
		if err := v.Parse(raw); err != nil {
			b.Fatal(err)
		}
		out = outcome{}
		if answer(buf, &v, &in, p, ix, &out) == nil {
			b.Fatal(out.drop)
		}
	}
}

// FuzzAnswer: whatever comes in, what goes out is a reply that the library can read, addressed to the client that
// asked, and gives no address but the one leased to the MAC of the frame.
func FuzzAnswer(f *testing.F) {
	for _, m := range []*dhcpv6.Message{
		solicit(duidLL(macA)), withORO(solicit(duidLLT(template)), 23, 24, 82), message(requestType, duidUUID(), "2001:db8:1::a1"),
		message(renewType, duidEN(), "2001:db8:1::99"), message(rebindType, duidLL(macB), "2001:db8:1::a1"),
		message(confirmType, duidLL(macA), "2001:db8:2::1"), message(releaseType, duidLL(macA), "2001:db8:1::a1"),
		message(declineType, duidLL(macA), "2001:db8:1::a1"), withORO(message(informType, nil), 23, 32),
	} {
		f.Add(m.ToBytes())
		f.Add(relay(m, linkOne, random, option79(macA)).ToBytes())
	}
	s := newScene()
	p, ix := s.policy(), s.index(f)
	leased := netip.MustParseAddr("2001:db8:1::a1").As16()
	f.Fuzz(func(t *testing.T, packet []byte) {
		var v wire.View
		if v.Parse(packet) != nil {
			return
		}
		in := arrival{size: len(packet), multicast: true, link: p.links[0], mac: mustMAC(macA), hasMAC: true}
		var out outcome
		b := answer(make([]byte, 0, 65536), &v, &in, p, ix, &out)
		if b == nil {
			if out.drop == DropNone {
				t.Fatal("no answer and no reason")
			}
			return
		}
		depth := len(v.Relays())
		request := v
		if len(b) > 65535 {
			return
		}
		for range depth {
			b = insideRelayReply(t, b)
		}
		if v.Parse(b) != nil || v.TransactionID != request.TransactionID || string(v.ClientID) != string(request.ClientID) ||
			string(v.ServerID) != string(serverDUID) {
			t.Fatalf("answer %x", b)
		}
		if depth > 0 {
			return
		}
		for ia, rest, ok := wire.NextIA(v.Options); ok; ia, rest, ok = wire.NextIA(rest) {
			for options := ia.Options; len(options) > 0; {
				code, data, tail, ok := wire.NextOption(options)
				if !ok {
					t.Fatalf("answer %x", b)
				}
				options = tail
				if code == wire.OptIAAddr && u32(data[20:]) != "0" && [16]byte(data) != leased {
					t.Fatalf("gave away %x", data)
				}
			}
		}
	})
}

func insideRelayReply(t *testing.T, b []byte) []byte {
	t.Helper()
	for rest := b[34:]; len(rest) > 0; {
		code, data, tail, ok := wire.NextOption(rest)
		if !ok {
			break
		}
		if code == wire.OptRelayMessage {
			return data
		}
		rest = tail
	}
	t.Fatalf("no message in %x", b)
	return nil
}

func TestInterfaceServed(t *testing.T) {
	d := config.Dynamic{
		Interfaces: []string{"bond0.*"},
		Links: []config.Link{
			{Name: "named", Prefixes: prefixes("2001:db8:1::/64"), Interfaces: []string{"eth1"}},
			{Name: "by-address", Prefixes: prefixes("2001:db8:2::/64")},
		},
	}
	addr := netip.MustParseAddr("2001:db8:2::1")
	catchAll := config.Link{Name: "any", Prefixes: prefixes("::/0")}
	for _, tt := range []struct {
		name     string
		iface    Interface
		catchAll bool
		want     string // name of the link; "-" = served by none; "" = not served
	}{
		{"named by a link", Interface{Name: "eth1", Up: true}, false, "named"},
		{"down", Interface{Name: "eth1"}, false, ""},
		{"named by nobody", Interface{Name: "eth7", Up: true}, true, ""},
		{"pattern, link by address", Interface{Name: "bond0.7", Up: true, Addresses: []netip.Addr{addr}}, true, "by-address"},
		{"pattern, catch-all", Interface{Name: "bond0.8", Up: true}, true, "any"},
		{"pattern, no link", Interface{Name: "bond0.8", Up: true}, false, "-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := d
			if tt.catchAll {
				d.Links = append(slices.Clone(d.Links), catchAll)
			}
			tt.iface.Index = 5
			got := ""
			if f := newPolicy(d, serverDUID, []Interface{tt.iface}).ifaces[5]; f != nil {
				got = "-"
				if f.link != nil {
					got = f.link.name
				}
			}
			if got != tt.want {
				t.Errorf("served by %q, want %q", got, tt.want)
			}
		})
	}
}
