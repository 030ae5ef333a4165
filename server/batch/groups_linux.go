package batch

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Groups holds memberships in the multicast groups of DHCPv6, so that switches and network cards deliver what is sent to
// them. It receives nothing: its sockets have no port. One goroutine at a time may use it.
type Groups struct {
	// Each socket takes as many memberships as net.core.optmem_max allows, some hundreds on older kernels; then another
	// one is opened.
	sockets []int
}

// NewGroups returns a Groups without memberships.
func NewGroups() (*Groups, error) {
	g := &Groups{}
	if err := g.grow(); err != nil {
		return nil, err
	}
	return g, nil
}

func (g *Groups) grow() error {
	fd, err := openSocket(unix.AF_INET6)
	if err != nil {
		return err
	}
	g.sockets = append(g.sockets, fd)
	return nil
}

// Join joins both groups on an interface. To join where it has joined is no error.
func (g *Groups) Join(ifindex int) error {
	// An interface that was deleted leaves its memberships behind, and its index may come again.
	if err := g.Leave(ifindex); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
		return err
	}
	for _, group := range [][16]byte{allAgentsAndServers, allServers} {
		err := change(g.sockets[len(g.sockets)-1], unix.IPV6_JOIN_GROUP, group, ifindex)
		if errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.ENOBUFS) {
			if err := g.grow(); err != nil {
				return err
			}
			err = change(g.sockets[len(g.sockets)-1], unix.IPV6_JOIN_GROUP, group, ifindex)
		}
		if err != nil {
			return fmt.Errorf("batch: join %v on interface %d: %w", netip.AddrFrom16(group), ifindex, err)
		}
	}
	return nil
}

func change(fd, option int, group [16]byte, ifindex int) error {
	return unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, option, &unix.IPv6Mreq{Multiaddr: group, Interface: uint32(ifindex)})
}

// Leave leaves both groups on an interface, also on one that no longer exists. Where it has not joined, the error is
// EADDRNOTAVAIL.
func (g *Groups) Leave(ifindex int) error {
	var failed error
	for _, group := range [][16]byte{allAgentsAndServers, allServers} {
		err := error(unix.EADDRNOTAVAIL)
		for _, fd := range g.sockets {
			if err = change(fd, unix.IPV6_LEAVE_GROUP, group, ifindex); !errors.Is(err, unix.EADDRNOTAVAIL) {
				break
			}
		}
		if err != nil && failed == nil {
			failed = fmt.Errorf("batch: leave %v on interface %d: %w", netip.AddrFrom16(group), ifindex, err)
		}
	}
	return failed
}

// Close leaves all groups.
func (g *Groups) Close() error {
	var err error
	for _, fd := range g.sockets {
		err = errors.Join(err, unix.Close(fd))
	}
	g.sockets = nil
	return err
}
