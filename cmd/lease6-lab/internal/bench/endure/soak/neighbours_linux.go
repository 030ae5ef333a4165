package soak

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/arena"
)

// introduce tells the server's kernel for ever where the relays are. Otherwise it asks after them some seconds after
// each turn (RFC 4861 §7.3.3), and the direct clients of the next one, who hear that too, take it for a broken answer.
func introduce(a *arena.Arena, pid int) error {
	var mac net.HardwareAddr
	var addrs []netlink.Addr
	err := a.Clients(-1, func() error {
		links, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer links.Close()
		nic, err := links.LinkByName(arena.ClientsNIC)
		if err != nil {
			return err
		}
		mac = nic.Attrs().HardwareAddr
		addrs, err = links.AddrList(nic, netlink.FAMILY_V6)
		return err
	})
	if err != nil {
		return fmt.Errorf("soak: addresses of the relays: %w", err)
	}
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		return fmt.Errorf("soak: network namespace of the server: %w", err)
	}
	defer ns.Close()
	links, err := netlink.NewHandleAt(ns)
	if err != nil {
		return fmt.Errorf("soak: netlink: %w", err)
	}
	defer links.Close()
	nic, err := links.LinkByName(arena.ServerNIC)
	if err != nil {
		return fmt.Errorf("soak: interface %s: %w", arena.ServerNIC, err)
	}
	for _, addr := range addrs {
		n := &netlink.Neigh{LinkIndex: nic.Attrs().Index, Family: netlink.FAMILY_V6, State: netlink.NUD_PERMANENT, IP: addr.IP, HardwareAddr: mac}
		err = errors.Join(err, links.NeighSet(n))
	}
	if err != nil {
		return fmt.Errorf("soak: neighbours of the server: %w", err)
	}
	return nil
}
