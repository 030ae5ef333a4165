package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/clients"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/datacenter"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/frame"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/generate"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/labtest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
	"github.com/lease6/lease6/leases/isc"
)

// world is a datacenter with lease6d serving, for one test.
type world struct {
	*testing.T
	ctx    context.Context
	lab    *netlab.Lab
	dc     *datacenter.Datacenter
	server *netlab.Process
	taken  map[datacenter.Path]byte
}

// leasesAPath is how many leases the lease file has for the link of each path.
const leasesAPath = 9

// leaseOf is the n-th lease of a path's link.
func leaseOf(path datacenter.Path, n byte) (net.HardwareAddr, netip.Addr) {
	return net.HardwareAddr{0x52, 0x54, 0, byte(path), 0xcc, n}, netip.MustParseAddr(fmt.Sprintf("%sa%d", path.Prefix(), n))
}

// newWorld builds a datacenter with the relays of the paths, and starts the server. Without a configuration the
// server has its defaults, and %LEASES% and %STATE% in one stand for the paths to use.
func newWorld(t *testing.T, config string, paths ...datacenter.Path) *world {
	t.Helper()
	needsServer(t)
	labtest.Needs(t, "dhcrelay", "dnsmasq")
	w := &world{T: t, taken: make(map[datacenter.Path]byte)}
	w.lab, w.ctx = labs.New(t)
	file := []byte(generate.Header)
	for _, path := range []datacenter.Path{datacenter.Direct, datacenter.Relayed, datacenter.Told} {
		for n := byte(1); n <= leasesAPath; n++ {
			mac, addr := leaseOf(path, n)
			file = isc.AppendHost(file, &isc.Host{Name: generate.HostName(mac), Dynamic: true, HardwareType: isc.Ethernet, Hardware: mac, Addresses: addr.AsSlice()})
		}
	}
	leases, err := w.lab.WriteFile("dhcpd6.leases", file)
	w.must(err)
	w.dc, err = datacenter.New(w.ctx, w.lab, paths...)
	w.must(err)
	state := w.lab.Dir()
	args := []string{"--leases", leases, "--interface", datacenter.VMs, "--state-dir", state}
	if config != "" {
		config = fmt.Sprintf("leases.file = %q\nserver.state-dir = %q\nserver.interfaces = [%q]\n", leases, state, datacenter.VMs) + config
		path, err := w.lab.WriteFile("lease6d.toml", []byte(config))
		w.must(err)
		args = []string{"--config", filepath.Clean(path)}
	}
	w.server, err = w.dc.Serve(w.ctx, lease6d.path, args...)
	w.must(err)
	t.Cleanup(func() {
		// Nothing of the kind can be there unless the server was built with the race detector.
		if strings.Contains(w.server.Output(), "DATA RACE") {
			t.Errorf("a data race in the server:\n%s", w.server.Output())
		}
	})
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// guest is a VM of a test.
type guest struct {
	*world
	machine *netlab.Machine
	nics    []string
	leases  []netip.Addr // of each NIC; invalid if it has none
	taps    []*netlab.Tap
	client  clients.Client
	process *netlab.Process
}

// guest boots a VM with the next leases of the path's link.
func (w *world) guest(name string, path datacenter.Path, nics int) *guest {
	w.Helper()
	g := w.empty(name)
	for range nics {
		w.taken[path]++
		mac, addr := leaseOf(path, w.taken[path])
		g.attach(path, mac, addr)
	}
	return g
}

// stranger boots a VM without a lease.
func (w *world) stranger(name string, path datacenter.Path, last byte) *guest {
	w.Helper()
	g := w.empty(name)
	g.attach(path, net.HardwareAddr{0x52, 0x54, 0xff, 0xff, 0xff, last}, netip.Addr{})
	return g
}

func (w *world) empty(name string) *guest {
	w.Helper()
	m, err := w.lab.Machine(name)
	w.must(err)
	return &guest{world: w, machine: m}
}

// attach adds a NIC. Where a relay tells the MAC, the link-local address does not.
func (g *guest) attach(path datacenter.Path, mac net.HardwareAddr, lease netip.Addr) {
	g.Helper()
	nic := fmt.Sprintf("eth%d", len(g.nics))
	g.must(g.dc.Attach(g.machine, nic, mac.String(), path))
	if path == datacenter.Told {
		g.must(g.machine.SetLinkLocal(nic, netip.AddrFrom16([16]byte{0xfe, 0x80, 8: 0x31, 0x41, 0x59, 0x26, 0x53, mac[2], mac[5], 0x97})))
	}
	tap, err := g.machine.Tap(nic, nil)
	g.must(err)
	g.nics, g.leases, g.taps = append(g.nics, nic), append(g.leases, lease), append(g.taps, tap)
}

// start starts a client on all NICs.
func (g *guest) start(c clients.Client, id clients.Identity) {
	g.Helper()
	labtest.Needs(g, c.Program)
	p, err := c.Start(g.ctx, g.machine, g.nics, id)
	g.must(err)
	g.client, g.process = c, p
}

// crash ends the client and takes its addresses, as a reboot does.
func (g *guest) crash() {
	g.Helper()
	g.must(g.client.Crash(g.ctx, g.process))
	for _, nic := range g.nics {
		g.must(g.machine.FlushGlobal(nic))
	}
}

// awaitLeases waits until every NIC has its lease, and fails if one has anything else.
func (g *guest) awaitLeases() {
	g.Helper()
	for i, nic := range g.nics {
		g.must(netlab.Await(g.ctx, fmt.Sprintf("%s on %s %s", g.leases[i], g.machine.Name, nic), func() (bool, error) {
			got, err := g.machine.Global(nic)
			if err != nil || len(got) == 0 {
				return false, err
			}
			if len(got) > 1 || got[0] != g.leases[i] {
				return false, fmt.Errorf("it has %v", got)
			}
			return true, nil
		}))
	}
}

// await waits for a packet of one NIC that is as it should be, beyond the first so many. It returns how many packets
// there were up to this one.
func (g *guest) await(what string, nic, after int, is func(*frame.Packet) bool) (seen int) {
	g.Helper()
	g.must(netlab.Await(g.ctx, what+" of "+g.machine.Name, func() (bool, error) {
		for i, p := range g.taps[nic].Packets() {
			if i >= after && is(p) {
				seen = i + 1
				return true, nil
			}
		}
		return false, nil
	}))
	return seen
}

// sent tells a message of this type from the NIC.
func sent(t dhcpv6.MessageType) func(*frame.Packet) bool {
	return func(p *frame.Packet) bool { return p.Out && p.Message.Type() == t }
}

// answer tells what the server says to the NIC, from what others of the link send to all.
func answer(p *frame.Packet) bool {
	t := p.Message.Type()
	return !p.Out && (t == dhcpv6.MessageTypeAdvertise || t == dhcpv6.MessageTypeReply)
}

// refused tells an answer to the NIC that gives it no address.
func refused(p *frame.Packet) bool {
	return answer(p) && p.Status() == uint16(2) && len(p.Addresses()) == 0
}

// wireDUIDs checks the DUID of all that the NICs have sent, from the packet after on. A nil want takes any, as long as
// it is always the same. It returns the DUID.
func (g *guest) wireDUIDs(after []int, want []byte) []byte {
	g.Helper()
	got := want
	for i, tap := range g.taps {
		// The kernel may be done with a packet before the tap has read it.
		g.await("a packet from "+g.nics[i], i, at(after, i), func(p *frame.Packet) bool { return p.Out })
		for k, p := range tap.Packets() {
			if !p.Out || k < at(after, i) {
				continue
			}
			if got == nil {
				got = p.DUID()
			}
			if len(got) == 0 || !bytes.Equal(p.DUID(), got) {
				g.Errorf("%s %s: %s with DUID %x, want %x", g.machine.Name, g.nics[i], p.Message.Type(), p.DUID(), got)
			}
		}
	}
	return got
}

// packets is how many packets each NIC has seen.
func (g *guest) packets() []int {
	var n []int
	for _, tap := range g.taps {
		n = append(n, len(tap.Packets()))
	}
	return n
}

func at(n []int, i int) int {
	if n == nil {
		return 0
	}
	return n[i]
}
