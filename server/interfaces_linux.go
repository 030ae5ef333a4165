package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/lease6/lease6/server/batch"
)

const (
	// settle is how long interface changes are gathered before they come into force: a VLAN interface that is created
	// comes with half a dozen events.
	settle = 20 * time.Millisecond
	// resubscribe is how long to wait before the kernel is asked for events again, when it does not give them.
	resubscribe = time.Second
)

// watchInterfaces follows the interfaces of the machine until ctx ends: which there are, which of them are served, and
// membership in the DHCPv6 groups there. It calls listed after the first look.
func (s *Server) watchInterfaces(ctx context.Context, listed func()) error {
	groups, err := batch.NewGroups()
	if err != nil {
		return fmt.Errorf("server: multicast: %w", err)
	}
	defer groups.Close()
	first := true
	joined := make(map[int32]Interface)
	for {
		err := s.followEvents(ctx, func(found []Interface) {
			s.follow(groups, joined, s.setInterfaces(found))
			if first {
				first = false
				listed()
			}
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case first:
			return err
		case errors.Is(err, errMissed):
			s.log.Info("missed changes of interfaces: listing them again")
			continue
		}
		s.log.Error("cannot follow the interfaces; serving those known", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(resubscribe):
		}
	}
}

// errMissed says that events were lost: the socket overflowed, and the library then ends the subscription.
var errMissed = errors.New("server: events of interfaces were missed")

// followEvents lists the interfaces and then keeps the list by the kernel's events, which costs nothing when nothing
// happens and little where a thousand interfaces are and some come and go. It calls changed with the list at first and
// after every change, and ends with an error when it can no longer know.
func (s *Server) followEvents(ctx context.Context, changed func([]Interface)) error {
	events, err := subscribe()
	if err != nil {
		return err
	}
	defer events.stop()
	// Listed after the subscription: what happens in between is told twice, which does no harm.
	table, err := listInterfaces()
	if err != nil {
		return err
	}
	changed(table.list())
	var due <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case u, ok := <-events.links:
			if !ok {
				return errMissed
			}
			table.link(u.Header.Type == unix.RTM_DELLINK, u.IfInfomsg.Family, u.Attrs())
		case u, ok := <-events.addrs:
			if !ok {
				return errMissed
			}
			table.address(int32(u.LinkIndex), u.LinkAddress.IP, u.NewAddr && u.Flags&unix.IFA_F_DADFAILED == 0)
		case <-s.look:
		case <-due:
			due = nil
			changed(table.list())
			continue
		}
		if due == nil {
			due = time.After(settle)
		}
	}
}

// subscription is the kernel's events of interfaces and addresses. Its channels are closed when events were lost.
type subscription struct {
	links chan netlink.LinkUpdate
	addrs chan netlink.AddrUpdate
	stop  func() // ends it and waits for the library's goroutines
}

func subscribe() (*subscription, error) {
	const buffer = 4 << 20 // bytes of events that the kernel keeps for us
	done := make(chan struct{})
	e := &subscription{links: make(chan netlink.LinkUpdate, 64), addrs: make(chan netlink.AddrUpdate, 64)}
	if err := netlink.LinkSubscribeWithOptions(e.links, done, netlink.LinkSubscribeOptions{ReceiveBufferSize: buffer}); err != nil {
		close(done)
		return nil, fmt.Errorf("server: netlink: subscribe to links: %w", err)
	}
	if err := netlink.AddrSubscribeWithOptions(e.addrs, done, netlink.AddrSubscribeOptions{ReceiveBufferSize: buffer}); err != nil {
		close(done)
		for range e.links { // until the library closes it
		}
		return nil, fmt.Errorf("server: netlink: subscribe to addresses: %w", err)
	}
	e.stop = sync.OnceFunc(func() {
		close(done)
		for range e.links {
		}
		for range e.addrs {
		}
	})
	return e, nil
}

// listInterfaces reads the interfaces and their IPv6 addresses from the kernel. While interfaces come and go a list may
// lack one that does neither: it says so, and is made again.
func listInterfaces() (*interfaceTable, error) {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("server: netlink: %w", err)
	}
	defer handle.Close()
	const tries = 20
	for try := 1; ; try++ {
		t, err := listOnce(handle)
		if err == nil || !errors.Is(err, netlink.ErrDumpInterrupted) {
			return t, err
		}
		if try == tries {
			return t, nil // the best there is; the events say the rest
		}
	}
}

func listOnce(handle *netlink.Handle) (*interfaceTable, error) {
	links, err1 := handle.LinkList()
	if err1 != nil && !errors.Is(err1, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("server: list links: %w", err1)
	}
	addrs, err2 := handle.AddrList(nil, netlink.FAMILY_V6)
	if err2 != nil && !errors.Is(err2, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("server: list addresses: %w", err2)
	}
	t := newInterfaceTable()
	for _, l := range links {
		t.link(false, unix.AF_UNSPEC, l.Attrs())
	}
	for _, a := range addrs {
		t.address(int32(a.LinkIndex), a.IP, a.Flags&unix.IFA_F_DADFAILED == 0)
	}
	return t, errors.Join(err1, err2)
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
