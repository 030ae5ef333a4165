package arena

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// NICs of the two sides.
const (
	ServerNIC  = "server0"
	ClientsNIC = "clients0"
)

// Server is the address of the server, as relays know it.
var Server = netip.MustParseAddr("2001:db8:ff::1")

var (
	firstRelay = netip.MustParseAddr("2001:db8:ff::2")
	onLink     = netip.MustParseAddr("2001:db8:6::fffe")
	macs       = [2]net.HardwareAddr{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}
)

// Arena is one pair of namespaces and what runs in them, until Close.
type Arena struct {
	Relays []netip.Addr

	server, clients           netns.NsHandle
	serverLinks, clientsLinks *netlink.Handle
	mu                        sync.Mutex
	processes                 []*Process
}

// Check says whether this process may make namespaces, and what is missing if not.
func Check() error {
	a, err := New(1)
	if err != nil {
		return err
	}
	return a.Close()
}

// New makes an arena with so many relays.
func New(relays int) (*Arena, error) {
	a := &Arena{server: netns.None(), clients: netns.None()}
	for i, r := 0, firstRelay; i < relays; i, r = i+1, r.Next() {
		a.Relays = append(a.Relays, r)
	}
	if err := a.build(); err != nil {
		a.Close()
		return nil, fmt.Errorf("arena: %w", err)
	}
	return a, nil
}

func (a *Arena) build() error {
	for _, side := range []struct {
		ns    *netns.NsHandle
		links **netlink.Handle
	}{{&a.server, &a.serverLinks}, {&a.clients, &a.clientsLinks}} {
		var err error
		if *side.ns, err = newNamespace(); err != nil {
			return err
		}
		if *side.links, err = netlink.NewHandleAt(*side.ns); err != nil {
			return fmt.Errorf("netlink: %w", err)
		}
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = ClientsNIC, macs[1]
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: ServerNIC, PeerHardwareAddr: macs[0], PeerNamespace: netlink.NsFd(a.server)}
	if err := a.clientsLinks.LinkAdd(veth); err != nil {
		return fmt.Errorf("make wire: %w", err)
	}
	if err := turnOn(a.serverLinks, ServerNIC, Server, onLink); err != nil {
		return err
	}
	if err := turnOn(a.clientsLinks, ClientsNIC, a.Relays...); err != nil {
		return err
	}
	return awaitLinkLocal(a.serverLinks, ServerNIC)
}

// awaitLinkLocal waits until a NIC has its link-local address: some servers look for it once, at their start.
func awaitLinkLocal(links *netlink.Handle, name string) error {
	const patience = 5 * time.Second
	link, err := links.LinkByName(name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	for until := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		addrs, err := links.AddrList(link, netlink.FAMILY_V6)
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return fmt.Errorf("addresses of %s: %w", name, err)
		}
		for _, a := range addrs {
			if a.IP.IsLinkLocalUnicast() && a.Flags&unix.IFA_F_TENTATIVE == 0 {
				return nil
			}
		}
		if time.Now().After(until) {
			return fmt.Errorf("%s has no link-local address after %v", name, patience)
		}
	}
}

// newNamespace makes a network namespace in which IPv6 says and does nothing by itself.
func newNamespace() (netns.NsHandle, error) {
	type made struct {
		ns  netns.NsHandle
		err error
	}
	done := make(chan made)
	go func() {
		// Never unlocked: the thread stays in the namespace and ends with its goroutine.
		runtime.LockOSThread()
		ns, err := netns.New()
		if errors.Is(err, unix.EPERM) {
			err = fmt.Errorf("%w (needs root, in a container CAP_SYS_ADMIN)", err)
		}
		for _, setting := range []string{"accept_dad=0", "dad_transmits=0", "router_solicitations=0", "accept_ra=0", "addr_gen_mode=0"} {
			name, value, _ := strings.Cut(setting, "=")
			if err == nil {
				err = os.WriteFile("/proc/sys/net/ipv6/conf/default/"+name, []byte(value), 0)
			}
		}
		done <- made{ns, err}
	}()
	m := <-done
	if m.err != nil {
		return m.ns, fmt.Errorf("network namespace: %w", m.err)
	}
	return m.ns, nil
}

func turnOn(links *netlink.Handle, name string, addresses ...netip.Addr) error {
	lo, err := links.LinkByName("lo")
	if err == nil {
		err = links.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("turn on lo: %w", err)
	}
	link, err := links.LinkByName(name)
	if err == nil {
		err = links.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("turn on %s: %w", name, err)
	}
	for _, addr := range addresses {
		ip := &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(64, 128)}
		if err := links.AddrAdd(link, &netlink.Addr{IPNet: ip, Flags: unix.IFA_F_NODAD}); err != nil {
			return fmt.Errorf("address %s on %s: %w", addr, name, err)
		}
	}
	return nil
}

// Clients runs fn on a thread that is on the clients' side and has one CPU, or any if that is negative.
func (a *Arena) Clients(cpu int, fn func() error) error {
	return onThread(a.clients, cpu, fn)
}

// onThread runs fn in a network namespace on a thread of its own.
func onThread(ns netns.NsHandle, cpu int, fn func() error) error {
	done := make(chan error)
	go func() {
		// Never unlocked: the thread ends with its goroutine.
		runtime.LockOSThread()
		err := enter(ns, cpu)
		if err == nil {
			err = fn()
		}
		done <- err
	}()
	return <-done
}

func enter(ns netns.NsHandle, cpu int) error {
	if err := netns.Set(ns); err != nil {
		return fmt.Errorf("arena: enter network namespace: %w", err)
	}
	if cpu < 0 {
		return nil
	}
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("arena: pin to CPU %d: %w", cpu, err)
	}
	return nil
}

// CPUs are the CPUs that this process may use, lowest first.
func CPUs() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("arena: CPUs of this process: %w", err)
	}
	var cpus []int
	for i := range 8 * len(set) * 8 {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return cpus, nil
}

// Neighbours is how many entries the server's side has in its neighbour table.
func (a *Arena) Neighbours() (int, error) {
	list, err := a.serverLinks.NeighList(0, netlink.FAMILY_V6)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return 0, fmt.Errorf("arena: neighbour table: %w", err)
	}
	n := 0
	for _, e := range list {
		if e.State&unix.NUD_NOARP == 0 { // multicast needs no neighbour
			n++
		}
	}
	return n, nil
}

// Drops asks the kernel.
func (a *Arena) Drops() (d Drops, err error) {
	for _, side := range []struct {
		ns netns.NsHandle
		n  *uint64
	}{{a.server, &d.Server}, {a.clients, &d.Clients}} {
		err = errors.Join(err, onThread(side.ns, -1, func() (err error) {
			*side.n, err = receiveBufferErrors()
			return err
		}))
	}
	// One line a CPU; the second column, in hexadecimal, is what the backlog had no room for.
	text, e := os.ReadFile("/proc/net/softnet_stat")
	for line := range strings.Lines(string(text)) {
		if columns := strings.Fields(line); len(columns) > 1 {
			n, _ := strconv.ParseUint(columns[1], 16, 64)
			d.Backlog += n
		}
	}
	if err = errors.Join(err, e); err != nil {
		return d, fmt.Errorf("arena: %w", err)
	}
	return d, nil
}

// receiveBufferErrors is Udp6RcvbufErrors of this thread's network namespace.
func receiveBufferErrors() (n uint64, err error) {
	text, err := os.ReadFile("/proc/thread-self/net/snmp6")
	for line := range strings.Lines(string(text)) {
		if columns := strings.Fields(line); len(columns) == 2 && columns[0] == "Udp6RcvbufErrors" {
			return strconv.ParseUint(columns[1], 10, 64)
		}
	}
	return 0, err
}

// Close ends the programs and takes the arena down.
func (a *Arena) Close() error {
	a.mu.Lock()
	processes := a.processes
	a.processes = nil
	a.mu.Unlock()
	var errs []error
	for _, p := range processes {
		errs = append(errs, p.Stop(context.Background()))
	}
	for _, h := range []*netlink.Handle{a.serverLinks, a.clientsLinks} {
		if h != nil {
			h.Close()
		}
	}
	for _, ns := range []*netns.NsHandle{&a.server, &a.clients} {
		if ns.IsOpen() {
			errs = append(errs, ns.Close())
		}
	}
	return errors.Join(errs...)
}
