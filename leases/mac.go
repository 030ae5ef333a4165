package leases

import (
	"fmt"
	"net"

	"github.com/lease6/lease6/leases/isc"
)

// MAC is an Ethernet address (EUI-48), the key of a lease.
type MAC [6]byte

// Key packs the six bytes into a number, first byte highest.
func (m MAC) Key() uint64 {
	return uint64(m[0])<<40 | uint64(m[1])<<32 | uint64(m[2])<<24 | uint64(m[3])<<16 | uint64(m[4])<<8 | uint64(m[5])
}

// macOf unpacks a key.
func macOf(key uint64) MAC {
	return MAC{byte(key >> 40), byte(key >> 32), byte(key >> 24), byte(key >> 16), byte(key >> 8), byte(key)}
}

// String writes the MAC as 52:54:00:12:34:56.
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// ParseMAC reads a MAC in any of the forms that people and platforms write it: with colons, hyphens, dots or nothing
// between the bytes, in either case, bytes of one digit where something stands between them.
func ParseMAC(text string) (MAC, error) {
	b, err := isc.ParseMAC(text)
	if err != nil {
		return MAC{}, err
	}
	if len(b) != len(MAC{}) {
		return MAC{}, fmt.Errorf("%q has %d bytes: want 6, as in 52:54:00:12:34:56", text, len(b))
	}
	return MAC(b), nil
}
