package datacenter

import (
	"context"
	"fmt"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
)

// Path is how a VM reaches the server.
type Path uint8

// The paths, and the links of the same order.
const (
	Direct  Path = iota + 1 // on a link of the server's own
	Relayed                 // by a relay that says nothing of the client's MAC
	Told                    // by a relay that tells it by option 79
)

// String names the path.
func (p Path) String() string {
	switch p {
	case Relayed:
		return "relay"
	case Told:
		return "relay + option 79"
	default:
		return "direct"
	}
}

// VMs is the bridge that VMs are attached to, on dc and on each relay.
const VMs = "vms"

// Up is the NIC of a relay towards the server.
const Up = "up"

// Datacenter is the servers' side of a lab.
type Datacenter struct {
	Server *netlab.Machine
	Relay  map[Path]*netlab.Machine
}

// Prefix is the prefix of the VMs' link, without its length: "2001:db8:10::".
func (p Path) Prefix() string { return fmt.Sprintf("2001:db8:%d0::", p) }

// New builds the datacenter. Relays are built for those paths that are asked for, once each.
func New(ctx context.Context, lab *netlab.Lab, paths ...Path) (*Datacenter, error) {
	dc, err := lab.Machine("dc")
	if err != nil {
		return nil, err
	}
	d := &Datacenter{Server: dc, Relay: make(map[Path]*netlab.Machine)}
	if err := dc.Bridge(VMs); err != nil {
		return nil, err
	}
	if err := dc.AddAddress(VMs, Direct.Prefix()+"1/64"); err != nil {
		return nil, err
	}
	for _, path := range paths {
		if path == Direct {
			continue
		}
		if d.Relay[path], err = lab.Machine(path.relay()); err != nil {
			return nil, err
		}
	}
	return d, netlab.Each(paths, func(path Path) error {
		if path == Direct {
			return nil
		}
		return d.startRelay(ctx, path)
	})
}

// relay names the relay of a path.
func (p Path) relay() string { return fmt.Sprintf("relay%d", p-Direct) }

// startRelay wires the relay of a path and starts it.
func (d *Datacenter) startRelay(ctx context.Context, path Path) error {
	m, name := d.Relay[path], path.relay()
	if err := netlab.Wire(netlab.Port{Machine: d.Server, NIC: name}, netlab.Port{Machine: m, NIC: Up}); err != nil {
		return err
	}
	server, uplink, down := fmt.Sprintf("2001:db8:ff:%d::1", path), fmt.Sprintf("2001:db8:ff:%d::2", path), path.Prefix()+"1"
	for _, step := range []func() error{
		func() error { return d.Server.AddAddress(name, server+"/64") },
		func() error { return m.AddAddress(Up, uplink+"/64") },
		func() error { return m.Bridge(VMs) },
		func() error { return m.AddAddress(VMs, down+"/64") },
		// The bridge has no carrier before it has a port, and a relay no link-local address there.
		func() error { return m.Carrier(VMs) },
		func() error { return m.AwaitLinkLocal(ctx, VMs) },
		func() error { return m.AwaitLinkLocal(ctx, Up) },
		func() error { return d.Server.AddRoute(path.Prefix()+"/64", uplink) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	if path == Told {
		return startDnsmasq(ctx, m, down, server)
	}
	return startDhcrelay(ctx, m, server)
}

func startDhcrelay(ctx context.Context, m *netlab.Machine, server string) error {
	p, err := m.Start("dhcrelay", "-6", "-d", "--no-pid", "-l", VMs, "-u", server+"%"+Up)
	if err != nil {
		return err
	}
	return p.AwaitOutput(ctx, "Sending on   Socket/"+VMs)
}

func startDnsmasq(ctx context.Context, m *netlab.Machine, down, server string) error {
	p, err := m.Start("dnsmasq", "--no-daemon", "--port=0", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--user=root",
		"--leasefile-ro", "--log-dhcp", "--dhcp-relay="+down+","+server)
	if err != nil {
		return err
	}
	return p.AwaitOutput(ctx, "DHCP relay from "+down)
}

// Attach gives a VM a NIC on the link of a path.
func (d *Datacenter) Attach(vm *netlab.Machine, nic, mac string, path Path) error {
	at := d.Server
	if path != Direct {
		at = d.Relay[path]
	}
	return netlab.Wire(netlab.Port{Machine: at, NIC: vm.Name + "." + nic, Bridge: VMs}, netlab.Port{Machine: vm, NIC: nic, MAC: mac})
}

// Serve starts lease6d on the server and waits until it is ready.
func (d *Datacenter) Serve(ctx context.Context, binary string, args ...string) (*netlab.Process, error) {
	p, err := d.Server.Start(append([]string{binary}, args...)...)
	if err != nil {
		return nil, err
	}
	return p, p.AwaitOutput(ctx, "msg=ready")
}
