package server

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/server/config"
	"github.com/lease6/lease6/server/wire"
)

var serverDUID = []byte{0, 3, 0, 1, 2, 0, 0, 0, 5, 1}

// sceneLeases is the lease file of most tests: quads as ISC writes them, made from plain addresses.
const sceneLeases = `
a  52:54:00:00:00:01  2001:db8:1::a1
b  52:54:00:00:00:02  2001:db8:1::a2
c  52:54:00:00:00:03  2001:db8:2::a3
two-links-1  52:54:00:00:00:04  2001:db8:1::b4
two-links-2  52:54:00:00:00:04  2001:db8:2::b4
twice-old  52:54:00:00:00:05  2001:db8:1::c5
twice-new  52:54:00:00:00:05  2001:db8:1::d5
v4  52:54:00:00:00:06  10.0.0.6
several  52:54:00:00:00:07  2001:db8:9::7,2001:db8:1::7
mapped  52:54:00:00:00:08  ::ffff:10.60.1.254
`

// leaseFile writes hosts in the syntax of the lease file; a fourth column is a statement.
func leaseFile(table string) string {
	var b strings.Builder
	for line := range strings.Lines(table) {
		f := strings.SplitN(strings.TrimSpace(line), "  ", 4)
		if len(f) < 3 {
			continue
		}
		var quads []string
		for text := range strings.SplitSeq(f[2], ",") {
			a := netip.MustParseAddr(text)
			if a.Is4() {
				quads = append(quads, a.String())
				continue
			}
			for raw := a.AsSlice(); len(raw) > 0; raw = raw[4:] {
				quads = append(quads, fmt.Sprintf("%d.%d.%d.%d", raw[0], raw[1], raw[2], raw[3]))
			}
		}
		fmt.Fprintf(&b, "host %s {\n  dynamic;\n  hardware ethernet %s;\n  fixed-address %s;\n", f[0], f[1], strings.Join(quads, ","))
		if len(f) == 4 {
			fmt.Fprintf(&b, "        %s\n", f[3])
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// scene is everything that answer depends on, with the ways to change it that tests need.
type scene struct {
	dynamic config.Dynamic
	hosts   string
}

func newScene() *scene {
	settings := config.Settings{
		Preferred: 3600 * time.Second, Valid: 7200 * time.Second, T1: 1800 * time.Second, T2: 2880 * time.Second,
		RapidCommit: true,
		Options: []config.Option{
			{Code: 23, Data: netip.MustParseAddr("2001:db8::53").AsSlice()},
			{Code: 24, Data: []byte("\x07example\x03com\x00")},
			{Code: 32, Data: []byte{0, 0, 14, 16}},
			{Code: 82, Data: []byte{0, 0, 14, 16}},
			{Code: 83, Data: []byte{0, 0, 14, 16}},
		},
	}
	return &scene{
		hosts: sceneLeases,
		dynamic: config.Dynamic{
			Identity: config.Identity{
				Order:      []config.Source{config.SourceOption79, config.SourceFrame, config.SourceEUI64, config.SourceDUID},
				OnMismatch: config.MismatchServe,
			},
			Unknown: config.UnknownRefuse,
			Relays:  prefixes("::/0"), // TestBelieved is about that
			Links: []config.Link{
				{Name: "one", Prefixes: prefixes("2001:db8:1::/64"), Interfaces: []string{"eth1"}, Settings: settings,
					RelayAddresses: prefixes("fd00:77::1/128"), InterfaceIDs: [][]byte{[]byte("port-one")}},
				{Name: "two", Prefixes: prefixes("2001:db8:2::/64"), Interfaces: []string{"eth2"}, Settings: settings},
				{Name: "any", Prefixes: prefixes("::/0"), Interfaces: []string{"eth9"}, Settings: settings},
			},
		},
	}
}

func prefixes(text ...string) (all []netip.Prefix) {
	for _, s := range text {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

var sceneInterfaces = []Interface{
	{Index: 1, Name: "eth1", Up: true, Addresses: []netip.Addr{netip.MustParseAddr("fe80::1")}},
	{Index: 2, Name: "eth2", Up: true, Addresses: []netip.Addr{netip.MustParseAddr("fe80::2")}},
	{Index: 9, Name: "eth9", Up: true, Addresses: []netip.Addr{netip.MustParseAddr("fe80::9")}},
}

// from is where a packet comes from.
type from struct {
	ifindex int32
	src     string // "" = fe80::dead:beef, which tells nothing
	frame   string // Ethernet source; "" = not known
	unicast bool
}

func (s *scene) policy() *policy { return newPolicy(s.dynamic, serverDUID, sceneInterfaces) }

func (s *scene) index(t testing.TB) *leases.Index {
	t.Helper()
	ix, diagnostics, err := leases.Load(strings.NewReader(leaseFile(s.hosts)), leases.LoadOptions{File: "scene"})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range diagnostics {
		if strings.Contains(d.Found+d.Done, "error") {
			t.Fatal(d)
		}
	}
	return ix
}

// ask lets the server answer one packet.
func (s *scene) ask(t testing.TB, packet []byte, f from) ([]byte, *outcome) {
	t.Helper()
	p, out := s.policy(), &outcome{}
	in := arrival{size: len(packet), multicast: !f.unicast}
	if i := p.ifaces[f.ifindex]; i != nil {
		in.link = i.link
	}
	in.src = netip.MustParseAddr("fe80::dead:beef").As16()
	if f.src != "" {
		in.src = netip.MustParseAddr(f.src).As16()
	}
	if f.frame != "" {
		in.mac, in.hasMAC = mustMAC(f.frame), true
	}
	var v wire.View
	if err := v.Parse(packet); err != nil {
		t.Fatalf("parse: %v", err)
	}
	return answer(make([]byte, 0, 8192), &v, &in, p, s.index(t), out), out
}

// reply is ask for tests that expect an answer; it returns what the library reads in it, outside its relays.
func (s *scene) reply(t testing.TB, packet dhcpv6.DHCPv6, f from) *dhcpv6.Message {
	t.Helper()
	b, out := s.ask(t, packet.ToBytes(), f)
	if b == nil {
		t.Fatalf("no answer: %v", out.drop)
	}
	d, err := dhcpv6.FromBytes(b)
	if err != nil {
		t.Fatalf("the library cannot read the answer: %v\n%x", err, b)
	}
	m, err := d.GetInnerMessage()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustMAC(s string) [6]byte {
	m, err := net.ParseMAC(s)
	if err != nil {
		panic("scene: " + err.Error())
	}
	return [6]byte(m)
}

func mac(s string) net.HardwareAddr { m := mustMAC(s); return m[:] }

// Clients' DUIDs.
func duidLL(m string) dhcpv6.DUID {
	return &dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: mac(m)}
}
func duidLLT(m string) dhcpv6.DUID {
	return &dhcpv6.DUIDLLT{HWType: iana.HWTypeEthernet, Time: 123456, LinkLayerAddr: mac(m)}
}
func duidUUID() dhcpv6.DUID { return &dhcpv6.DUIDUUID{UUID: [16]byte{1, 2, 3}} }
func duidEN() dhcpv6.DUID {
	return &dhcpv6.DUIDEN{EnterpriseNumber: 43793, EnterpriseIdentifier: []byte{1, 2, 3, 4, 5, 6, 7, 8}}
}

// message makes a client's message with one IA_NA that names addrs.
func message(kind dhcpv6.MessageType, duid dhcpv6.DUID, addrs ...string) *dhcpv6.Message {
	m := &dhcpv6.Message{MessageType: kind, TransactionID: dhcpv6.TransactionID{1, 2, 3}}
	if duid != nil {
		m.AddOption(dhcpv6.OptClientID(duid))
	}
	switch kind {
	case dhcpv6.MessageTypeRequest, dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeDecline:
		m.AddOption(&dhcpv6.OptionGeneric{OptionCode: dhcpv6.OptionServerID, OptionData: serverDUID})
	}
	if kind != dhcpv6.MessageTypeInformationRequest {
		m.AddOption(iaNA(1, addrs...))
	}
	return m
}

func iaNA(iaid byte, addrs ...string) *dhcpv6.OptIANA {
	ia := &dhcpv6.OptIANA{IaId: [4]byte{0, 0, 0, iaid}}
	for _, a := range addrs {
		ia.Options.Add(&dhcpv6.OptIAAddress{IPv6Addr: net.ParseIP(a), PreferredLifetime: time.Hour, ValidLifetime: time.Hour})
	}
	return ia
}

func solicit(duid dhcpv6.DUID) *dhcpv6.Message { return message(dhcpv6.MessageTypeSolicit, duid) }

func withORO(m *dhcpv6.Message, codes ...dhcpv6.OptionCode) *dhcpv6.Message {
	m.AddOption(dhcpv6.OptRequestedOption(codes...))
	return m
}

// relay wraps m in a Relay-forward.
func relay(m dhcpv6.DHCPv6, linkAddr, peer string, opts ...dhcpv6.Option) *dhcpv6.RelayMessage {
	r, err := dhcpv6.EncapsulateRelay(m, dhcpv6.MessageTypeRelayForward, net.ParseIP(linkAddr), net.ParseIP(peer))
	if err != nil {
		panic("scene: " + err.Error())
	}
	for _, o := range opts {
		r.AddOption(o)
	}
	return r
}

func option79(m string) dhcpv6.Option {
	return dhcpv6.OptClientLinkLayerAddress(iana.HWTypeEthernet, mac(m))
}

// describe writes a message's IAs and status as one line: what the tests compare.
func describe(m *dhcpv6.Message) string {
	parts := []string{strings.ToLower(m.MessageType.String())}
	if s := m.Options.Status(); s != nil {
		parts = append(parts, statusName(s))
	}
	for _, o := range m.Options.Options {
		switch o.Code() {
		case dhcpv6.OptionIANA:
			ia := o.(*dhcpv6.OptIANA)
			parts = append(parts, fmt.Sprintf("na%d[%s]", ia.IaId[3], describeIA(ia.Options.Addresses(), ia.Options.Status())))
		case dhcpv6.OptionIAPD:
			ia := o.(*dhcpv6.OptIAPD)
			parts = append(parts, fmt.Sprintf("pd%d[%s]", ia.IaId[3], describeIA(nil, ia.Options.Status())))
		case dhcpv6.OptionRapidCommit:
			parts = append(parts, "rapid")
		}
	}
	return strings.Join(parts, " ")
}

func describeIA(addrs []*dhcpv6.OptIAAddress, status *dhcpv6.OptStatusCode) string {
	var parts []string
	for _, a := range addrs {
		parts = append(parts, fmt.Sprintf("%v %d/%d", a.IPv6Addr, int(a.PreferredLifetime.Seconds()), int(a.ValidLifetime.Seconds())))
	}
	if status != nil {
		parts = append(parts, statusName(status))
	}
	return strings.Join(parts, ", ")
}

func statusName(s *dhcpv6.OptStatusCode) string { return s.StatusCode.String() }

// granted is the address in the first IA_NA that has a positive lifetime; "" if there is none.
func granted(m *dhcpv6.Message) string {
	for _, ia := range m.Options.IANA() {
		for _, a := range ia.Options.Addresses() {
			if a.ValidLifetime > 0 {
				return a.IPv6Addr.String()
			}
		}
	}
	return ""
}

func optionCodes(m *dhcpv6.Message) (codes []int) {
	for _, o := range m.Options.Options {
		codes = append(codes, int(o.Code()))
	}
	slices.Sort(codes)
	return codes
}

// u32 prints four bytes as a number.
func u32(b []byte) string { return fmt.Sprint(binary.BigEndian.Uint32(b)) }
