package server

import (
	"fmt"
	"net"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestInterfaceTable: what the kernel tells, in the orders in which it can come, and what is then known.
func TestInterfaceTable(t *testing.T) {
	mac := net.HardwareAddr{0x52, 0x54, 0, 0, 0, 1}
	attrs := func(index int, name string, flags net.Flags) *netlink.LinkAttrs {
		return &netlink.LinkAttrs{Index: index, Name: name, Flags: flags, MTU: 1500, HardwareAddr: mac}
	}
	const local, global = "fe80::1", "2001:db8::1"
	up := func(t *interfaceTable) { t.link(false, unix.AF_UNSPEC, attrs(5, "eth0", net.FlagUp)) }
	add := func(addr string) func(*interfaceTable) {
		return func(t *interfaceTable) { t.address(5, net.ParseIP(addr), true) }
	}
	remove := func(addr string) func(*interfaceTable) {
		return func(t *interfaceTable) { t.address(5, net.ParseIP(addr), false) }
	}
	gone := func(t *interfaceTable) { t.link(true, unix.AF_UNSPEC, attrs(5, "eth0", 0)) }
	for _, tt := range []struct {
		name   string
		events []func(*interfaceTable)
		want   string
	}{
		{"up, without an address", []func(*interfaceTable){up}, "[{5 eth0 true 1500 [fe80::5054:ff:fe00:1]}]"},
		{"addresses", []func(*interfaceTable){up, add(global), add(local)}, "[{5 eth0 true 1500 [2001:db8::1 fe80::1]}]"},
		{"the address is told first", []func(*interfaceTable){add(local), up}, "[{5 eth0 true 1500 [fe80::1]}]"},
		{"told twice", []func(*interfaceTable){up, add(local), up, add(local)}, "[{5 eth0 true 1500 [fe80::1]}]"},
		{"an address is removed, or a duplicate", []func(*interfaceTable){up, add(local), add(global), remove(global)}, "[{5 eth0 true 1500 [fe80::1]}]"},
		{"IPv4 does not count", []func(*interfaceTable){up, add(local), add("10.0.0.1")}, "[{5 eth0 true 1500 [fe80::1]}]"},
		{"down", []func(*interfaceTable){up, add(local), func(t *interfaceTable) { t.link(false, unix.AF_UNSPEC, attrs(5, "eth0", 0)) }},
			"[{5 eth0 false 1500 [fe80::1]}]"},
		{"renamed", []func(*interfaceTable){up, add(local), func(t *interfaceTable) { t.link(false, unix.AF_UNSPEC, attrs(5, "eth7", net.FlagUp)) }},
			"[{5 eth7 true 1500 [fe80::1]}]"},
		{"deleted", []func(*interfaceTable){up, add(local), gone}, "[]"},
		{"deleted, its addresses told late", []func(*interfaceTable){up, gone, add(local), remove(local)}, "[]"},
		{"a port leaves a bridge", []func(*interfaceTable){up, add(local), func(t *interfaceTable) { t.link(true, unix.AF_BRIDGE, attrs(5, "eth0", 0)) }},
			"[{5 eth0 true 1500 [fe80::1]}]"},
		{"two", []func(*interfaceTable){up, add(local), func(t *interfaceTable) { t.link(false, unix.AF_UNSPEC, attrs(2, "lo", net.FlagUp)) }},
			"[{2 lo true 1500 [fe80::5054:ff:fe00:1]} {5 eth0 true 1500 [fe80::1]}]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := newInterfaceTable()
			for _, e := range tt.events {
				e(table)
			}
			if got := fmt.Sprint(table.list()); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if tt.want == "[]" && len(table.entries) != 0 {
				t.Errorf("left behind: %v", table.entries)
			}
		})
	}
}
