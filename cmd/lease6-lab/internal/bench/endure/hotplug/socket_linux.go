package hotplug

import (
	"encoding/binary"
	"fmt"
	"iter"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
)

// socket is a packet socket on all interfaces of a network namespace. It receives what is sent to DHCPv6 clients.
type socket struct {
	fd  int
	in  []byte
	out []byte
}

const bufferBytes = 16 << 20

func openSocket() (*socket, error) {
	// Without a protocol it receives nothing yet.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("hotplug: packet socket: %w (needs CAP_NET_RAW)", err)
	}
	filter := clientFilter()
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	for _, step := range []func() error{
		func() error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bufferBytes) },
		func() error { return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program) },
		func() error { return unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1) },
		func() error { return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol()}) },
	} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("hotplug: packet socket: %w (needs CAP_NET_ADMIN)", err)
	}
	return &socket{fd: fd, in: make([]byte, 2048), out: make([]byte, 2048)}, nil
}

// protocol is IPv6 in network order. Of that protocol, not of all, a tagged frame is seen once, on its VLAN interface.
func protocol() uint16 { return binary.NativeEndian.Uint16([]byte{0x86, 0xdd}) }

// clientFilter passes UDP to port 546.
func clientFilter() []unix.SockFilter {
	const (
		equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		end   = unix.BPF_RET | unix.BPF_K
	)
	return []unix.SockFilter{
		0: {Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: guest.EthernetHeader + 6},
		1: {Code: equal, K: guest.UDP, Jf: 3}, // else → 5
		2: {Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: guest.EthernetHeader + guest.IPv6Header + 2},
		3: {Code: equal, K: 546, Jf: 1}, // else → 5
		4: {Code: end, K: 1 << 18},
		5: {Code: end, K: 0},
	}
}

// poll waits until there is something to receive, for at most d.
func (s *socket) poll(d time.Duration) {
	fds := [1]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}
	t := unix.NsecToTimespec(int64(d))
	_, _ = unix.Ppoll(fds[:], &t, nil) // it may end early, which does no harm
}

// most is how many frames are received before other work is done.
const most = 256

// received yields the frames that are there, up to most, each with the index of its interface. A frame is valid until the
// next one.
func (s *socket) received() iter.Seq2[[]byte, int] {
	return func(yield func([]byte, int) bool) {
		for range most {
			n, from, err := unix.Recvfrom(s.fd, s.in, unix.MSG_DONTWAIT)
			if err == unix.ENETDOWN || err == unix.EINTR {
				continue // an interface went away
			}
			ll, ok := from.(*unix.SockaddrLinklayer)
			if err != nil || !ok || !yield(s.in[:n], ll.Ifindex) {
				return
			}
		}
	}
}

// send sends a message of a VM on its interface.
func (s *socket) send(t *guest.Template, v *vm) error {
	n := t.Write(s.out, v.mac, v.xid, 0)
	return unix.Sendto(s.fd, s.out[:n], unix.MSG_DONTWAIT, &unix.SockaddrLinklayer{Protocol: protocol(), Ifindex: v.ifindex})
}

func (s *socket) close() { unix.Close(s.fd) }
