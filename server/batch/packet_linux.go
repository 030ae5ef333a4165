package batch

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ListenPacket opens n packet sockets that together receive, once, each message that was sent to the multicast groups of
// DHCPv6 on any interface of this machine.
//
// They are cooked sockets (SOCK_DGRAM): the kernel takes the link-layer header off, tells the sender's MAC in the
// address, and writes the header of what we send with the MAC that the interface has at that moment. The sockets are of
// protocol IPv6, not of all protocols, so they see a tagged frame once, on its VLAN interface, one of a bond on the bond,
// and nothing that this machine sends.
func ListenPacket(n int, o Options) ([]*Conn, error) {
	group := 0
	conns, err := listen(unix.AF_PACKET, n, o, func(fd, i int) error {
		// Nothing gets through before all are in the group: until then a socket would receive what others have. Opened
		// without a protocol, it has received nothing yet.
		nothing := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
		err := errors.Join(setAll(fd, option{unix.SOL_PACKET, unix.PACKET_AUXDATA, 1, "PACKET_AUXDATA", ""}),
			attach(fd, unix.SO_ATTACH_FILTER, "SO_ATTACH_FILTER", nothing))
		if err != nil {
			return err
		}
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_IPV6)}); err != nil {
			return fmt.Errorf("batch: bind packet socket: %w", err)
		}
		if n == 1 {
			return nil
		}
		return joinFanout(fd, i == 0, &group)
	})
	for _, c := range conns {
		if err := attach(c.fd, unix.SO_ATTACH_FILTER, "SO_ATTACH_FILTER", groupFilter()); err != nil {
			closeAll(conns)
			return nil, err
		}
	}
	return conns, err
}

// joinFanout makes the socket share packets with the others of its group. The first one founds a group whose number
// nobody else has, and stores it. Packets are dealt out at random: by their hash a single relay that uses multicast
// would have one socket, and in turn the CPUs would contend for the count with every IPv6 packet of the machine.
func joinFanout(fd int, first bool, group *int) error {
	mode := unix.PACKET_FANOUT_RND
	if first {
		mode |= unix.PACKET_FANOUT_FLAG_UNIQUEID
	}
	fanout := option{unix.SOL_PACKET, unix.PACKET_FANOUT, mode<<16 | *group, "PACKET_FANOUT", " (needs Linux 4.12)"}
	if err := setAll(fd, fanout); err != nil || !first {
		return err
	}
	v, err := unix.GetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
	if err != nil {
		return fmt.Errorf("batch: get PACKET_FANOUT: %w", err)
	}
	*group = v & 0xffff
	return nil
}

// groupFilter passes UDP packets to port 547 of the two groups, and the first fragments of such, so that they are
// counted. It starts with what is false of nearly all packets of a busy machine. Offsets are from the IPv6 header on;
// a load behind the end of a packet ends the program and drops it.
//
// By the packet type it passes what is for this machine (0), broadcast (1) and multicast (2). It drops what is for other
// hosts (3), which a promiscuous interface also delivers, and as which the kernel marks a tag of an unknown VLAN, and
// what this machine itself sent (4 and above).
func groupFilter() []unix.SockFilter {
	const (
		load8      = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS
		load16     = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
		load32     = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal      = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		greater    = unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K
		anyBit     = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		jump       = unix.BPF_JMP | unix.BPF_JA
		end        = unix.BPF_RET | unix.BPF_K
		everything = 1 << 18
	)
	// Jumps count from the next instruction: first if true, then if false.
	return []unix.SockFilter{
		0:  {Code: load8, K: 6},                        // next header
		1:  {Code: equal, K: protocolUDP, Jt: 7},       // → 9
		2:  {Code: equal, K: protocolFragment, Jf: 22}, // else → 25
		3:  {Code: load16, K: ipv6Header + 2},          // fragment offset
		4:  {Code: anyBit, K: 0xfff8, Jt: 20},          // not the first → 25
		5:  {Code: load8, K: ipv6Header},               // next header
		6:  {Code: equal, K: protocolUDP, Jf: 18},      // else → 25
		7:  {Code: load16, K: ipv6Header + 8 + 2},      // destination port
		8:  {Code: jump, K: 1},                         // → 10
		9:  {Code: load16, K: ipv6Header + 2},          // destination port
		10: {Code: equal, K: serverPort, Jf: 14},       // else → 25
		11: {Code: load32, K: ancillaryPacketType},
		12: {Code: greater, K: unix.PACKET_MULTICAST, Jt: 12}, // → 25
		13: {Code: load32, K: 28},                             // destination address, the middle
		14: {Code: equal, K: 0, Jf: 10},                       // else → 25
		15: {Code: load32, K: 32},
		16: {Code: equal, K: 0, Jf: 8}, // else → 25
		17: {Code: load32, K: 24},      // its beginning
		18: {Code: equal, K: 0xff020000, Jf: 2},
		19: {Code: load32, K: 36}, // its end
		20: {Code: equal, K: 0x00010002, Jt: 3, Jf: 4},
		21: {Code: equal, K: 0xff050000, Jf: 3},
		22: {Code: load32, K: 36},
		23: {Code: equal, K: 0x00010003, Jf: 1},
		24: {Code: end, K: everything},
		25: {Code: end, K: 0},
	}
}
