package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/lease6/lease6/server/batch"
)

// settle is how long interface changes are gathered before they are looked at: a VLAN interface that is created comes
// with half a dozen events.
const settle = 20 * time.Millisecond

// watchInterfaces follows the interfaces of the machine until ctx ends: which there are, which of them are served, and
// membership in the DHCPv6 groups there. It calls listed after the first look.
func (s *Server) watchInterfaces(ctx context.Context, listed func()) error {
	groups, err := batch.NewGroups()
	if err != nil {
		return fmt.Errorf("server: multicast: %w", err)
	}
	defer groups.Close()
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("server: netlink: %w", err)
	}
	defer handle.Close()

	stop, err := subscribe(s.look)
	if err != nil {
		return err
	}
	defer stop()

	joined := make(map[int32]Interface)
	look := func() {
		found, err := listInterfaces(handle)
		if err != nil {
			s.log.Error("cannot list the interfaces; serving those known", "error", err)
			poke(s.look)
			return
		}
		s.follow(groups, joined, s.setInterfaces(found))
	}
	look()
	listed()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.look:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(settle):
		}
		look()
	}
}

// subscribe pokes changed at every change of an interface or an address, until stop is called.
func subscribe(changed chan<- struct{}) (stop func(), err error) {
	done := make(chan struct{})
	links, addrs := make(chan netlink.LinkUpdate, 64), make(chan netlink.AddrUpdate, 64)
	// When the socket overflows, events were missed; but one poke makes us look at everything anyway.
	failed := func(error) { poke(changed) }
	if err := netlink.LinkSubscribeWithOptions(links, done, netlink.LinkSubscribeOptions{ErrorCallback: failed, ReceiveBufferSize: 1 << 20}); err != nil {
		close(done)
		return nil, fmt.Errorf("server: netlink: subscribe to links: %w", err)
	}
	if err := netlink.AddrSubscribeWithOptions(addrs, done, netlink.AddrSubscribeOptions{ErrorCallback: failed, ReceiveBufferSize: 1 << 20}); err != nil {
		close(done)
		return nil, fmt.Errorf("server: netlink: subscribe to addresses: %w", err)
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		// Both channels are closed by the library once done is closed; until then they must be drained.
		for links != nil || addrs != nil {
			select {
			case _, ok := <-links:
				if !ok {
					links = nil
				}
			case _, ok := <-addrs:
				if !ok {
					addrs = nil
				}
			}
			poke(changed)
		}
	}()
	return func() { close(done); <-drained }, nil
}

// listInterfaces reads the interfaces and their IPv6 addresses from the kernel.
func listInterfaces(handle *netlink.Handle) ([]Interface, error) {
	links, err := handle.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("list links: %w", err)
	}
	addrs, err := handle.AddrList(nil, netlink.FAMILY_V6)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	byIndex := make(map[int][]netip.Addr)
	for _, a := range addrs {
		addr, ok := netip.AddrFromSlice(a.IP)
		if !ok || a.Flags&unix.IFA_F_DADFAILED != 0 {
			continue
		}
		byIndex[a.LinkIndex] = append(byIndex[a.LinkIndex], addr)
	}
	found := make([]Interface, 0, len(links))
	for _, l := range links {
		a := l.Attrs()
		i := Interface{Index: int32(a.Index), Name: a.Name, Up: a.Flags&net.FlagUp != 0, Addresses: byIndex[a.Index]}
		if len(a.HardwareAddr) == 6 && !slices.ContainsFunc(i.Addresses, netip.Addr.IsLinkLocalUnicast) {
			i.Addresses = append(i.Addresses, eui64([6]byte(a.HardwareAddr)))
		}
		found = append(found, i)
	}
	return found, nil
}

// follow joins the groups on interfaces that are newly served and forgets those that are gone. An interface that was
// deleted has taken its membership with it; one that merely stopped being served leaves. One whose addresses changed may
// have lost its IPv6 state and with it the membership (a small MTU does that): joining again costs nothing.
func (s *Server) follow(groups *batch.Groups, joined, served map[int32]Interface) {
	for index, i := range joined {
		if served[index].Name != i.Name {
			delete(joined, index)
			// It fails for an interface that no longer exists, and then nothing is left to do.
			_ = groups.Leave(int(index))
		}
	}
	for index, i := range served {
		if old, ok := joined[index]; ok && slices.Equal(old.Addresses, i.Addresses) {
			continue
		}
		if err := groups.Join(int(index)); err != nil {
			s.log.Error("cannot join the DHCPv6 multicast groups", "interface", i.Name, "error", err)
			continue
		}
		joined[index] = i
	}
}
