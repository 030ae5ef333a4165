package guest

import "encoding/binary"

const (
	NeighbourSolicitation  = 135 // RFC 4861 §4.3
	neighbourAdvertisement = 136 // §4.4

	solicitationSize  = EthernetHeader + IPv6Header + 24
	advertisementSize = solicitationSize + 8
)

// Advertise answers a neighbour solicitation for a client, as the client's own kernel would: servers that send by UDP
// ask before they can answer. It writes into reply and returns the length, or 0 if the solicitation is not for a client.
func Advertise(reply, b []byte) int {
	if len(b) < solicitationSize || b[EthernetHeader+6] != ICMPv6 {
		return 0
	}
	ip := b[EthernetHeader:]
	target := ip[IPv6Header+8 : IPv6Header+24]
	mac, ok := ours(target)
	if !ok {
		return 0
	}
	copy(reply, b[6:12])
	copy(reply[6:], mac[:])
	copy(reply[12:], b[12:14])
	out := reply[EthernetHeader:advertisementSize]
	clear(out)
	out[0] = 6 << 4
	binary.BigEndian.PutUint16(out[4:], advertisementSize-EthernetHeader-IPv6Header)
	out[6], out[7] = ICMPv6, 255
	copy(out[8:], target)
	copy(out[24:], ip[8:24])
	icmp := out[IPv6Header:]
	icmp[0], icmp[4] = neighbourAdvertisement, 0x60 // solicited, override
	copy(icmp[8:], target)
	icmp[24], icmp[25] = 2, 1 // target link-layer address (§4.6.1)
	copy(icmp[26:], mac[:])
	putChecksum(out, ICMPv6, IPv6Header+2)
	return advertisementSize
}

// IsICMPv6 reports whether a frame is ICMPv6, which on a link of guests is about neighbours.
func IsICMPv6(frame []byte) bool {
	return len(frame) > EthernetHeader+6 && frame[EthernetHeader+6] == ICMPv6
}
