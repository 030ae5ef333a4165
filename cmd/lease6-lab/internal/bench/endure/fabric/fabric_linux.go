package fabric

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/arena"
)

// Fabric makes interfaces of the server: VLANs on the arena's wire, or pairs of veth where the kernel has no VLANs. One
// goroutine at a time may use it.
type Fabric struct {
	Kind string // "vlan" or "veth"

	server, clients *netlink.Handle
	clientsNS       netns.NsHandle
	trunk, trunkFar int // the arena's wire, on the server's side and the clients'
	serverNS        netns.NsHandle
}

// New makes a fabric of an arena in which the server with this process id runs. The VMs' ends get no IPv6 of their own: VMs
// are frames.
func New(a *arena.Arena, pid int) (*Fabric, error) {
	f := &Fabric{clientsNS: netns.None(), serverNS: netns.None()}
	if err := f.open(a, pid); err != nil {
		f.Close()
		return nil, fmt.Errorf("fabric: %w", err)
	}
	return f, nil
}

func (f *Fabric) open(a *arena.Arena, pid int) (err error) {
	err = a.Clients(-1, func() (err error) {
		if f.clientsNS, err = netns.Get(); err != nil {
			return fmt.Errorf("network namespace of the clients: %w", err)
		}
		return withoutIPv6()
	})
	if err != nil {
		return err
	}
	if f.serverNS, err = netns.GetFromPid(pid); err != nil {
		return fmt.Errorf("network namespace of the server: %w", err)
	}
	if f.server, err = netlink.NewHandleAt(f.serverNS); err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	if f.clients, err = netlink.NewHandleAt(f.clientsNS); err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	if f.trunk, err = index(f.server, arena.ServerNIC); err != nil {
		return err
	}
	if f.trunkFar, err = index(f.clients, arena.ClientsNIC); err != nil {
		return err
	}
	f.Kind = "veth"
	if probe := vlan("probe", f.trunk, MaxInterfaces); f.server.LinkAdd(probe) == nil {
		f.Kind = "vlan"
		err = f.server.LinkDel(probe)
	}
	return err
}

func index(links *netlink.Handle, name string) (int, error) {
	l, err := links.LinkByName(name)
	if err != nil {
		return 0, fmt.Errorf("interface %s: %w", name, err)
	}
	return l.Attrs().Index, nil
}

// near and far are the names of the two ends of VM i.
func near(i int) string { return Prefix + strconv.Itoa(i+1) }
func far(i int) string  { return "c" + strconv.Itoa(i+1) }

func vlan(name string, parent, id int) *netlink.Vlan {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex = name, parent
	return &netlink.Vlan{LinkAttrs: attrs, VlanId: id}
}

// Add makes the interface of VM i and returns the index of the VM's end. The server's end is turned on last.
func (f *Fabric) Add(i int) (int, error) {
	var ours, vms netlink.Link
	var err error
	if f.Kind == "vlan" {
		v, c := vlan(near(i), f.trunk, i+1), vlan(far(i), f.trunkFar, i+1)
		ours, vms = v, c
		err = errors.Join(f.clients.LinkAdd(c), f.server.LinkAdd(v))
	} else {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = near(i)
		v := &netlink.Veth{LinkAttrs: attrs, PeerName: far(i), PeerNamespace: netlink.NsFd(f.clientsNS)}
		ours = v
		if err = f.server.LinkAdd(v); err == nil {
			vms, err = f.clients.LinkByName(far(i))
		}
	}
	if err == nil {
		err = f.clients.LinkSetUp(vms)
	}
	if err == nil {
		err = f.server.LinkSetUp(ours)
	}
	if err != nil {
		return 0, fmt.Errorf("fabric: make interface %s: %w", near(i), err)
	}
	return vms.Attrs().Index, nil
}

// Remove deletes the interface of VM i, and the VM's end with it.
func (f *Fabric) Remove(i int) error {
	ends := []struct {
		links *netlink.Handle
		name  string
	}{{f.server, near(i)}, {f.clients, far(i)}}
	if f.Kind == "veth" {
		ends = ends[:1] // the other goes with it
	}
	for _, e := range ends {
		link, err := e.links.LinkByName(e.name)
		if err == nil {
			err = e.links.LinkDel(link)
		}
		if err != nil {
			return fmt.Errorf("fabric: delete interface %s: %w", e.name, err)
		}
	}
	return nil
}

// Exist counts the interfaces that are there, and returns a function that knows them.
func (f *Fabric) Exist() (n int, exists func(name string) bool, err error) {
	links, err := f.server.LinkList()
	if err != nil {
		return 0, nil, fmt.Errorf("fabric: list interfaces: %w", err)
	}
	names := make(map[string]bool)
	for _, l := range links {
		if name := l.Attrs().Name; strings.HasPrefix(name, Prefix) {
			names[name] = true
		}
	}
	return len(names), func(name string) bool { return names[name] }, nil
}

// Close leaves the interfaces to the end of the arena.
func (f *Fabric) Close() error {
	for _, h := range []*netlink.Handle{f.server, f.clients} {
		if h != nil {
			h.Close()
		}
	}
	var err error
	for _, ns := range []*netns.NsHandle{&f.serverNS, &f.clientsNS} {
		if ns.IsOpen() {
			err = errors.Join(err, ns.Close())
		}
	}
	return err
}

// withoutIPv6 keeps interfaces that come into the network namespace of this thread from speaking IPv6 by themselves.
func withoutIPv6() error {
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0); err != nil {
		return fmt.Errorf("turn IPv6 of new interfaces off: %w", err)
	}
	return nil
}
