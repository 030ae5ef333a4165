package guest

import (
	"encoding/binary"
	"net/netip"
)

// Prefix is the link of all clients, and LinkAddress what relays say of it.
var (
	Prefix      = netip.MustParsePrefix("2001:db8:6::/64")
	LinkAddress = netip.MustParseAddr("2001:db8:6::1")
)

// MAC is the MAC of client number i. They are unique, and in no order.
func MAC(i int) [6]byte {
	mac := [6]byte{0x02, 0x36}
	binary.BigEndian.PutUint32(mac[2:], scatter(uint32(i)))
	return mac
}

// Address is the one address that the client with this MAC must get. It is in Prefix.
func Address(mac [6]byte) [16]byte {
	a := [16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 5: 6, 11: 1}
	copy(a[12:], mac[2:])
	return a
}

// LinkLocal is the link-local address of a MAC (RFC 4291 appendix A).
func LinkLocal(mac [6]byte) [16]byte {
	return [16]byte{0: 0xfe, 1: 0x80, 8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5]}
}

// ours reports whether a is the link-local address of a client, and of which MAC.
func ours(a []byte) (mac [6]byte, ok bool) {
	mac = [6]byte{a[8] ^ 2, a[9], a[10], a[13], a[14], a[15]}
	return mac, LinkLocal(mac) == [16]byte(a) && mac[0] == 0x02 && mac[1] == 0x36
}

// scatter maps numbers of 32 bits one to one to numbers of 32 bits.
func scatter(x uint32) uint32 {
	x *= 0x9e3779b1 // odd, so that it has an inverse
	x ^= x >> 15
	x *= 0x85ebca6b
	return x ^ x>>13
}
