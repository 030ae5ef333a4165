package guest

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/lease6/lease6/server/wire"
)

func TestIdentity(t *testing.T) {
	const n = 1 << 20
	seen := make(map[[6]byte]bool, n)
	ordered := 0
	var last [6]byte
	for i := range n {
		mac := MAC(i)
		if seen[mac] {
			t.Fatalf("client %d: MAC %x is another's", i, mac)
		}
		if a := Address(mac); !Prefix.Contains(addr(a)) || [4]byte(a[12:]) != [4]byte(mac[2:]) {
			t.Fatalf("client %d: address %s", i, addr(a))
		}
		if string(mac[:]) > string(last[:]) {
			ordered++
		}
		seen[mac], last = true, mac
	}
	if ordered < n*4/10 || ordered > n*6/10 {
		t.Errorf("%d of %d MACs are greater than the one before: they are in order", ordered, n)
	}
	local := LinkLocal(MAC(7))
	if mac, ok := wire.EUI64MAC(&local); !ok || mac != MAC(7) {
		t.Errorf("link-local %s", addr(local))
	}
}

// TestTemplates has the library read what clients send.
func TestTemplates(t *testing.T) {
	serverID := []byte{0, 3, 0, 1, 2, 0, 0, 0, 0, 9}
	mac := MAC(3)
	for _, mode := range []Mode{Relayed, Direct} {
		for _, tt := range []struct {
			name     string
			kind     byte
			rapid    bool
			serverID []byte
			ias      int
			asks     int // for addresses
		}{
			{"solicit", wire.Solicit, false, nil, 1, 0},
			{"rapid", wire.Solicit, true, nil, 1, 0},
			{"request", wire.Request, false, serverID, 1, 1},
			{"renew", wire.Renew, false, serverID, 1, 1},
			{"information", wire.InformationRequest, false, nil, 0, 0},
		} {
			t.Run(mode.String()+"/"+tt.name, func(t *testing.T) {
				b := make([]byte, 2048)
				template := NewTemplate(mode, tt.kind, tt.rapid, tt.serverID)
				b = b[:template.Write(b, mac, 0xabcdef, 300)]
				m := library(t, mode, b, mac)
				if byte(m.MessageType) != tt.kind || m.TransactionID != [3]byte{0xab, 0xcd, 0xef} {
					t.Errorf("%s", m.Summary())
				}
				if want := append([]byte{0, 3, 0, 1}, mac[:]...); string(m.Options.ClientID().ToBytes()) != string(want) {
					t.Errorf("DUID %x, want %x", m.Options.ClientID().ToBytes(), want)
				}
				if id := m.Options.ServerID(); (id == nil) != (tt.serverID == nil) {
					t.Errorf("server DUID %v", id)
				}
				if got := m.GetOneOption(dhcpv6.OptionRapidCommit) != nil; got != tt.rapid {
					t.Errorf("rapid commit: %v", got)
				}
				if e := m.GetOneOption(dhcpv6.OptionElapsedTime); e == nil || binary.BigEndian.Uint16(e.ToBytes()) != 300 {
					t.Errorf("elapsed time %v", e)
				}
				if len(m.Options.IANA()) != tt.ias {
					t.Fatalf("%d IAs", len(m.Options.IANA()))
				}
				if tt.ias == 0 {
					return
				}
				ia := m.Options.IANA()[0]
				want := Address(mac)
				if got := ia.Options.Addresses(); ia.IaId != [4]byte(mac[2:]) || len(got) != tt.asks || tt.asks == 1 && !got[0].IPv6Addr.Equal(want[:]) {
					t.Errorf("%s", ia)
				}
			})
		}
	}
}

// library takes what wraps a client's message off.
func library(t *testing.T, mode Mode, b []byte, mac [6]byte) *dhcpv6.Message {
	t.Helper()
	local := LinkLocal(mac)
	if mode == Direct {
		ip := b[EthernetHeader:]
		if [6]byte(b[6:]) != mac || [16]byte(ip[8:]) != local || !checksumRight(ip) {
			t.Errorf("frame %x", b[:frameHeader])
		}
		b = ip[IPv6Header+udpHeader:]
	}
	d, err := dhcpv6.FromBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	if mode == Relayed {
		r, ok := d.(*dhcpv6.RelayMessage)
		if !ok {
			t.Fatalf("no relay message: %s", d.Summary())
		}
		link := LinkAddress.As16()
		kind, address := r.Options.ClientLinkLayerAddress()
		if kind != 1 || address.String() != net.HardwareAddr(mac[:]).String() || !r.PeerAddr.Equal(local[:]) || !r.LinkAddr.Equal(link[:]) {
			t.Errorf("relay %s", r.Summary())
		}
	}
	m, err := d.GetInnerMessage()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// reply builds what a server says, with what edit makes of it.
func reply(mac [6]byte, edit func(*parts)) []byte {
	local, link := LinkLocal(mac), LinkAddress.As16()
	p := &parts{
		kind: wire.Reply, peer: local, client: append([]byte{0, 3, 0, 1}, mac[:]...), server: []byte{0, 3, 0, 1, 2, 0, 0, 0, 0, 9},
		iaid: [4]byte(mac[2:]), addresses: [][16]byte{Address(mac)}, valid: 7200, ias: 1,
	}
	edit(p)
	b := append([]byte{wire.RelayReply, 0}, link[:]...)
	b = append(b, p.peer[:]...)
	b, at := wire.OpenOption(b, wire.OptRelayMessage)
	b = append(b, p.kind, 0, 0, 5)
	if p.client != nil {
		b = wire.AppendOption(b, wire.OptClientID, p.client)
	}
	b = wire.AppendOption(b, wire.OptServerID, p.server)
	for range p.ias {
		var ia int
		b, ia = wire.OpenIA(b, wire.OptIANA, p.iaid, 0, 0)
		for i := range p.addresses {
			b = wire.AppendAddr(b, &p.addresses[i], p.valid, p.valid)
		}
		if p.iaStatus != 0 {
			b = wire.AppendStatus(b, p.iaStatus, "no")
		}
		wire.CloseOption(b, ia)
	}
	if p.status != 0 {
		b = wire.AppendStatus(b, p.status, "no")
	}
	b = append(b, p.more...)
	wire.CloseOption(b, at)
	return b
}

type parts struct {
	kind             byte
	peer             [16]byte
	client, server   []byte
	iaid             [4]byte
	addresses        [][16]byte
	valid            uint32
	ias              int
	iaStatus, status uint16
	more             []byte
}

func TestCheck(t *testing.T) {
	mac, other := MAC(1), MAC(2)
	for _, tt := range []struct {
		name string
		edit func(*parts)
		want Fault
	}{
		{"right", func(*parts) {}, OK},
		{"success in words", func(p *parts) { p.more = wire.AppendStatus(nil, wire.StatusSuccess, "fine") }, OK},
		{"for another client", func(p *parts) { p.peer = LinkLocal(other) }, WrongPath},
		{"advertise for reply", func(p *parts) { p.kind = wire.Advertise }, WrongType},
		{"another DUID", func(p *parts) { p.client = append([]byte{0, 3, 0, 1}, other[:]...) }, WrongClientID},
		{"no DUID", func(p *parts) { p.client = nil }, WrongClientID},
		{"another server", func(p *parts) { p.server = []byte{0, 3, 0, 1, 2, 0, 0, 0, 0, 8} }, WrongServerID},
		{"another address", func(p *parts) { p.addresses[0] = Address(other) }, WrongAddress},
		{"two addresses", func(p *parts) { p.addresses = append(p.addresses, Address(mac)) }, WrongAddress},
		{"no address", func(p *parts) { p.addresses = nil }, NoAddress},
		{"no IA", func(p *parts) { p.ias = 0 }, NoAddress},
		{"two IAs", func(p *parts) { p.ias = 2 }, WrongAddress},
		{"another IAID", func(p *parts) { p.iaid[0]++ }, WrongAddress},
		{"no lifetime", func(p *parts) { p.valid = 0 }, WrongAddress},
		{"refused in the IA", func(p *parts) { p.addresses, p.iaStatus = nil, wire.StatusNoAddrsAvail }, Refused},
		{"refused", func(p *parts) { p.status = wire.StatusUnspecFail }, Refused},
		{"option longer than message", func(p *parts) { p.more = []byte{0, 99, 0, 9} }, Malformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, ok := OpenRelayed(reply(mac, tt.edit))
			if !ok || a.XID() != 5 {
				t.Fatalf("open: %v, transaction id %d", ok, a.XID())
			}
			serverID := []byte{0, 3, 0, 1, 2, 0, 0, 0, 0, 9}
			if got := a.Check(wire.Reply, mac, true, &serverID); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// TestOpen: whatever arrives, the generator goes on.
func TestOpen(t *testing.T) {
	good := reply(MAC(1), func(*parts) {})
	frame := make([]byte, 2048)
	frame = frame[:NewTemplate(Direct, wire.Solicit, false, nil).Write(frame, MAC(1), 5, 0)]
	for n := range len(good) {
		if _, ok := OpenRelayed(good[:n]); ok {
			t.Errorf("%d of %d bytes of a Relay-reply are taken for one", n, len(good))
		}
	}
	for n := range len(frame) {
		if _, ok := OpenFrame(frame[:n]); ok {
			t.Errorf("%d of %d bytes of a frame are taken for one", n, len(frame))
		}
	}
	a, ok := OpenFrame(frame)
	if !ok || !a.checksum {
		t.Fatalf("a frame of our own: %v, checksum %v", ok, a.checksum)
	}
	frame[len(frame)-1]++
	if a, _ := OpenFrame(frame); a.checksum {
		t.Error("a frame that was changed has a right checksum")
	}
}

// TestAdvertise answers for clients only.
func TestAdvertise(t *testing.T) {
	mac := MAC(9)
	ask := func(target [16]byte) []byte {
		b := make([]byte, solicitationSize)
		copy(b, []byte{0x33, 0x33, 0xff, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x86, 0xdd})
		ip := b[EthernetHeader:]
		ip[0], ip[5], ip[6], ip[7] = 6<<4, 24, ICMPv6, 255
		from := LinkLocal([6]byte{2, 0, 0, 0, 0, 1})
		copy(ip[8:], from[:])
		ip[IPv6Header] = NeighbourSolicitation
		copy(ip[IPv6Header+8:], target[:])
		return b
	}
	out := make([]byte, 256)
	n := Advertise(out, ask(LinkLocal(mac)))
	if n != advertisementSize {
		t.Fatalf("%d bytes, want %d", n, advertisementSize)
	}
	ip := out[EthernetHeader:n]
	if [6]byte(out[6:]) != mac || [6]byte(out) != [6]byte{2, 0, 0, 0, 0, 1} || [6]byte(ip[IPv6Header+26:]) != mac {
		t.Errorf("frame %x", out[:n])
	}
	if sum := fold(add(pseudo(ip, ICMPv6), ip[IPv6Header:])); sum != 0xffff {
		t.Errorf("checksum adds up to %#x", sum)
	}
	for name, b := range map[string][]byte{"somebody else": ask(LinkLocal([6]byte{2, 0, 0, 0, 0, 1})), "short": ask(LinkLocal(mac))[:60]} {
		if n := Advertise(out, b); n != 0 {
			t.Errorf("%s: answered with %d bytes", name, n)
		}
	}
}

func TestParseMode(t *testing.T) {
	for _, m := range []Mode{Relayed, Direct} {
		if got, err := ParseMode(m.String()); got != m || err != nil {
			t.Errorf("%s: %v, %v", m, got, err)
		}
	}
	if _, err := ParseMode("both"); err == nil {
		t.Error("both is a mode")
	}
}

// TestAllocations: neither to write a message nor to check an answer allocates.
func TestAllocations(t *testing.T) {
	mac := MAC(1)
	good := reply(mac, func(*parts) {})
	serverID := []byte{0, 3, 0, 1, 2, 0, 0, 0, 0, 9}
	for _, mode := range []Mode{Relayed, Direct} {
		template, b := NewTemplate(mode, wire.Solicit, false, nil), make([]byte, 2048)
		if n := testing.AllocsPerRun(100, func() { template.Write(b, mac, 1, 0) }); n != 0 {
			t.Errorf("%s: %v allocations to write", mode, n)
		}
	}
	fault := OK
	n := testing.AllocsPerRun(100, func() {
		a, _ := OpenRelayed(good)
		fault = a.Check(wire.Reply, mac, true, &serverID)
	})
	if n != 0 || fault != OK {
		t.Errorf("%v allocations to check, %s", n, fmt.Sprint(fault))
	}
}

func addr(a [16]byte) netip.Addr { return netip.AddrFrom16(a) }
