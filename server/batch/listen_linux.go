package batch

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	sendBytes  = 4 << 20 // send buffer of each socket: a whole batch of the longest replies, twice
	maxSockets = 256     // PACKET_FANOUT took no more before Linux 5.11

	// Loads from here on read what the kernel knows of a packet instead of its bytes (SKF_AD_OFF in linux/filter.h).
	ancillary           uint32 = 0xfffff000
	ancillaryPacketType        = ancillary + 4  // SKF_AD_PKTTYPE
	ancillaryRandom            = ancillary + 56 // SKF_AD_RANDOM
)

// option is a socket option with its name for people, and what helps if the kernel refuses it.
type option struct {
	level, name, value int
	text, remedy       string
}

func setAll(fd int, options ...option) error {
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return fmt.Errorf("batch: set %s: %w%s", o.text, err, o.remedy)
		}
	}
	return nil
}

// setBuffer sets the size of a buffer beyond the limit of the system if we may, else within it.
func setBuffer(fd, force, plain, bytes int, text string) error {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, bytes) == nil {
		return nil
	}
	return setAll(fd, option{unix.SOL_SOCKET, plain, bytes, text, ""})
}

// attach attaches a BPF program.
func attach(fd, name int, text string, program []unix.SockFilter) error {
	err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, name, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	if err != nil {
		return fmt.Errorf("batch: set %s: %w", text, err)
	}
	return nil
}

// openSocket opens a socket that does not block and is in Go's poller, so that Close ends a Recv.
func openSocket(domain int) (int, error) {
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	remedy := ""
	switch {
	case err == nil:
		return fd, nil
	case errors.Is(err, unix.EPERM):
		remedy = " (packet sockets need CAP_NET_RAW)"
	case errors.Is(err, unix.EAFNOSUPPORT):
		remedy = " (the kernel needs IPv6 and packet sockets, and RestrictAddressFamilies= of the unit AF_INET6 and AF_PACKET)"
	}
	return -1, fmt.Errorf("batch: open socket: %w%s", err, remedy)
}

// listen opens n sockets with large buffers and sets up each, or it opens none.
func listen(domain, n int, o Options, setUp func(fd, i int) error) ([]*Conn, error) {
	if n < 1 || n > maxSockets {
		return nil, fmt.Errorf("batch: %d sockets: want 1 to %d", n, maxSockets)
	}
	if o.ReceiveBytes == 0 {
		o.ReceiveBytes = defaultReceiveBytes
	}
	var conns []*Conn
	for i := range n {
		fd, err := openSocket(domain)
		if err == nil {
			conns = append(conns, newConn(fd, domain == unix.AF_PACKET))
			err = errors.Join(setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, o.ReceiveBytes, "SO_RCVBUF"),
				setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, sendBytes, "SO_SNDBUF"), setUp(fd, i))
		}
		if err != nil {
			closeAll(conns)
			return nil, err
		}
	}
	return conns, nil
}

func closeAll(conns []*Conn) {
	for _, c := range conns {
		c.Close()
	}
}
