package server

import (
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// interfaceTable is what the kernel has told of its interfaces.
type interfaceTable struct {
	entries map[int32]*tableEntry
}

type tableEntry struct {
	known bool // told of the link, not only of its addresses, which come over another socket
	name  string
	up    bool
	mtu   int
	mac   net.HardwareAddr
	addrs []netip.Addr
}

func newInterfaceTable() *interfaceTable {
	return &interfaceTable{entries: make(map[int32]*tableEntry)}
}

func (t *interfaceTable) entry(index int32) *tableEntry {
	e := t.entries[index]
	if e == nil {
		e = &tableEntry{}
		t.entries[index] = e
	}
	return e
}

// link takes news of a link. A bridge tells of its ports in the same words, with a family of its own: a port that
// leaves a bridge is not an interface that is deleted.
func (t *interfaceTable) link(deleted bool, family uint8, a *netlink.LinkAttrs) {
	index := int32(a.Index)
	switch {
	case family == unix.AF_BRIDGE:
	case deleted:
		delete(t.entries, index)
	default:
		e := t.entry(index)
		e.known, e.name, e.up, e.mtu, e.mac = true, a.Name, a.Flags&net.FlagUp != 0, a.MTU, a.HardwareAddr
	}
}

// address takes news of an address: that it is usable, or that it is not, or no longer.
func (t *interfaceTable) address(index int32, ip net.IP, usable bool) {
	addr, ok := netip.AddrFromSlice(ip)
	if !ok || !addr.Is6() || addr.Is4In6() {
		return
	}
	if !usable {
		if e := t.entries[index]; e != nil {
			e.addrs = slices.DeleteFunc(e.addrs, func(a netip.Addr) bool { return a == addr })
			if !e.known && len(e.addrs) == 0 {
				delete(t.entries, index) // of a link that is gone already
			}
		}
		return
	}
	if e := t.entry(index); !slices.Contains(e.addrs, addr) {
		e.addrs = append(e.addrs, addr)
	}
}

// list returns the interfaces, by index. One without a link-local address gets the one that it would form from its MAC:
// frames need a source.
func (t *interfaceTable) list() []Interface {
	all := make([]Interface, 0, len(t.entries))
	for index, e := range t.entries {
		if !e.known {
			continue
		}
		i := Interface{Index: index, Name: e.name, Up: e.up, MTU: e.mtu, Addresses: slices.Clone(e.addrs)}
		if len(e.mac) == 6 && !slices.ContainsFunc(i.Addresses, netip.Addr.IsLinkLocalUnicast) {
			i.Addresses = append(i.Addresses, eui64([6]byte(e.mac)))
		}
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b Interface) int { return int(a.Index) - int(b.Index) })
	return all
}
