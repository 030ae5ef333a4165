package hotplug

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/server/wire"
)

// reply is the frame by which a server gives a VM an address. Its checksum is that of a kernel that leaves the rest to
// hardware, the sum of the pseudo-header alone.
func reply(v *vm, address [16]byte) []byte {
	const headers = guest.EthernetHeader + guest.IPv6Header + 8
	b := make([]byte, headers)
	b = append(b, wire.Reply, byte(v.xid>>16), byte(v.xid>>8), byte(v.xid))
	b = wire.AppendOption(b, wire.OptServerID, []byte{0, 3, 0, 1, 2, 0, 0, 0, 0, 1})
	b = wire.AppendOption(b, wire.OptClientID, append([]byte{0, 3, 0, 1}, v.mac[:]...))
	b, at := wire.OpenIA(b, wire.OptIANA, [4]byte(v.mac[2:]), 0, 0)
	b = wire.AppendAddr(b, &address, 60, 120)
	wire.CloseOption(b, at)
	copy(b, v.mac[:])
	ip := b[guest.EthernetHeader:]
	n := len(ip) - guest.IPv6Header
	ip[0], ip[6] = 6<<4, guest.UDP
	binary.BigEndian.PutUint16(ip[4:], uint16(n))
	local := guest.LinkLocal(v.mac)
	copy(ip[24:], local[:])
	binary.BigEndian.PutUint16(ip[guest.IPv6Header+2:], 546)
	binary.BigEndian.PutUint16(ip[guest.IPv6Header+4:], uint16(n))
	sum := uint32(n) + guest.UDP
	for i := 8; i < guest.IPv6Header; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(ip[guest.IPv6Header+6:], uint16(sum))
	return b
}

// TestHandle: every answer must be that VM's, on its interface, with its address.
func TestHandle(t *testing.T) {
	now := time.Now()
	const index0, index1 = 10, 11
	for _, tt := range []struct {
		name     string
		frame    func(c *crowd) []byte
		ifindex  int
		answered int
		fault    guest.Fault
	}{
		{"right", func(c *crowd) []byte { return reply(&c.vms[0], guest.Address(c.vms[0].mac)) }, index0, 1, guest.OK},
		{"on another VM's interface", func(c *crowd) []byte { return reply(&c.vms[0], guest.Address(c.vms[0].mac)) }, index1, 0, guest.WrongPath},
		{"on an interface that nobody has", func(c *crowd) []byte { return reply(&c.vms[0], guest.Address(c.vms[0].mac)) }, 12, 0, guest.WrongPath},
		{"another VM's address", func(c *crowd) []byte { return reply(&c.vms[0], guest.Address(c.vms[1].mac)) }, index0, 0, guest.WrongAddress},
		{"to another MAC", func(c *crowd) []byte {
			b := reply(&c.vms[0], guest.Address(c.vms[0].mac))
			copy(b, c.vms[1].mac[:])
			return b
		}, index0, 0, guest.WrongPath},
		{"to an earlier message", func(c *crowd) []byte {
			earlier := c.vms[0]
			earlier.xid ^= 1 << vmBits
			return reply(&earlier, guest.Address(earlier.mac))
		}, index0, 0, guest.OK},
		{"too short", func(*crowd) []byte { return make([]byte, 20) }, index0, 0, guest.Malformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCrowd(2)
			c.arrive(arrival{0, index0, now})
			c.arrive(arrival{1, index1, now})
			c.handle(tt.frame(c), tt.ifindex, now.Add(time.Millisecond))
			tally, appeared := c.take()
			if appeared.Answered != tt.answered || len(c.answered) != tt.answered {
				t.Errorf("%d answered, want %d", appeared.Answered, tt.answered)
			}
			if tt.fault == guest.OK && tally.Wrong != 0 || tt.fault != guest.OK && tally.Faults[tt.fault.String()] != 1 {
				t.Errorf("faults %v, want %q", tally.Faults, tt.fault)
			}
		})
	}
}

// TestGivesUp: a VM whose new interface nobody serves is counted, and does not hold up the others.
func TestGivesUp(t *testing.T) {
	c := newCrowd(1)
	now := time.Now()
	c.arrive(arrival{0, 10, now})
	c.vms[0].sent = now
	if c.appear(0, now, time.Hour) {
		t.Error("gave up at once")
	}
	if !c.appear(0, now.Add(patience+1), time.Hour) || len(c.answered) != 1 || c.vms[0].stage != idle {
		t.Error("did not give up")
	}
	if _, a := c.take(); a.Never != 1 || a.Answered != 0 {
		t.Errorf("%+v", a)
	}
}
