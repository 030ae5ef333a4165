package batch

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ListenUDP opens n UDP sockets on all addresses and one port, for relays and unicast. What arrives is dealt out to them
// at random: by the addresses, as the kernel does it, one busy relay would keep one socket busy and the others idle.
func ListenUDP(port uint16, n int, o Options) ([]*Conn, error) {
	// Without this a second server, which would share the port as our own sockets do, would silently take half of the
	// messages.
	alone, err := listenUDP(port, 1, o, 0)
	if err != nil {
		return nil, err
	}
	closeAll(alone)
	conns, err := listenUDP(port, n, o, 1)
	if err != nil || n == 1 {
		return conns, err
	}
	// The program returns the index of a socket in the order in which they were bound. It is all the sockets' together.
	spread := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: ancillaryRandom},
		{Code: unix.BPF_ALU | unix.BPF_MOD | unix.BPF_K, K: uint32(n)},
		{Code: unix.BPF_RET | unix.BPF_A},
	}
	if err := attach(conns[0].fd, unix.SO_ATTACH_REUSEPORT_CBPF, "SO_ATTACH_REUSEPORT_CBPF", spread); err != nil {
		closeAll(conns)
		return nil, err
	}
	return conns, nil
}

func listenUDP(port uint16, n int, o Options, share int) ([]*Conn, error) {
	return listen(unix.AF_INET6, n, o, func(fd, _ int) error {
		err := setAll(fd,
			option{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1, "IPV6_V6ONLY", ""},
			// Or it would receive what is sent to any group that anybody on this machine has joined.
			option{unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0, "IPV6_MULTICAST_ALL", " (needs Linux 4.20)"},
			option{unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO", ""},
			option{unix.SOL_SOCKET, unix.SO_REUSEPORT, share, "SO_REUSEPORT", ""})
		if err != nil {
			return err
		}
		return bindUDP(fd, port)
	})
}

func bindUDP(fd int, port uint16) error {
	err := unix.Bind(fd, &unix.SockaddrInet6{Port: int(port)})
	remedy := ""
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EACCES):
		remedy = " (needs CAP_NET_BIND_SERVICE)"
	case errors.Is(err, unix.EADDRINUSE):
		remedy = " (stop the other DHCPv6 server or relay on this machine)"
	}
	return fmt.Errorf("batch: bind UDP port %d: %w%s", port, err, remedy)
}
