package load

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
)

const (
	batchSize   = 64
	messageSize = 2048
	// What is added keeps the buffers of a batch from falling into the same sets of the CPU's caches.
	stride = messageSize + 192

	bufferBytes = 64 << 20 // the generator must lose nothing, also when the answers to 50,000 come at once
)

// socket sends and receives up to 64 messages a system call. Its thread is locked, and it never waits in the kernel, so
// the calls need not tell the scheduler.
type socket struct {
	fd     int
	queued int
	failed uint64 // messages that the kernel did not send

	memory    []byte // messages received, then messages to be sent
	in, out   [batchSize]unix.Mmsghdr
	inv, outv [batchSize]unix.Iovec
}

func newSocket(fd int) *socket {
	s := &socket{fd: fd, memory: make([]byte, 2*batchSize*stride)}
	for i := range batchSize {
		s.inv[i].Base = &s.memory[i*stride]
		s.inv[i].SetLen(messageSize)
		s.outv[i].Base = &s.memory[(batchSize+i)*stride]
		s.in[i].Hdr.Iov, s.out[i].Hdr.Iov = &s.inv[i], &s.outv[i]
		s.in[i].Hdr.SetIovlen(1)
		s.out[i].Hdr.SetIovlen(1)
	}
	return s
}

// openRelay opens the socket of a relay (RFC 9915 §7.2: relays send from and listen on port 547).
func openRelay(relay, server netip.Addr) (*socket, error) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("load: UDP socket: %w", err)
	}
	err = setBuffers(fd)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet6{Port: 547, Addr: relay.As16()})
	}
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet6{Port: 547, Addr: server.As16()})
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("load: relay %s to %s: %w", relay, server, err)
	}
	return newSocket(fd), nil
}

// openLink opens a packet socket on which all clients of a link are.
func openLink(name string) (*socket, error) {
	nic, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("load: interface %s: %w", name, err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("load: packet socket: %w (needs CAP_NET_RAW)", err)
	}
	filter := clientFilter()
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	protocol := binary.NativeEndian.Uint16([]byte{0x86, 0xdd})
	err = setBuffers(fd)
	for _, step := range []func() error{
		func() error { return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program) },
		func() error { return unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1) },
		func() error { return unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1) },
		func() error { return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: nic.Index}) },
	} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("load: packet socket on %s: %w", name, err)
	}
	return newSocket(fd), nil
}

func setBuffers(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bufferBytes); err != nil {
		return fmt.Errorf("set SO_RCVBUFFORCE: %w (needs CAP_NET_ADMIN)", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, bufferBytes); err != nil {
		return fmt.Errorf("set SO_SNDBUFFORCE: %w (needs CAP_NET_ADMIN)", err)
	}
	return nil
}

// clientFilter passes UDP to port 546, and neighbour solicitations.
func clientFilter() []unix.SockFilter {
	const (
		load8, load16 = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
		equal, end    = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	)
	return []unix.SockFilter{
		0: {Code: load8, K: guest.EthernetHeader + 6},
		1: {Code: equal, K: guest.UDP, Jf: 2}, // else → 4
		2: {Code: load16, K: guest.EthernetHeader + guest.IPv6Header + 2},
		3: {Code: equal, K: 546, Jt: 3, Jf: 4},
		4: {Code: equal, K: guest.ICMPv6, Jf: 3}, // else → 8
		5: {Code: load8, K: guest.EthernetHeader + guest.IPv6Header},
		6: {Code: equal, K: guest.NeighbourSolicitation, Jf: 1},
		7: {Code: end, K: 1 << 18},
		8: {Code: end, K: 0},
	}
}

// receive receives what is there and returns how many.
func (s *socket) receive() int {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.in[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0 // nothing there, or an ICMP error of a server that is not listening yet
	}
	return int(n)
}

// message is message i of those received.
func (s *socket) message(i int) []byte { return s.memory[i*stride:][:s.in[i].Len] }

// next is where the next message to be sent is written; put says how long it has become.
func (s *socket) next() []byte {
	if s.queued == batchSize {
		s.flush()
	}
	return s.memory[(batchSize+s.queued)*stride:][:messageSize]
}

func (s *socket) put(n int) {
	s.outv[s.queued].SetLen(n)
	s.queued++
}

// flush sends what was put. A message that the kernel refuses is lost, as on a wire.
func (s *socket) flush() {
	for next := 0; next < s.queued; {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.out[next])), uintptr(s.queued-next), unix.MSG_DONTWAIT, 0, 0)
		switch {
		case errno == unix.EINTR:
		case errno != 0:
			s.failed++
			next++
		default:
			next += int(n)
		}
	}
	s.queued = 0
}

func (s *socket) close() { unix.Close(s.fd) }
