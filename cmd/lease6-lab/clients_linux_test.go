package main

import (
	"fmt"
	"net"
	"testing"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/clients"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/datacenter"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
)

// DUIDs that a template may leave to its clones. None says anything of the clones' NICs.
var (
	templateLLT  = []byte{0, 1, 0, 1, 0x2a, 0x2a, 0x2a, 0x2a, 0x52, 0x54, 0, 0xde, 0xad, 0x01}
	templateUUID = append([]byte{0, 4}, "lease6 lab's UUID"[:16]...)
)

// TestClients: every client gets exactly the lease of each NIC, over every path, although it shows one foreign DUID for
// two NICs.
func TestClients(t *testing.T) {
	for _, c := range clients.All() {
		for _, path := range []datacenter.Path{datacenter.Direct, datacenter.Relayed, datacenter.Told} {
			t.Run(fmt.Sprintf("%s/%s", c.Name, path), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, "", path)
				g := w.guest("vm", path, 2)
				var uplink *netlab.Tap
				if path != datacenter.Direct {
					var err error
					uplink, err = w.dc.Relay[path].Tap(datacenter.Up, nil)
					w.must(err)
				}
				g.start(c, clients.Identity{DUID: templateLLT})
				g.awaitLeases()
				g.wireDUIDs(nil, templateLLT)
				if uplink != nil {
					checkRelay(t, uplink, path)
				}
			})
		}
	}
}

// checkRelay checks that a relay said of its clients what the test is about: the true MAC, or nothing.
func checkRelay(t *testing.T, uplink *netlab.Tap, path datacenter.Path) {
	t.Helper()
	macs := make(map[string]bool)
	for _, p := range uplink.Packets() {
		if p.Out && p.Message.IsRelay() {
			macs[p.Option79().String()] = true
		}
	}
	want := map[string]bool{net.HardwareAddr(nil).String(): true}
	if path == datacenter.Told {
		first, _ := leaseOf(path, 1)
		second, _ := leaseOf(path, 2)
		want = map[string]bool{first.String(): true, second.String(): true}
	}
	if fmt.Sprint(macs) != fmt.Sprint(want) {
		t.Errorf("option 79 of the relay: %v, want %v", macs, want)
	}
}

// TestIdentities: on a direct link it makes no difference which DUID a client shows.
func TestIdentities(t *testing.T) {
	for _, id := range []struct {
		name string
		id   clients.Identity
	}{
		{"own", clients.Identity{}},
		{"link-layer", clients.Identity{LinkLayer: true}},
		{"template-uuid", clients.Identity{DUID: templateUUID}},
	} {
		t.Run(id.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			all := append(clients.All(), clients.DhclientPerNIC())
			var guests []*guest
			for i, c := range all {
				g := w.guest(fmt.Sprintf("vm%d", i), datacenter.Direct, 1)
				g.start(c, id.id)
				guests = append(guests, g)
			}
			for i, g := range guests {
				g.awaitLeases()
				want := id.id.DUID
				if all[i].Name == "dhclient per NIC" || id.id.LinkLayer {
					mac, err := g.machine.MAC("eth0")
					g.must(err)
					want = append([]byte{0, 3, 0, 1}, mac...)
				}
				g.wireDUIDs(nil, want)
			}
		})
	}
}
