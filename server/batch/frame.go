package batch

import (
	"encoding/binary"
	"math/bits"
)

const (
	ipv6Header  = 40
	udpHeader   = 8
	frameHeader = ipv6Header + udpHeader

	protocolUDP      = 17
	protocolFragment = 44

	serverPort = 547 // RFC 9915 §7.2

	// hopLimit is what the kernel gives to a unicast datagram of its own, so that our frames look like any host's.
	// Nothing in DHCPv6 depends on it: an answer to a link-local address is never forwarded.
	hopLimit = 64
)

var (
	allAgentsAndServers = [16]byte{0: 0xff, 1: 0x02, 13: 1, 15: 2} // RFC 9915 §7.1
	allServers          = [16]byte{0: 0xff, 1: 0x05, 13: 1, 15: 3}
)

// verdict says whether a frame can be looked at, and if not, why.
type verdict uint8

const (
	frameGood verdict = iota
	frameMalformed
	frameFragment
	frameBadChecksum
)

// openFrame returns the UDP payload of an IPv6 packet as it came from a packet socket. It checks what the kernel checks
// before it delivers a datagram, because nobody has. The checksum is taken on trust where the sender left it to hardware
// that never was, or where the hardware has verified it.
func openFrame(b []byte, trusted bool) ([]byte, verdict) {
	if len(b) < frameHeader || b[0]>>4 != 6 {
		return nil, frameMalformed
	}
	if b[6] == protocolFragment {
		return nil, frameFragment
	}
	// Behind the packet the frame may be padded.
	n := int(binary.BigEndian.Uint16(b[4:]))
	if b[6] != protocolUDP || n < udpHeader || n > len(b)-ipv6Header {
		return nil, frameMalformed
	}
	udp := b[ipv6Header : ipv6Header+n]
	n = int(binary.BigEndian.Uint16(udp[4:]))
	if n < udpHeader || n > len(udp) || binary.BigEndian.Uint16(udp[2:]) != serverPort {
		return nil, frameMalformed
	}
	udp = udp[:n:n]
	if dst := [16]byte(b[24:]); dst != allAgentsAndServers && dst != allServers {
		return nil, frameMalformed
	}
	if src := [16]byte(b[8:]); src[0] == 0xff || src == [16]byte{} {
		return nil, frameMalformed
	}
	if trusted {
		return udp[udpHeader:], frameGood
	}
	// A checksum of zero says that there is none, which IPv6 does not allow (RFC 8200 §8.1).
	if binary.BigEndian.Uint16(udp[6:]) == 0 || fold(pseudoSum(b, udp)) != 0xffff {
		return nil, frameBadChecksum
	}
	return udp[udpHeader:], frameGood
}

// putHeaders writes the IPv6 and UDP headers in front of the payload that frame ends with.
func putHeaders(frame []byte, src, dst *[16]byte, port uint16) {
	udp := frame[ipv6Header:]
	binary.BigEndian.PutUint32(frame, 6<<28)
	binary.BigEndian.PutUint16(frame[4:], uint16(len(udp)))
	frame[6], frame[7] = protocolUDP, hopLimit
	copy(frame[8:], src[:])
	copy(frame[24:], dst[:])
	binary.BigEndian.PutUint16(udp, serverPort)
	binary.BigEndian.PutUint16(udp[2:], port)
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	udp[6], udp[7] = 0, 0
	sum := ^fold(pseudoSum(frame, udp))
	if sum == 0 {
		sum = 0xffff // zero would say that there is no checksum (RFC 8200 §8.1)
	}
	binary.BigEndian.PutUint16(udp[6:], sum)
}

// pseudoSum is the sum of the pseudo-header (RFC 8200 §8.1) and of the datagram itself.
func pseudoSum(packet, udp []byte) uint64 {
	return addSum(addSum(uint64(len(udp)+protocolUDP), packet[8:ipv6Header]), udp)
}

// addSum adds b as 16-bit words in one's complement. It takes eight bytes at a time: 2^16 is 1 modulo 0xffff.
func addSum(sum uint64, b []byte) uint64 {
	var carry uint64
	for len(b) >= 8 {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	var last [8]byte
	copy(last[:], b)
	sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(last[:]), carry)
	sum, carry = bits.Add64(sum, 0, carry)
	return sum + carry
}

// fold makes 16 bits of a sum.
func fold(sum uint64) uint16 {
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}
