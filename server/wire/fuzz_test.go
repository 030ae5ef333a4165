package wire_test

import (
	"bytes"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/lease6/lease6/server/wire"
)

// clientTypes are the messages that a client may send (RFC 9915 §7.3).
var clientTypes = map[dhcpv6.MessageType]bool{
	dhcpv6.MessageTypeSolicit: true, dhcpv6.MessageTypeRequest: true, dhcpv6.MessageTypeConfirm: true,
	dhcpv6.MessageTypeRenew: true, dhcpv6.MessageTypeRebind: true, dhcpv6.MessageTypeRelease: true,
	dhcpv6.MessageTypeDecline: true, dhcpv6.MessageTypeInformationRequest: true,
}

// FuzzView holds the view against the library. Whatever the library accepts as a client's message the view accepts,
// and they agree on everything that the server reads. For all other bytes: no panic, and what the view hands out lies
// inside the packet.
func FuzzView(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		var v wire.View
		err := v.Parse(packet)
		if err == nil {
			checkInside(t, packet, &v)
		}
		relays, m := library(packet)
		if m == nil {
			return
		}
		if err != nil {
			t.Fatalf("the library reads %v, the view says %v", m, err)
		}
		compareRelays(t, &v, relays)
		compareMessage(t, &v, m)
	})
}

// library unwraps packet with the library: nil unless it is a client's message in at most MaxRelays Relay-forwards.
func library(packet []byte) (relays []*dhcpv6.RelayMessage, m *dhcpv6.Message) {
	d, err := dhcpv6.FromBytes(packet)
	if err != nil {
		return nil, nil
	}
	for {
		r, ok := d.(*dhcpv6.RelayMessage)
		if !ok {
			break
		}
		if r.MessageType != dhcpv6.MessageTypeRelayForward || len(relays) == wire.MaxRelays {
			return nil, nil
		}
		relays = append(relays, r)
		if d = r.Options.RelayMessage(); d == nil {
			return nil, nil
		}
	}
	m, ok := d.(*dhcpv6.Message)
	if !ok || !clientTypes[m.MessageType] {
		return nil, nil
	}
	return relays, m
}

func compareRelays(t *testing.T, v *wire.View, relays []*dhcpv6.RelayMessage) {
	t.Helper()
	if len(v.Relays()) != len(relays) {
		t.Fatalf("%d relays, library %d", len(v.Relays()), len(relays))
	}
	for i, want := range relays {
		got := &v.Relays()[i]
		if got.HopCount() != want.HopCount || !bytes.Equal(got.LinkAddress()[:], want.LinkAddr.To16()) ||
			!bytes.Equal(got.PeerAddress()[:], want.PeerAddr.To16()) {
			t.Fatalf("relay %d: header %x, library %v", i, got.Header, want)
		}
		if id := want.Options.InterfaceID(); !bytes.Equal(got.InterfaceID, id) {
			t.Fatalf("relay %d: interface-id %x, library %x", i, got.InterfaceID, id)
		}
		// The library hands out addresses of any length; the view takes Ethernet's only, and says so.
		if hw, ll := want.Options.ClientLinkLayerAddress(); hw == iana.HWTypeEthernet && len(ll) == 6 {
			mac, ok := wire.LinkLayerMAC(got.LinkLayer)
			if !ok || !bytes.Equal(mac[:], ll) {
				t.Fatalf("relay %d: option 79 %x %v, library %v", i, mac, ok, ll)
			}
		}
	}
}

func compareMessage(t *testing.T, v *wire.View, m *dhcpv6.Message) {
	t.Helper()
	if v.Type != byte(m.MessageType) || v.TransactionID != m.TransactionID {
		t.Fatalf("type %d transaction %x, library %v", v.Type, v.TransactionID, m)
	}
	compareDUID(t, "client", v.ClientID, m.Options.ClientID())
	compareDUID(t, "server", v.ServerID, m.Options.ServerID())
	if got, want := v.RapidCommit, m.GetOneOption(dhcpv6.OptionRapidCommit) != nil; got != want {
		t.Fatalf("rapid commit %v, library %v", got, want)
	}
	want := m.Options.IANA()
	if v.NumNA != len(want) || v.NumPD != len(m.Options.IAPD()) {
		t.Fatalf("%d IA_NA %d IA_PD, library %d %d", v.NumNA, v.NumPD, len(want), len(m.Options.IAPD()))
	}
	n := 0
	for ia, rest, ok := wire.NextIA(v.Options); ok; ia, rest, ok = wire.NextIA(rest) {
		if ia.Code != wire.OptIANA {
			continue
		}
		if ia.IAID != want[n].IaId {
			t.Fatalf("IA_NA %d: IAID %x, library %x", n, ia.IAID, want[n].IaId)
		}
		compareAddresses(t, ia.Options, want[n].Options.Addresses())
		n++
	}
}

func compareAddresses(t *testing.T, options []byte, want []*dhcpv6.OptIAAddress) {
	t.Helper()
	n := 0
	for a, rest, ok := wire.NextAddr(options); ok; a, rest, ok = wire.NextAddr(rest) {
		if n == len(want) || !bytes.Equal(a[:], want[n].IPv6Addr.To16()) {
			t.Fatalf("address %d: %x, library %v", n, *a, want)
		}
		n++
	}
	if n != len(want) {
		t.Fatalf("%d addresses, library %d", n, len(want))
	}
}

func compareDUID(t *testing.T, whose string, got []byte, want dhcpv6.DUID) {
	t.Helper()
	if want == nil {
		if got != nil {
			t.Fatalf("%s DUID %x, library none", whose, got)
		}
		return
	}
	if !bytes.Equal(got, want.ToBytes()) {
		t.Fatalf("%s DUID %x, library %x", whose, got, want.ToBytes())
	}
	mac, ok := wire.DUIDMAC(got)
	var ll []byte
	switch d := want.(type) {
	case *dhcpv6.DUIDLL:
		if d.HWType == iana.HWTypeEthernet && len(d.LinkLayerAddr) == 6 {
			ll = d.LinkLayerAddr
		}
	case *dhcpv6.DUIDLLT:
		if d.HWType == iana.HWTypeEthernet && len(d.LinkLayerAddr) == 6 {
			ll = d.LinkLayerAddr
		}
	}
	if ok != (ll != nil) || ok && !bytes.Equal(mac[:], ll) {
		t.Fatalf("%s DUID %x: MAC %x %v, library %x", whose, got, mac, ok, ll)
	}
}

// checkInside walks everything that the view offers; slices that left the packet would be caught by the race detector
// or panic here, and a Relay-reply built from it must be readable as far as its depth goes.
func checkInside(t *testing.T, packet []byte, v *wire.View) {
	t.Helper()
	total := 0
	for ia, rest, ok := wire.NextIA(v.Options); ok; ia, rest, ok = wire.NextIA(rest) {
		for a, more, ok := wire.NextAddr(ia.Options); ok; a, more, ok = wire.NextAddr(more) {
			total += len(a[:])
		}
	}
	if total > len(packet) {
		t.Fatalf("%d bytes of addresses in a packet of %d", total, len(packet))
	}
	var w wire.RelayWrap
	b := w.Open(nil, v.Relays())
	b = append(b, wire.Reply, 1, 2, 3)
	w.Close(b)
	if len(b) > len(packet)+4 {
		t.Fatalf("wrapping of %d bytes around a packet of %d: what relays get back is copied more than once", len(b), len(packet))
	}
	if len(b) > 0xffff {
		return
	}
	rest := b
	for range v.Relays() {
		if rest[0] != wire.RelayReply {
			t.Fatalf("type %d where a Relay-reply is due", rest[0])
		}
		options := rest[34:]
		rest = nil
		for len(options) > 0 {
			code, data, tail, ok := wire.NextOption(options)
			if !ok {
				t.Fatal("a length of the Relay-reply lies")
			}
			if code == wire.OptRelayMessage {
				rest = data
			}
			options = tail
		}
	}
	if !bytes.Equal(rest, []byte{wire.Reply, 1, 2, 3}) {
		t.Fatalf("inside the relays: %x", rest)
	}
}

func seeds(t testing.TB) [][]byte {
	solicit := message(t, dhcpv6.WithRapidCommit)
	request := message(t, dhcpv6.WithServerID(&dhcpv6.DUIDUUID{UUID: [16]byte{1}}),
		dhcpv6.WithIANA(dhcpv6.OptIAAddress{IPv6Addr: []byte{0x20, 1, 0xd, 0xb8, 15: 1}}))
	request.MessageType = dhcpv6.MessageTypeRequest
	prefix := message(t, dhcpv6.WithIAPD([4]byte{9}), dhcpv6.WithIATA([4]byte{8}))
	en := message(t, dhcpv6.WithClientID(&dhcpv6.DUIDEN{EnterpriseNumber: 43793, EnterpriseIdentifier: []byte{1, 2, 3, 4, 5, 6, 7, 8}}))
	llt := message(t, dhcpv6.WithClientID(&dhcpv6.DUIDLLT{HWType: iana.HWTypeEthernet, Time: 7, LinkLayerAddr: clientMAC}))
	opt79 := dhcpv6.OptClientLinkLayerAddress(iana.HWTypeEthernet, clientMAC)
	all := [][]byte{solicit.ToBytes(), request.ToBytes(), prefix.ToBytes(), en.ToBytes(), llt.ToBytes()}
	for _, depth := range []int{1, 2, 32} {
		all = append(all, relayed(t, solicit, depth, dhcpv6.OptInterfaceID([]byte("if")), opt79).ToBytes())
	}
	return append(all, relayed(t, request, 1,
		&dhcpv6.OptionGeneric{OptionCode: 43, OptionData: []byte{0, 37, 0, 18}},
		&dhcpv6.OptRemoteID{EnterpriseNumber: 9, RemoteID: []byte("r")},
		&dhcpv6.OptionGeneric{OptionCode: 135, OptionData: []byte{0, 0}}).ToBytes())
}
