package demo

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/clients"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/datacenter"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
)

// nic is one NIC of the cast.
type nic struct {
	name    string
	mac     net.HardwareAddr
	lease   netip.Addr // its address in the lease file; invalid if it has no lease
	random  bool       // its link-local address says nothing of its MAC
	machine *netlab.Machine
	tap     *netlab.Tap
}

// vm is one VM of the cast.
type vm struct {
	name, story string
	path        datacenter.Path
	nics        []*nic
	client      clients.Client
	identity    clients.Identity
}

// templateDUID is what is left in the lease file of a template that was booted once: a DUID-LLT with the MAC of a NIC
// that no longer exists.
var templateDUID = []byte{0, 1, 0, 1, 0x2a, 0x2a, 0x2a, 0x2a, 0x52, 0x54, 0, 0xde, 0xad, 0x01}

// windowsDUID is another foreign one, a DUID-UUID.
var windowsDUID = []byte{0, 4, 0x6c, 0x65, 0x61, 0x73, 0x65, 0x36, 0x2d, 0x64, 0x65, 0x6d, 0x6f, 0x2d, 0x77, 0x69, 0x6e, 0x31}

// linkLayer is the DUID-LL of a MAC.
func linkLayer(mac net.HardwareAddr) []byte { return append([]byte{0, 3, 0, 1}, mac...) }

// cast is who is in the demo. take hands out the MAC and address of the next lease on a path's link.
func cast(take func(datacenter.Path) (net.HardwareAddr, netip.Addr, error)) ([]*vm, error) {
	var err error
	leased := func(path datacenter.Path, names ...string) []*nic {
		var nics []*nic
		for _, name := range names {
			mac, addr, e := take(path)
			if e != nil {
				err = e
			}
			nics = append(nics, &nic{name: name, mac: mac, lease: addr, random: path == datacenter.Told})
		}
		return nics
	}
	without := func(last byte, random bool) []*nic {
		return []*nic{{name: "eth0", mac: net.HardwareAddr{0x52, 0x54, 0, 0xff, 0, last}, random: random}}
	}
	ll, template := clients.Identity{LinkLayer: true}, clients.Identity{DUID: templateDUID}
	dhclient := clients.Dhclient()
	web := leased(datacenter.Direct, "eth0")
	win := leased(datacenter.Told, "eth0", "eth1")
	all := []*vm{
		{"web1", "identifies itself by its MAC, as it should", datacenter.Direct, web, dhclient, ll},
		{"clone1", "cloned from a template, with the template's DUID", datacenter.Direct, leased(datacenter.Direct, "eth0"), dhclient, template},
		{"clone2", "another clone, with the same DUID", datacenter.Direct, leased(datacenter.Direct, "eth0"), dhclient, template},
		{"db1", "two NICs, one DUID", datacenter.Direct, leased(datacenter.Direct, "eth0", "eth1"), dhclient, ll},
		{"app1", "behind a relay, with the template's DUID", datacenter.Relayed, leased(datacenter.Relayed, "eth0"), dhclient, template},
		{"app2", "behind a relay, two NICs, one DUID", datacenter.Relayed, leased(datacenter.Relayed, "eth0", "eth1"), dhclient, ll},
		{"win1", "random link-locals, one foreign DUID: only option 79 tells", datacenter.Told, win, dhclient, clients.Identity{DUID: windowsDUID}},
		{"mallory", "claims the MAC of web1, has a lease of its own", datacenter.Direct, leased(datacenter.Direct, "eth0"),
			clients.Claimant(linkLayer(web[0].mac)), clients.Identity{}},
		{"thief", "claims the MAC of win1 behind the relay, has no lease", datacenter.Told, without(2, true),
			clients.Claimant(linkLayer(win[0].mac)), clients.Identity{}},
		{"ghost", "has no lease", datacenter.Direct, without(1, false), dhclient, ll},
	}
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	return all, nil
}
