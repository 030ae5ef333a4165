package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/clients"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/datacenter"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/frame"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/labtest"
	numbers "github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/peers"
)

// compared are the servers of the table in the README, in its order.
var compared = []string{"lease6d", "isc-dhcpd", "kea", "dnsmasq"}

// failure is one thing that goes wrong elsewhere: a row of the table. It returns what the client was told.
type failure struct {
	name string
	run  func(s *site) string
}

func failures() []failure {
	return []failure{
		{"a clone with its template's DUID-LLT", cloned},
		{"a clone with a DUID from its template's machine id", clonedMachineID},
		{"the second NIC, with the DUID-LL of the first", secondNIC},
		{"a tenant without a lease who claims another's MAC", claims},
		{"a VM with a new DUID while its old binding lives", reinstalled},
		{"after a Decline of the VM's only address", declined},
	}
}

// TestComparison runs each failure against each server with the same reservations, and holds the README's table to it.
func TestComparison(t *testing.T) {
	t.Parallel()
	labtest.Needs(t, "dhcpd", "kea-dhcp6", "dnsmasq", "dhclient")
	needsServer(t)
	all := failures()
	table := make([][]string, len(all))
	var wg sync.WaitGroup
	for i := range all {
		table[i] = make([]string, len(compared))
		// One row after the other: they wait for clients more than they work, but there are four labs in each.
		for k, server := range compared {
			wg.Go(func() { table[i][k] = runFailure(t, server, all[i]) })
		}
		wg.Wait()
	}
	var b strings.Builder
	b.WriteString("| the client | lease6 | ISC dhcpd 4.4.3 | Kea 2.2.0 | dnsmasq 2.90 |\n|---|---|---|---|---|\n")
	for i, row := range table {
		fmt.Fprintf(&b, "| %s | %s |\n", all[i].name, strings.Join(row, " | "))
		if row[0] != "its address" && row[0] != "refused" {
			t.Errorf("%s: lease6d: %s", all[i].name, row[0])
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(b.String())) {
		_, shown, _ := strings.Cut(string(text), "| the client |")
		shown, _, _ = strings.Cut(shown, "\n\n")
		t.Errorf("the README does not show what was measured:\n%s\n%s", cmp.Diff("| the client |"+shown+"\n", b.String()), b.String())
	}
}

// site is one server with reservations for the first clients of the load generator's numbering.
type site struct {
	*testing.T
	ctx    context.Context
	lab    *netlab.Lab
	dc     *datacenter.Datacenter
	server *netlab.Process
	taken  int
}

// runFailure sets up a lab for one server and one failure. Errors are the test's, but the others go on.
func runFailure(t *testing.T, server string, f failure) (told string) {
	ok := t.Run(strings.ReplaceAll(server+", "+f.name, " ", "_"), func(t *testing.T) {
		s := &site{T: t}
		s.lab, s.ctx = labs.New(t)
		s.start(server)
		told = f.run(s)
	})
	if !ok {
		told = "test failed"
	}
	return told
}

func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// start starts a server with eight reservations on the bridge of the VMs.
func (s *site) start(name string) {
	s.Helper()
	const reservations = 8
	var err error
	s.dc, err = datacenter.New(s.ctx, s.lab, datacenter.Direct)
	s.must(err)
	// An address in the clients' prefix, for dnsmasq, and the one that the peers' configurations speak of.
	s.must(s.dc.Server.AddAddress(datacenter.VMs, numbers.LinkAddress.String()+"/64"))
	s.must(s.dc.Server.AddAddress(datacenter.VMs, "2001:db8:ff::1/64"))
	// The bridge has a link-local address once it has a carrier, and Kea wants one when it starts.
	s.must(s.dc.Server.Carrier(datacenter.VMs))
	s.must(s.dc.Server.AwaitLinkLocal(s.ctx, datacenter.VMs))
	peer, err := peers.Find(name, map[string]string{"lease6d": lease6d.path})
	s.must(err)
	args, env, err := peer.Configure(&peers.Site{Dir: s.lab.Dir(), Hosts: reservations, Mode: numbers.Direct, Interface: datacenter.VMs})
	s.must(err)
	s.server, err = s.dc.Server.Start(append(append([]string{"env"}, env...), args...)...)
	s.must(err)
}

// vm boots a VM; each NIC is that of the next reservation, or of none.
func (s *site) vm(name string, nics int, reserved bool) *guestOf {
	s.Helper()
	m, err := s.lab.Machine(name)
	s.must(err)
	g := &guestOf{site: s, machine: m}
	for n := range nics {
		mac := net.HardwareAddr{0x52, 0x54, 0xff, 0xff, 0xff, byte(n)}
		if reserved {
			raw := numbers.MAC(s.taken)
			s.taken++
			mac = raw[:]
			g.addresses = append(g.addresses, netip.AddrFrom16(numbers.Address(raw)))
		}
		nic := fmt.Sprint("eth", n)
		s.must(s.dc.Attach(m, nic, mac.String(), datacenter.Direct))
		s.must(m.AwaitLinkLocal(s.ctx, nic))
		tap, err := m.Tap(nic, nil)
		s.must(err)
		g.nics, g.macs, g.taps = append(g.nics, nic), append(g.macs, mac), append(g.taps, tap)
	}
	return g
}

// guestOf is a VM at a site.
type guestOf struct {
	*site
	machine   *netlab.Machine
	nics      []string
	macs      []net.HardwareAddr
	addresses []netip.Addr // reserved for its NICs
	taps      []*netlab.Tap
}

// asks lets a client with this DUID ask on all NICs and returns what NIC n is told first, in words.
func (g *guestOf) asks(duid []byte, n int) (told string, client *netlab.Process) {
	g.Helper()
	before := len(g.taps[n].Packets())
	client, err := clients.Claimant(duid).Start(g.ctx, g.machine, g.nics, clients.Identity{})
	g.must(err)
	return g.told(n, before), client
}

// told waits for the first answer to NIC n behind the first so many packets.
func (g *guestOf) told(n, after int) string {
	g.Helper()
	ctx, cancel := context.WithTimeout(g.ctx, 20*time.Second)
	defer cancel()
	told := "no answer"
	_ = netlab.Await(ctx, "an answer", func() (bool, error) {
		for i, p := range g.taps[n].Packets() {
			if i >= after && answer(p) {
				told = g.inWords(n, p)
				return true, nil
			}
		}
		return false, nil
	})
	return told
}

func (g *guestOf) inWords(n int, p *frame.Packet) string {
	switch got := p.Addresses(); {
	case len(got) == 0:
		return "refused"
	case n < len(g.addresses) && got[0] == g.addresses[n]:
		return "its address"
	case slices.Contains(g.addresses, got[0]):
		return "**the other NIC's address**"
	default:
		return "**another's address**"
	}
}

func duidOf(kind byte, mac net.HardwareAddr) []byte {
	if kind == 1 {
		return append([]byte{0, 1, 0, 1, 42, 42, 42, 42}, mac...)
	}
	return append([]byte{0, 3, 0, 1}, mac...)
}

func cloned(s *site) string {
	told, _ := s.vm("clone", 1, true).asks(templateLLT, 0)
	return told
}

func clonedMachineID(s *site) string {
	told, _ := s.vm("clone", 1, true).asks(templateUUID, 0)
	return told
}

func secondNIC(s *site) string {
	g := s.vm("vm", 2, true)
	told, _ := g.asks(duidOf(3, g.macs[0]), 1)
	return told
}

func claims(s *site) string {
	victim := s.vm("victim", 1, true)
	told, _ := s.vm("tenant", 1, false).asks(duidOf(3, victim.macs[0]), 0)
	return told
}

// reinstalled: the VM has its address, by a DUID that all servers find it by, and comes back with another of that kind.
func reinstalled(s *site) string {
	g := s.vm("vm", 1, true)
	first, client := g.asks(duidOf(3, g.macs[0]), 0)
	if first != "its address" {
		return "first boot: " + first
	}
	s.must(netlab.Await(s.ctx, "the address", func() (bool, error) {
		got, err := g.machine.Global("eth0")
		return len(got) == 1 && got[0] == g.addresses[0], err
	}))
	s.must(clients.Dhclient().Crash(s.ctx, client))
	s.must(g.machine.FlushGlobal("eth0"))
	told, _ := g.asks(duidOf(1, g.macs[0]), 0)
	return told
}

// declined: somebody uses the VM's address, the VM declines it, and asks again.
func declined(s *site) string {
	g, squatter := s.vm("vm", 1, true), s.vm("squatter", 1, false)
	s.must(squatter.machine.AddAddress("eth0", netip.PrefixFrom(g.addresses[0], 64).String()))
	s.must(g.machine.Sysctl("ipv6/conf/eth0/accept_dad", "1"))
	if first, _ := g.asks(duidOf(3, g.macs[0]), 0); first != "its address" {
		return "first boot: " + first
	}
	after := 0
	s.must(netlab.Await(s.ctx, "a Decline", func() (bool, error) {
		for i, p := range g.taps[0].Packets() {
			if p.Out && p.Message.Type() == dhcpv6.MessageTypeDecline {
				after = i + 1
				return true, nil
			}
		}
		return false, nil
	}))
	// The Reply to the Decline itself has no address: the next Advertise counts.
	for i, p := range g.taps[0].Packets() {
		if i >= after && answer(p) && p.Message.Type() == dhcpv6.MessageTypeReply {
			after = i + 1
		}
	}
	return g.told(0, after)
}
