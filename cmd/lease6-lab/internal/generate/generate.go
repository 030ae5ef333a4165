// Package generate writes lease files of any size, laid out as ISC dhcpd leaves them behind for Abiquo.
package generate

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"

	"github.com/lease6/lease6/leases/isc"
)

// MaxHosts is how many hosts a file can have before MACs repeat.
const MaxHosts = 1 << 32

// perNetwork is how many hosts share a /64.
const perNetwork = 250

// Header begins a lease file as the last ISC dhcpd does.
const Header = `# The format of this file is documented in the dhcpd.leases(5) manual page.
# This lease file was written by isc-dhcp-4.4.3-P1

authoring-byte-order little-endian;

`

// statements are what Abiquo sets on a host of a network with DNS, wrapped as ISC wraps them.
var statements = [...]isc.Statement{
	{Text: `supersede dhcp6.name-servers = concat (20:01:48:60:48:60:00:00:00:00:00
                                               :00:00:00:88:88, 20:01:48:60:48:
                                               60:00:00:00:00:00:00:00:00:88:44
                );`},
	{Text: `supersede dhcp6.domain-search = 06:61:62:69:71:75:6f:03:63:6f:6d:00;`},
}

// Options are what Write can do without.
type Options struct {
	Seed       uint64 // another seed gives other MACs and a file in another order
	Statements bool   // every host has name servers and a search list
}

// Write writes a lease file of n hosts. The same n and options give the same file.
func Write(w io.Writer, n int, o Options) error {
	if n < 0 || int64(n) > MaxHosts {
		return fmt.Errorf("generate: %d hosts: want 0 to %d", n, int64(MaxHosts))
	}
	out := bufio.NewWriterSize(w, 1<<20)
	buf := isc.AppendServerDUID([]byte(Header), serverDUID(o.Seed))
	host := isc.Host{Dynamic: true, HardwareType: isc.Ethernet, Hardware: make([]byte, 6), Addresses: make([]byte, 16)}
	if o.Statements {
		host.Statements = statements[:]
	}
	for i := range n {
		fill(&host, uint32(i), o.Seed)
		buf = isc.AppendHost(buf, &host)
		if _, err := out.Write(buf); err != nil {
			return fmt.Errorf("generate: %w", err)
		}
		buf = buf[:0]
	}
	if _, err := out.Write(buf); err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	return nil
}

// fill makes h the i-th host. Addresses are of the two kinds that Abiquo hands out: counted in most networks, made from
// the MAC in every eighth.
func fill(h *isc.Host, i uint32, seed uint64) {
	mac := h.Hardware
	mac[0], mac[1], mac[2] = 0x52, 0x54, byte(i>>24)
	low := scatter(i&0xffffff, seed)
	mac[3], mac[4], mac[5] = byte(low>>16), byte(low>>8), byte(low)
	h.Name = HostName(mac)

	network := i/perNetwork + 1
	a := h.Addresses
	binary.BigEndian.PutUint32(a, 0x20010db8)
	binary.BigEndian.PutUint32(a[4:], network)
	if network%8 == 0 {
		copy(a[8:], []byte{mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]})
		return
	}
	binary.BigEndian.PutUint64(a[8:], uint64(i%perNetwork)+2)
}

// scatter maps numbers of 24 bits one to one to numbers of 24 bits.
func scatter(x uint32, seed uint64) uint32 {
	const mask = 1<<24 - 1
	x ^= uint32(seed) & mask
	for range 2 {
		x = x * 0x9e3779b1 & mask // odd, so that it has an inverse
		x ^= x >> 12
		x = (x + uint32(bits.RotateLeft64(seed, 32))) & mask
	}
	return x
}

// HostName is the name that Abiquo gives to the host of a MAC, "525400aa0001_host".
func HostName(mac []byte) string {
	const digits, suffix = "0123456789abcdef", "_host"
	name := make([]byte, 0, 2*6+len(suffix))
	for _, c := range mac {
		name = append(name, digits[c>>4], digits[c&15])
	}
	return string(append(name, suffix...))
}

func serverDUID(seed uint64) []byte {
	return binary.BigEndian.AppendUint32([]byte{0, 1, 0, 1, 0x2a, 0x2b, 0x2c, 0x2d, 2, 0}, uint32(seed))
}
