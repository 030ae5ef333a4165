package demo

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/datacenter"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/generate"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
	"github.com/lease6/lease6/leases/isc"
)

// lease is what the demo needs of a host.
type lease struct {
	mac  net.HardwareAddr
	addr netip.Addr
}

// writeLeases casts the VMs with leases of the demo's own and writes the lease file that Abiquo would have written.
func writeLeases(lab *netlab.Lab) (path string, vms []*vm, err error) {
	file := isc.AppendServerDUID([]byte(generate.Header), []byte{0, 1, 0, 1, 0x2b, 0, 0, 1, 2, 0, 0, 0, 0, 1})
	n := 0
	vms, err = cast(func(path datacenter.Path) (net.HardwareAddr, netip.Addr, error) {
		n++
		mac := net.HardwareAddr{0x52, 0x54, 0, 0xaa, 0, byte(n)}
		addr, err := netip.ParseAddr(fmt.Sprintf("%sa%02x", path.Prefix(), n))
		if err != nil {
			return nil, netip.Addr{}, fmt.Errorf("make a lease: %w", err)
		}
		file = isc.AppendHost(file, &isc.Host{Name: generate.HostName(mac), Dynamic: true, HardwareType: isc.Ethernet, Hardware: mac, Addresses: addr.AsSlice()})
		return mac, addr, nil
	})
	if err != nil {
		return "", nil, err
	}
	path, err = lab.WriteFile("dhcpd6.leases", file)
	return path, vms, err
}

// castFrom casts the VMs with the first leases of a file.
func castFrom(path string) ([]*vm, error) {
	all, err := readLeases(path)
	if err != nil {
		return nil, err
	}
	n := 0
	return cast(func(datacenter.Path) (net.HardwareAddr, netip.Addr, error) {
		if n++; n > len(all) {
			return nil, netip.Addr{}, fmt.Errorf("%s: only %d hosts with a MAC and an IPv6 address; add some, or run without --leases", path, len(all))
		}
		return all[n-1].mac, all[n-1].addr, nil
	})
}

// readLeases returns the leases that a file comes to, one for each MAC, in the order of their first record.
func readLeases(path string) ([]lease, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("demo: lease file: %w", err)
	}
	defer f.Close()
	var order []string
	hosts := make(map[string]*isc.Host)
	for s := isc.NewScanner(f, isc.Options{File: path}); s.Scan(); {
		if s.Kind() != isc.KindHost {
			continue
		}
		h := s.Host()
		if _, seen := hosts[h.Name]; !seen {
			order = append(order, h.Name)
		}
		hosts[h.Name] = h.Clone()
	}
	var all []lease
	taken := make(map[string]bool)
	for _, name := range order {
		h := hosts[name]
		mac := net.HardwareAddr(h.Hardware)
		// A multicast address cannot be given to a NIC, and of two leases of one MAC the server chooses.
		if h.Deleted || h.Damaged || len(mac) != 6 || mac[0]&1 != 0 || len(h.Addresses) != 16 || taken[mac.String()] {
			continue
		}
		taken[mac.String()] = true
		all = append(all, lease{mac, netip.AddrFrom16([16]byte(h.Addresses))})
	}
	return all, nil
}
