package netlab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
)

// ip runs ip(8) in the machine's network namespace, one command a line.
func (m *Machine) ip(commands ...string) error {
	cmd := exec.Command("ip", "-n", m.NS, "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("netlab: machine %s: ip %s: %w: %s", m.Name, strings.Join(commands, "; "), err, bytes.TrimSpace(out))
	}
	return nil
}

// Port is one end of a wire to be laid.
type Port struct {
	Machine *Machine
	NIC     string
	MAC     string // "" leaves the choice to the kernel
	Bridge  string // the NIC becomes a port of this bridge; "" for none
}

// Wire connects two NICs that it makes, and turns them on.
func Wire(a, b Port) error {
	end := func(p Port) string {
		words := "name " + p.NIC
		if p.MAC != "" {
			words += " address " + p.MAC
		}
		return words
	}
	if err := a.Machine.ip(fmt.Sprintf("link add %s type veth peer %s netns %s", end(a), end(b), b.Machine.NS)); err != nil {
		return err
	}
	for _, p := range []Port{a, b} {
		var commands []string
		if p.Bridge != "" {
			commands = append(commands, fmt.Sprintf("link set dev %s master %s", p.NIC, p.Bridge))
		}
		if err := p.Machine.ip(append(commands, fmt.Sprintf("link set dev %s up", p.NIC))...); err != nil {
			return err
		}
	}
	return nil
}

// Bridge makes a bridge. Its NICs are added by Wire.
func (m *Machine) Bridge(name string) error {
	// A MAC of its own keeps the bridge from taking that of its first port, and its link-local address from going stale.
	// Without snooping, a lab that is a second old floods multicast as an old one does.
	return m.ip(fmt.Sprintf("link add %s address 02:00:00:00:00:01 type bridge mcast_snooping 0", name), fmt.Sprintf("link set dev %s up", name))
}

// Carrier gives a bridge a carrier, and with it a link-local address, before anybody is attached to it.
func (m *Machine) Carrier(bridge string) error {
	return Wire(Port{Machine: m, NIC: "idle", Bridge: bridge}, Port{Machine: m, NIC: "idle-end"})
}

// AddAddress gives a NIC an address, "2001:db8::1/64".
func (m *Machine) AddAddress(nic, address string) error {
	return m.ip(fmt.Sprintf("address add %s dev %s nodad", address, nic))
}

// DelAddress takes an address away again.
func (m *Machine) DelAddress(nic, address string) error {
	return m.ip(fmt.Sprintf("address del %s dev %s", address, nic))
}

// FlushGlobal takes all addresses beyond link-local from a NIC.
func (m *Machine) FlushGlobal(nic string) error {
	return m.ip("address flush dev " + nic + " scope global")
}

// AddRoute adds a route, "default" or a prefix.
func (m *Machine) AddRoute(to, via string) error {
	return m.ip(fmt.Sprintf("route add %s via %s", to, via))
}

// SetLinkLocal replaces the link-local address that the kernel made from the MAC, as privacy extensions do.
func (m *Machine) SetLinkLocal(nic string, addr netip.Addr) error {
	return m.ip(fmt.Sprintf("link set dev %s addrgenmode none", nic), "address flush dev "+nic+" scope link",
		fmt.Sprintf("address add %s/64 dev %s nodad", addr, nic))
}

// Sysctl sets a value below net, "ipv6/conf/eth0/accept_dad".
func (m *Machine) Sysctl(name, value string) error {
	err := m.inside(func() error { return os.WriteFile("/proc/sys/net/"+name, []byte(value), 0) })
	if err != nil {
		return fmt.Errorf("netlab: machine %s: sysctl: %w", m.Name, err)
	}
	return nil
}

// MAC returns the MAC of a NIC.
func (m *Machine) MAC(nic string) (net.HardwareAddr, error) {
	var mac net.HardwareAddr
	err := m.inside(func() error {
		i, err := net.InterfaceByName(nic)
		if err == nil {
			mac = i.HardwareAddr
		}
		return err
	})
	return mac, err
}

// Address is an address of a NIC as ip(8) shows it.
type Address struct {
	Addr      netip.Addr `json:"local"`
	Family    string     `json:"family"`
	Scope     string     `json:"scope"`
	Tentative bool       `json:"tentative"`
	Duplicate bool       `json:"dadfailed"`
	Preferred uint32     `json:"preferred_life_time"` // seconds
	Valid     uint32     `json:"valid_life_time"`     // seconds
}

// Addresses returns the IPv6 addresses of a NIC.
func (m *Machine) Addresses(nic string) ([]Address, error) {
	out, err := exec.Command("ip", "-n", m.NS, "-6", "-j", "address", "show", "dev", nic).Output()
	if err != nil {
		return nil, fmt.Errorf("netlab: machine %s: addresses of %s: %w", m.Name, nic, err)
	}
	var links []struct {
		Addresses []Address `json:"addr_info"`
	}
	if err := json.Unmarshal(out, &links); err != nil {
		return nil, fmt.Errorf("netlab: machine %s: addresses of %s: %w", m.Name, nic, err)
	}
	var all []Address
	for _, l := range links {
		for _, a := range l.Addresses {
			if a.Family == "inet6" {
				all = append(all, a)
			}
		}
	}
	return all, nil
}

// Global returns the usable addresses of a NIC beyond link-local.
func (m *Machine) Global(nic string) ([]netip.Addr, error) {
	all, err := m.Addresses(nic)
	var global []netip.Addr
	for _, a := range all {
		if a.Scope == "global" && !a.Tentative && !a.Duplicate {
			global = append(global, a.Addr)
		}
	}
	return global, err
}

// AwaitLinkLocal waits until a NIC has a usable link-local address.
func (m *Machine) AwaitLinkLocal(ctx context.Context, nic string) error {
	return Await(ctx, "a link-local address on "+m.Name+" "+nic, func() (bool, error) {
		all, err := m.Addresses(nic)
		for _, a := range all {
			if a.Scope == "link" && !a.Tentative {
				return true, nil
			}
		}
		return false, err
	})
}
