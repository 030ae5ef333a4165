package guest

import (
	"encoding/binary"
	"math/bits"

	"github.com/lease6/lease6/server/wire"
)

// Sizes of headers and numbers of protocols, for filters.
const (
	EthernetHeader = 14
	IPv6Header     = 40

	UDP    = 17
	ICMPv6 = 58
)

const (
	udpHeader   = 8
	frameHeader = EthernetHeader + IPv6Header + udpHeader
	relayHeader = 34 // RFC 9915 §9
	relayPeer   = 18
)

// Template is a message of any client, complete but for what is the client's own.
type Template struct {
	bytes []byte
	// Where the client's own parts go; 0 if there is none.
	ethernet, source, peer, linkLayer, xid, duid, iaid, elapsed, address, checksum int
}

// NewTemplate lays a message out, as the mode sends it. serverID is nil in messages to any server.
func NewTemplate(mode Mode, kind byte, rapid bool, serverID []byte) *Template {
	t := &Template{}
	var b []byte
	var relayMessage int
	if mode == Direct {
		b = t.frame()
	} else {
		b, relayMessage = t.relay()
	}
	t.xid = len(b) + 1
	b = append(b, kind, 0, 0, 0)
	b = wire.AppendOption(b, wire.OptClientID, []byte{0, 3, 0, 1, 0, 0, 0, 0, 0, 0}) // DUID-LL (§11.4)
	t.duid = len(b) - 6
	if serverID != nil {
		b = wire.AppendOption(b, wire.OptServerID, serverID)
	}
	b = wire.AppendOption(b, wire.OptElapsedTime, []byte{0, 0})
	t.elapsed = len(b) - 2
	b = wire.AppendOption(b, wire.OptORO, []byte{0, 23, 0, 24, 0, wire.OptSolMaxRT}) // DNS (RFC 3646), as any client asks
	if rapid {
		b = wire.AppendOption(b, wire.OptRapidCommit, nil)
	}
	if kind != wire.InformationRequest {
		b = t.association(b, kind)
	}
	if mode == Direct {
		binary.BigEndian.PutUint16(b[EthernetHeader+4:], uint16(len(b)-EthernetHeader-IPv6Header))
		binary.BigEndian.PutUint16(b[EthernetHeader+IPv6Header+4:], uint16(len(b)-EthernetHeader-IPv6Header))
	} else {
		wire.CloseOption(b, relayMessage)
	}
	t.bytes = b
	return t
}

// association appends an IA_NA, with the client's address where the message asks for one that it knows.
func (t *Template) association(b []byte, kind byte) []byte {
	b, at := wire.OpenIA(b, wire.OptIANA, [4]byte{}, 0, 0)
	t.iaid = at
	if kind == wire.Request || kind == wire.Renew {
		b = wire.AppendAddr(b, &[16]byte{}, 0, 0)
		t.address = len(b) - 24
	}
	wire.CloseOption(b, at)
	return b
}

// Len is the length of the message.
func (t *Template) Len() int { return len(t.bytes) }

// frame begins a frame to all servers on the link (RFC 9915 §7.1, §7.2).
func (t *Template) frame() []byte {
	b := make([]byte, frameHeader)
	copy(b, []byte{0x33, 0x33, 0, 1, 0, 2}) // RFC 2464 §7
	t.ethernet = 6
	binary.BigEndian.PutUint16(b[12:], 0x86dd)
	ip := b[EthernetHeader:]
	ip[0], ip[6], ip[7] = 6<<4, UDP, 1
	t.source = EthernetHeader + 8
	copy(ip[24:], []byte{0: 0xff, 1: 0x02, 13: 1, 15: 2})
	udp := ip[IPv6Header:]
	binary.BigEndian.PutUint16(udp, wire.ClientPort)
	binary.BigEndian.PutUint16(udp[2:], wire.ServerPort)
	t.checksum = EthernetHeader + IPv6Header + 6
	return b
}

// relay begins a Relay-forward and leaves its Relay Message option open.
func (t *Template) relay() (b []byte, relayMessage int) {
	b = make([]byte, relayHeader)
	b[0] = wire.RelayForward
	link := LinkAddress.As16()
	copy(b[2:], link[:])
	t.peer = relayPeer
	b = wire.AppendOption(b, wire.OptClientLinkLay, []byte{0, 1, 0, 0, 0, 0, 0, 0})
	t.linkLayer = len(b) - 6
	return wire.OpenOption(b, wire.OptRelayMessage)
}

// Write writes the message of one client into b, which is large enough, and returns its length.
func (t *Template) Write(b []byte, mac [6]byte, xid uint32, elapsed uint16) int {
	n := copy(b, t.bytes)
	b[t.xid], b[t.xid+1], b[t.xid+2] = byte(xid>>16), byte(xid>>8), byte(xid)
	copy(b[t.duid:], mac[:])
	binary.BigEndian.PutUint16(b[t.elapsed:], elapsed)
	if t.iaid != 0 {
		copy(b[t.iaid:], mac[2:])
	}
	if t.address != 0 {
		a := Address(mac)
		copy(b[t.address:], a[:])
	}
	local := LinkLocal(mac)
	if t.peer != 0 {
		copy(b[t.peer:], local[:])
		copy(b[t.linkLayer:], mac[:])
		return n
	}
	copy(b[t.ethernet:], mac[:])
	copy(b[t.source:], local[:])
	putChecksum(b[EthernetHeader:n], UDP, t.checksum-EthernetHeader)
	return n
}

// putChecksum writes the checksum of the upper layer of an IPv6 packet at its place (RFC 8200 §8.1).
func putChecksum(packet []byte, protocol byte, at int) {
	packet[at], packet[at+1] = 0, 0
	sum := ^fold(add(pseudo(packet, protocol), packet[IPv6Header:]))
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(packet[at:], sum)
}

// checksumRight reports whether the checksum of a UDP packet is right, or is that of the pseudo-header alone: so it
// leaves a kernel that has the rest added by hardware, which a veth does not have.
func checksumRight(packet []byte) bool {
	partial := pseudo(packet, UDP)
	return fold(add(partial, packet[IPv6Header:])) == 0xffff ||
		binary.BigEndian.Uint16(packet[IPv6Header+6:]) == fold(partial)
}

// pseudo is the sum of the pseudo-header of an IPv6 packet.
func pseudo(packet []byte, protocol byte) uint64 {
	return add(uint64(len(packet)-IPv6Header)+uint64(protocol), packet[8:IPv6Header])
}

// add adds b as 16-bit words in one's complement, eight bytes at a time: 2^16 is 1 modulo 0xffff.
func add(sum uint64, b []byte) uint64 {
	var carry uint64
	for ; len(b) >= 8; b = b[8:] {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), carry)
	}
	var last [8]byte
	copy(last[:], b)
	sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(last[:]), carry)
	sum, carry = bits.Add64(sum, 0, carry)
	return sum + carry
}

func fold(sum uint64) uint16 {
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}
