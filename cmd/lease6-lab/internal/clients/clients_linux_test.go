package clients_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/clients"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/frame"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/labtest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
)

var labs labtest.Counter

const (
	mac0, mac1   = "52:54:00:c1:00:01", "52:54:00:c1:00:02"
	addr0, addr1 = "2001:db8:1::a1", "2001:db8:2::a2"
)

// oracle wires a machine with two NICs to dnsmasq, which also knows clients by the MAC that it sees. That the lab's own
// parts work must not be judged by the server that they are there to judge.
func oracle(t *testing.T) (*netlab.Machine, []*netlab.Tap, context.Context) {
	t.Helper()
	labtest.Needs(t, "dnsmasq")
	lab, ctx := labs.New(t)
	dc, vm := machine(t, lab, "dc"), machine(t, lab, "vm")
	var taps []*netlab.Tap
	for i, mac := range []string{mac0, mac1} {
		nic := fmt.Sprintf("eth%d", i)
		must(t, netlab.Wire(netlab.Port{Machine: dc, NIC: nic}, netlab.Port{Machine: vm, NIC: nic, MAC: mac}))
		must(t, dc.AddAddress(nic, fmt.Sprintf("2001:db8:%d::1/64", i+1)))
		tap, err := vm.Tap(nic, nil)
		must(t, err)
		taps = append(taps, tap)
	}
	server, err := dc.Start("dnsmasq", "--no-daemon", "--port=0", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--user=root",
		"--leasefile-ro", "--log-dhcp", "--dhcp-range=2001:db8:1::f000,2001:db8:1::ffff,64,600", "--dhcp-range=2001:db8:2::f000,2001:db8:2::ffff,64,600",
		"--dhcp-host="+mac0+",["+addr0+"]", "--dhcp-host="+mac1+",["+addr1+"]")
	must(t, err)
	must(t, server.AwaitOutput(ctx, "DHCPv6, IP range 2001:db8:2::f000"))
	return vm, taps, ctx
}

// TestIdentity: each client shows the DUID that it is told to have, and puts the address it is given on the NIC.
func TestIdentity(t *testing.T) {
	llt := []byte{0, 1, 0, 1, '"', '\\', 0x2a, 0x2a, 2, 0x11, 0x22, 0x33, 0x44, 0x55}
	uuid := append([]byte{0, 4}, "0123456789abcdef"...)
	ll := []byte{0, 3, 0, 1, 0x52, 0x54, 0, 0xc1, 0}
	for _, c := range clients.All() {
		for _, id := range []struct {
			name   string
			id     clients.Identity
			prefix []byte
		}{
			{"own", clients.Identity{}, []byte{0}},
			{"link-layer", clients.Identity{LinkLayer: true}, ll},
			{"template-llt", clients.Identity{DUID: llt}, llt},
			{"template-uuid", clients.Identity{DUID: uuid}, uuid},
		} {
			t.Run(c.Name+"/"+id.name, func(t *testing.T) {
				t.Parallel()
				labtest.Needs(t, c.Program)
				vm, taps, ctx := oracle(t)
				p, err := c.Start(ctx, vm, []string{"eth0", "eth1"}, id.id)
				must(t, err)
				awaitAddress(ctx, t, vm, "eth0", addr0)
				awaitAddress(ctx, t, vm, "eth1", addr1)
				for i, tap := range taps {
					must(t, netlab.Await(ctx, "a packet", func() (bool, error) {
						return slices.ContainsFunc(tap.Packets(), func(p *frame.Packet) bool { return p.Out }), nil
					}))
					for _, packet := range tap.Packets() {
						if packet.Out && !bytes.HasPrefix(packet.DUID(), id.prefix) {
							t.Errorf("eth%d: %s with DUID %x, want %x…", i, packet.Message.Type(), packet.DUID(), id.prefix)
						}
					}
				}
				if c.Release != nil {
					must(t, c.Release(ctx, vm, []string{"eth0", "eth1"}, p))
				}
				must(t, c.Crash(ctx, p))
			})
		}
	}
}

func awaitAddress(ctx context.Context, t *testing.T, m *netlab.Machine, nic, want string) {
	t.Helper()
	must(t, netlab.Await(ctx, want+" on "+m.Name+" "+nic, func() (bool, error) {
		got, err := m.Global(nic)
		for _, a := range got {
			if a == netip.MustParseAddr(want) {
				return true, err
			}
		}
		return false, err
	}))
}

func machine(t *testing.T, lab *netlab.Lab, name string) *netlab.Machine {
	t.Helper()
	m, err := lab.Machine(name)
	must(t, err)
	return m
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
