package main

import (
	"bytes"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/clients"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/datacenter"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/frame"
)

// The tests of this file are the failures of other servers that made this one necessary.

// TestClones: VMs cloned from one template show one DUID. Elsewhere they get nothing, or one address for all.
func TestClones(t *testing.T) {
	for _, c := range []struct {
		client clients.Client
		id     clients.Identity
	}{
		{clients.Dhclient(), clients.Identity{DUID: templateLLT}},
		// These make their DUID from the machine id, which a clone has from its template too.
		{clients.Networkd(), clients.Identity{}},
		{clients.NetworkManager(), clients.Identity{}},
	} {
		t.Run(c.client.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "", datacenter.Relayed)
			var guests []*guest
			for name, path := range map[string]datacenter.Path{"near": datacenter.Direct, "near2": datacenter.Direct, "far": datacenter.Relayed} {
				g := w.guest(name, path, 1)
				g.must(g.machine.WriteFile("/etc/machine-id", []byte("6c656173653674656d706c6174653131\n"), 0o444))
				g.start(c.client, c.id)
				guests = append(guests, g)
			}
			var duid []byte
			for _, g := range guests {
				g.awaitLeases()
				duid = g.wireDUIDs(nil, duid)
			}
		})
	}
}

// TestTwoNICs: two NICs of a VM share a DUID, as always on Windows. Elsewhere NIC 2 gets the address of NIC 1.
func TestTwoNICs(t *testing.T) {
	for _, path := range []datacenter.Path{datacenter.Direct, datacenter.Relayed, datacenter.Told} {
		t.Run(path.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "", path)
			g := w.guest("vm", path, 2)
			// With one process for both, dhclient shows the DUID-LL of one NIC on both.
			g.start(clients.Dhclient(), clients.Identity{LinkLayer: true})
			g.awaitLeases()
			duid := g.wireDUIDs(nil, nil)
			if len(duid) != 10 || duid[1] != 3 {
				t.Errorf("DUID %x, want a DUID-LL", duid)
			}
		})
	}
}

// TestClaim: a tenant claims the MAC of another VM in its DUID-LL. Elsewhere it gets the other's address.
func TestClaim(t *testing.T) {
	for _, path := range []datacenter.Path{datacenter.Direct, datacenter.Told} {
		t.Run(path.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "", path)
			victim := w.guest("victim", path, 1)
			mac, err := victim.machine.MAC("eth0")
			w.must(err)
			claimed := append([]byte{0, 3, 0, 1}, mac...)

			// One with a lease gets its own; one without gets none, neither before nor after the victim has its own.
			tenant, stranger := w.guest("tenant", path, 1), w.stranger("stranger", path, 1)
			tenant.start(clients.Claimant(claimed), clients.Identity{})
			stranger.start(clients.Claimant(claimed), clients.Identity{})
			tenant.awaitLeases()
			seen := stranger.await("a refusal", 0, 0, refused)
			victim.start(clients.Dhclient(), clients.Identity{LinkLayer: true})
			victim.awaitLeases()
			stranger.await("another refusal", 0, seen, refused)
			for _, g := range []*guest{tenant, stranger} {
				g.wireDUIDs(nil, claimed)
				for _, p := range g.taps[0].Packets() {
					if answer(p) && slices.Contains(p.Addresses(), victim.leases[0]) {
						t.Errorf("%s was offered the victim's address", g.machine.Name)
					}
				}
			}
			if got, err := stranger.machine.Global("eth0"); err != nil || len(got) != 0 {
				t.Errorf("the stranger has %v (%v), want nothing", got, err)
			}
		})
	}
}

// TestReinstall: a VM comes back with another DUID and, by another client, another IAID: reinstalled, or booted by PXE
// before. Elsewhere it gets nothing until the old binding runs out. Here the first answer gives it its address.
func TestReinstall(t *testing.T) {
	all := clients.All()
	for i, c := range all {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			g := w.guest("vm", datacenter.Direct, 1)
			for _, boot := range []struct {
				client clients.Client
				id     clients.Identity
			}{
				{c, clients.Identity{DUID: templateLLT}},
				{c, clients.Identity{DUID: templateUUID}},
				{c, clients.Identity{LinkLayer: true}},
				{all[(i+1)%len(all)], clients.Identity{}},
			} {
				before := g.packets()
				g.start(boot.client, boot.id)
				g.awaitLeases()
				duid := g.wireDUIDs(before, boot.id.DUID)
				if boot.id.LinkLayer && (len(duid) != 10 || duid[1] != 3) {
					t.Errorf("%s: DUID %x, want a DUID-LL", boot.client.Name, duid)
				}
				for _, p := range g.taps[0].Packets()[before[0]:] {
					if answer(p) && !slices.Equal(p.Addresses(), g.leases) {
						t.Errorf("%s: %s gives %v with status %d, want %v", boot.client.Name, p.Message.Type(), p.Addresses(), p.Status(), g.leases)
					}
				}
				g.crash()
			}
		})
	}
}

// TestDecline: somebody else uses the VM's address, and the client declines it. Elsewhere the address is then put away,
// and the VM stays without for hours. Here it is offered again, and the VM has it as soon as it is free.
//
// Of the clients of Debian 12 only dhclient sends a Decline when the kernel finds a duplicate.
func TestDecline(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	g, squatter := w.guest("vm", datacenter.Direct, 1), w.stranger("squatter", datacenter.Direct, 1)
	address := netip.PrefixFrom(g.leases[0], 64).String()
	w.must(squatter.machine.AddAddress("eth0", address))
	w.must(g.machine.Sysctl("ipv6/conf/eth0/accept_dad", "1"))
	g.start(clients.Dhclient(), clients.Identity{LinkLayer: true})

	declined := g.await("a Decline", 0, 0, sent(dhcpv6.MessageTypeDecline))
	g.await("the offer of the same address", 0, declined, func(p *frame.Packet) bool {
		return answer(p) && p.Message.Type() == dhcpv6.MessageTypeAdvertise && slices.Equal(p.Addresses(), g.leases)
	})
	w.must(squatter.machine.DelAddress("eth0", address))
	g.awaitLeases()
}

// TestRelease: a client gives its address back, the server thanks it, and gives it out again.
func TestRelease(t *testing.T) {
	for _, c := range clients.All() {
		if c.Release == nil {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			g := w.guest("vm", datacenter.Direct, 1)
			g.start(c, clients.Identity{LinkLayer: true})
			g.awaitLeases()
			before := g.packets()[0]
			w.must(c.Release(w.ctx, g.machine, g.nics, g.process))
			released := g.await("a Release", 0, before, sent(dhcpv6.MessageTypeRelease))
			id := g.taps[0].Packets()[released-1].Inner().TransactionID
			g.await("the Reply to it", 0, released, func(p *frame.Packet) bool {
				inner := p.Inner()
				if !answer(p) || inner.TransactionID != id {
					return false
				}
				status := inner.Options.Status()
				return status != nil && status.StatusCode == 0
			})
			g.crash()
			g.start(c, clients.Identity{DUID: templateUUID})
			g.awaitLeases()
		})
	}
}

// TestRenew: a client renews at T1 and keeps its address.
func TestRenew(t *testing.T) {
	for _, c := range clients.All() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "[defaults]\nvalid-lifetime = 60\npreferred-lifetime = 40\nt1 = 2\nt2 = 20\n")
			g := w.guest("vm", datacenter.Direct, 1)
			g.start(c, clients.Identity{DUID: templateLLT})
			g.awaitLeases()
			renewed := g.await("a Renew", 0, 0, sent(dhcpv6.MessageTypeRenew))
			renew := g.taps[0].Packets()[renewed-1]
			if !bytes.Equal(renew.DUID(), templateLLT) {
				t.Errorf("Renew with DUID %x, want %x", renew.DUID(), templateLLT)
			}
			g.await("the Reply to it", 0, renewed, func(p *frame.Packet) bool {
				return answer(p) && p.Inner().TransactionID == renew.Inner().TransactionID && slices.Equal(p.Addresses(), g.leases)
			})
			g.awaitLeases()
		})
	}
}

// TestServerRestart: the server is killed and comes back; the next Renew is answered as if nothing had been, because a
// fixed lease has no state that could be lost.
func TestServerRestart(t *testing.T) {
	t.Parallel()
	const config = "[defaults]\nvalid-lifetime = 60\npreferred-lifetime = 40\nt1 = 3\nt2 = 20\n"
	w := newWorld(t, config)
	g := w.guest("vm", datacenter.Direct, 1)
	g.start(clients.Networkd(), clients.Identity{})
	g.awaitLeases()
	w.must(w.server.Stop(w.ctx, syscall.SIGKILL))
	var err error
	w.server, err = w.dc.Serve(w.ctx, lease6d.path, "--config", w.lab.Dir()+"/lease6d.toml")
	w.must(err)
	back := time.Now()
	g.await("a Renew that is answered", 0, 0, func(p *frame.Packet) bool {
		return !p.Out && p.At.After(back) && p.Message.Type() == dhcpv6.MessageTypeReply && slices.Equal(p.Addresses(), g.leases)
	})
	stopped := w.server.Stop(w.ctx, syscall.SIGTERM)
	w.must(stopped)
}
