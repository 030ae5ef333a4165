package main

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netns"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/clients"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/datacenter"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/generate"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/labtest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/leases/isc"
	"github.com/lease6/lease6/server/omapi/client"
)

// TestGoingBack: dhcpd -6 makes a thousand hosts, lease6d takes its file over and makes a thousand changes, dhcpd takes
// it back, and lease6d once more; each serves what the one before it had.
func TestGoingBack(t *testing.T) {
	t.Parallel()
	labtest.Needs(t, "dhcpd")
	w := newWorld(t, "")
	w.must(w.server.Stop(w.ctx, syscall.SIGTERM))
	c := &custody{world: w, hosts: make(map[string]*client.Host), gone: make(map[string]bool)}
	const hosts = 1000

	c.serveISC()
	for n := range hosts {
		c.create(generate.HostName(macOf(n)), macOf(n), directAddress(n))
	}
	// dhcpd writes this name and cannot read it back; lease6d can.
	const unreadable = "00:50:56:00:00:18_host"
	c.create(unreadable, macOf(hosts), directAddress(hosts))
	// The VM's own, which every server changes.
	vm := w.stranger("vm", datacenter.Direct, 9)
	c.create("vm_host", c.hardware(vm), directAddress(0xe000))
	c.verify()
	c.boots(vm, directAddress(0xe000))

	c.serveLease6()
	c.verify()
	c.boots(vm, directAddress(0xe000))
	c.change(0, hosts)
	c.remove(unreadable)
	c.create(unreadable, macOf(hosts), directAddress(0xe100))
	c.update("vm_host", directAddress(0xe001))
	c.verify()
	c.boots(vm, directAddress(0xe001))

	c.serveISC()
	c.verify()
	c.boots(vm, directAddress(0xe001))
	for n := range 100 { // dhcpd goes on where lease6d was
		c.create(fmt.Sprintf("isc%d", n), macOf(2*hosts+n), directAddress(2*hosts+n))
	}
	c.update("vm_host", directAddress(0xe002))
	c.boots(vm, directAddress(0xe002))

	c.serveLease6()
	c.verify()
	c.boots(vm, directAddress(0xe002))
	c.compareFile()
	t.Logf("%d hosts at the end, %d gone", len(c.hosts), len(c.gone))
}

func macOf(n int) []byte { return []byte{0x52, 0x54, 2, 0, byte(n >> 8), byte(n)} }

// directAddress is the address of the direct link that ends in n.
func directAddress(n int) netip.Addr {
	a := netip.MustParseAddr(datacenter.Direct.Prefix() + "1:0").As16()
	binary.BigEndian.PutUint16(a[14:], uint16(n))
	return netip.AddrFrom16(a)
}

// custody is a lease file that goes from server to server, and what must be in it.
type custody struct {
	*world
	conn  *client.Conn
	hosts map[string]*client.Host // by name
	gone  map[string]bool         // names of hosts that were deleted
}

// stop ends the server that has the file.
func (c *custody) stop() {
	c.Helper()
	if c.conn != nil {
		c.conn.Close()
	}
	if !c.server.Ended() {
		c.must(c.server.Stop(c.ctx, syscall.SIGTERM))
	}
}

// serveISC gives the file to dhcpd -6.
func (c *custody) serveISC() {
	c.Helper()
	c.stop()
	conf, err := c.lab.WriteFile("dhcpd6.conf", fmt.Appendf(nil, "omapi-port 7911;\nauthoritative;\nsubnet6 %s/64 { }\n", datacenter.Direct.Prefix()))
	c.must(err)
	c.server, err = c.dc.Server.Start("dhcpd", "-6", "-f", "-d", "--no-pid", "-cf", conf, "-lf", c.leaseFile(), datacenter.VMs)
	c.must(err)
	c.must(c.server.AwaitOutput(c.ctx, "Server starting service."))
	complaints := strings.Count(c.server.Output(), c.leaseFile()+" line ")
	if out := c.server.Output(); complaints != strings.Count(out, "host 00:") {
		// Beyond the name that it has written itself.
		c.Errorf("dhcpd does not like the lease file:\n%s", out)
	}
	c.dial()
}

// serveLease6 gives it to lease6d.
func (c *custody) serveLease6() {
	c.Helper()
	c.stop()
	c.serveOMAPI()
	c.dial()
}

// dial connects to the server, from its own machine.
func (c *custody) dial() {
	c.Helper()
	c.must(inNamespace(c.dc.Server.NS, func() (err error) {
		c.conn, err = client.Dial(c.ctx, "127.0.0.1:7911", client.Options{})
		return err
	}))
}

// inNamespace calls do in a named network namespace, on a thread that ends with it.
func inNamespace(name string, do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked
		ns, err := netns.GetFromName(name)
		if err == nil {
			defer ns.Close()
			err = netns.Set(ns)
		}
		if err == nil {
			err = do()
		}
		done <- err
	}()
	return <-done
}

// create creates a host.
func (c *custody) create(name string, mac []byte, addr netip.Addr) {
	c.Helper()
	h := &client.Host{Name: name, Hardware: mac, HardwareType: isc.Ethernet, Addresses: addr.AsSlice()}
	if _, err := c.conn.Create(h); err != nil {
		c.Fatalf("create %s: %v", name, err)
	}
	c.hosts[name] = h
	delete(c.gone, name)
}

func (c *custody) handle(name string) uint32 {
	c.Helper()
	h, err := c.conn.Find(&client.Host{Name: name})
	if err != nil {
		c.Fatalf("find %s: %v", name, err)
	}
	return h.Handle
}

// update gives a host another address.
func (c *custody) update(name string, addr netip.Addr) {
	c.Helper()
	if err := c.conn.Update(c.handle(name), &client.Host{Addresses: addr.AsSlice()}); err != nil {
		c.Fatalf("update %s: %v", name, err)
	}
	c.hosts[name].Addresses = addr.AsSlice()
}

func (c *custody) remove(name string) {
	c.Helper()
	if err := c.conn.Delete(c.handle(name)); err != nil {
		c.Fatalf("delete %s: %v", name, err)
	}
	delete(c.hosts, name)
	c.gone[name] = true
}

// change makes as many changes as there are hosts: of five one is deleted, one deleted and created anew with another
// address, one gets another address; and as many are new, half of them with colons in their names.
func (c *custody) change(from, to int) {
	c.Helper()
	changes := 0
	for n := from; n < to; n++ {
		name, other := generate.HostName(macOf(n)), directAddress(0x4000+n)
		switch n % 5 {
		case 0:
			c.remove(name)
			changes++
		case 1:
			c.remove(name)
			c.create(name, macOf(n), other)
			changes += 2
		case 2:
			c.update(name, other)
			changes++
		case 3:
			name = generate.HostName(macOf(to + n))
			if n%2 == 0 {
				name = net.HardwareAddr(macOf(to+n)).String() + "_host"
			}
			c.create(name, macOf(to+n), directAddress(to+n))
			changes++
		}
	}
	if want := to - from; changes < want {
		c.Fatalf("%d changes, want %d", changes, want)
	}
}

// verify asks the server for every host, by name and by MAC, and for those that are gone.
func (c *custody) verify() {
	c.Helper()
	same := func(got, want *client.Host, err error) bool {
		return err == nil && string(got.Hardware) == string(want.Hardware) && got.HardwareType == want.HardwareType && string(got.Addresses) == string(want.Addresses)
	}
	wrong := 0
	for _, name := range slices.Sorted(maps.Keys(c.hosts)) {
		want := c.hosts[name]
		byName, err := c.conn.Find(&client.Host{Name: name})
		byMAC, err2 := c.conn.Find(&client.Host{Hardware: want.Hardware})
		if !same(byName, want, err) || !same(byMAC, want, err2) || byName.Name != name || byMAC.Name != name {
			c.Errorf("host %s: by name %+v (%v), by MAC %+v (%v), want %+v", name, byName, err, byMAC, err2, want)
			if wrong++; wrong > 10 {
				c.FailNow()
			}
		}
	}
	for name := range c.gone {
		if got, err := c.conn.Find(&client.Host{Name: name}); !client.IsNotFound(err) {
			c.Errorf("host %s is deleted, and there is %+v (%v)", name, got, err)
		}
	}
}

func (c *custody) hardware(g *guest) []byte {
	c.Helper()
	mac, err := net.ParseMAC(g.mac())
	c.must(err)
	return mac
}

// boots boots the VM, and waits until it has exactly this address.
func (c *custody) boots(g *guest, want netip.Addr) {
	c.Helper()
	if g.process != nil {
		g.crash()
	}
	g.start(clients.Dhclient(), clients.Identity{LinkLayer: true})
	c.must(netlab.Await(c.ctx, fmt.Sprintf("%s on the VM", want), func() (bool, error) {
		got, err := g.machine.Global("eth0")
		if err != nil || len(got) == 0 {
			return false, err
		}
		if len(got) > 1 || got[0] != want {
			return false, fmt.Errorf("it has %v, want %v", got, want)
		}
		return true, nil
	}))
}

// compareFile reads the file as it is at the end: it has no other hosts than these and those of the world, and nothing
// in it is damaged.
func (c *custody) compareFile() {
	c.Helper()
	c.stop()
	file, err := os.Open(c.leaseFile())
	c.must(err)
	defer file.Close()
	ix, diagnostics, err := leases.Load(file, leases.LoadOptions{File: "dhcpd6.leases"})
	c.must(err)
	if world := 3 * leasesAPath; ix.Len() != len(c.hosts)+world || len(diagnostics) != 0 {
		c.Errorf("the file has %d hosts, want %d and %d of the world; %v", ix.Len(), len(c.hosts), world, diagnostics)
	}
}
