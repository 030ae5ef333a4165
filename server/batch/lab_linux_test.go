package batch

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must come. Waiting ends as soon as it has.
const patience = 10 * time.Second

// lab is two network namespaces without names, so that nothing is left of them when the process ends, however it ends.
// A veth pair joins c0 (client) and s0 (server). The test's thread is in the server's namespace; subtests are not, so
// tests of the lab have none.
type lab struct {
	server, client           netns.NsHandle
	serverLinks, clientLinks *netlink.Handle
	s0, c0                   netlink.Link
}

func newLab(t testing.TB) *lab {
	t.Helper()
	runtime.LockOSThread()
	origin := must(netns.Get())(t)
	l := &lab{}
	t.Cleanup(func() {
		// A thread that cannot go back stays locked, and ends with its goroutine.
		if netns.Set(origin) == nil {
			runtime.UnlockOSThread()
		}
		origin.Close()
	})
	var err error
	if l.client, err = netns.New(); err != nil {
		skip(t, "network namespaces need root (CAP_SYS_ADMIN)", err)
	}
	t.Cleanup(func() { l.client.Close() })
	l.setup(t)
	l.server = must(netns.New())(t)
	t.Cleanup(func() { l.server.Close() })
	l.setup(t)
	l.clientLinks, l.serverLinks = must(netlink.NewHandleAt(l.client, unix.NETLINK_ROUTE))(t), must(netlink.NewHandleAt(l.server, unix.NETLINK_ROUTE))(t)
	t.Cleanup(func() { l.clientLinks.Close(); l.serverLinks.Close() })
	l.s0, l.c0 = l.veth(t, "s0", "c0")
	l.address(t, l.serverLinks, l.s0, serverLocal, 64)
	l.address(t, l.clientLinks, l.c0, clientLocal, 64)
	return l
}

// skip skips a test for want of something, and fails where that must be there.
func skip(t testing.TB, why string, err error) {
	t.Helper()
	if os.Getenv("LAB_MUST_RUN") == "1" {
		t.Fatalf("%s: %v", why, err)
	}
	t.Skipf("%s: %v", why, err)
}

// setup makes IPv6 of the thread's namespace say and do nothing by itself.
func (l *lab) setup(t testing.TB) {
	t.Helper()
	for name, value := range map[string]string{"accept_dad": "0", "dad_transmits": "0", "addr_gen_mode": "1", "router_solicitations": "0"} {
		sysctl(t, "ipv6/conf/default/"+name, value)
	}
}

func sysctl(t testing.TB, name, value string) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

// veth makes a pair that is up, with an MTU that any message fits.
func (l *lab) veth(t testing.TB, server, client string) (s, c netlink.Link) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.HardwareAddr = client, 65535, clientMAC[:]
	check(t, l.clientLinks.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: server, PeerMTU: 65535, PeerHardwareAddr: serverMAC[:], PeerNamespace: netlink.NsFd(l.server)}))
	s, c = must(l.serverLinks.LinkByName(server))(t), must(l.clientLinks.LinkByName(client))(t)
	check(t, l.serverLinks.LinkSetUp(s))
	check(t, l.clientLinks.LinkSetUp(c))
	awaitUp(t, l.serverLinks, s)
	awaitUp(t, l.clientLinks, c)
	return s, c
}

// awaitUp waits until the kernel has noticed the carrier. Until then addresses have no routes, and what is sent is lost.
func awaitUp(t testing.TB, h *netlink.Handle, link netlink.Link) {
	t.Helper()
	await(t, "carrier", func() bool {
		return must(h.LinkByIndex(link.Attrs().Index))(t).Attrs().OperState == netlink.OperUp
	})
}

func (l *lab) address(t testing.TB, h *netlink.Handle, link netlink.Link, a [16]byte, bits int) {
	t.Helper()
	ipnet := &net.IPNet{IP: a[:], Mask: net.CIDRMask(bits, 128)}
	check(t, h.AddrAdd(link, &netlink.Addr{IPNet: ipnet, Flags: unix.IFA_F_NODAD}))
	// The kernel adds the route later, in a thread of its own, and drops until then what is sent to the address.
	local := &netlink.Route{Table: unix.RT_TABLE_LOCAL, LinkIndex: link.Attrs().Index, Dst: &net.IPNet{IP: a[:], Mask: net.CIDRMask(128, 128)}}
	await(t, "local route", func() bool {
		routes, err := h.RouteListFiltered(unix.AF_INET6, local, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_OIF|netlink.RT_FILTER_DST)
		return err == nil && len(routes) > 0
	})
}

// atClient runs fn in the client's namespace.
func (l *lab) atClient(t testing.TB, fn func()) {
	t.Helper()
	check(t, netns.Set(l.client))
	fn()
	check(t, netns.Set(l.server))
}

// raw is a packet socket of the client: it sends frames as they are given.
func (l *lab) raw(t testing.TB, link netlink.Link, protocol uint16) int {
	t.Helper()
	var fd int
	l.atClient(t, func() {
		fd = must(unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0))(t)
		t.Cleanup(func() { unix.Close(fd) })
		timeout(t, fd)
		check(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20))
		check(t, unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1))
		check(t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(protocol), Ifindex: link.Attrs().Index}))
	})
	return fd
}

// udp is an ordinary UDP socket of the client.
func (l *lab) udp(t testing.TB, link netlink.Link, a [16]byte, port int) int {
	t.Helper()
	var fd int
	l.atClient(t, func() {
		fd = must(unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))(t)
		t.Cleanup(func() { unix.Close(fd) })
		timeout(t, fd)
		check(t, unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, link.Attrs().Index))
		check(t, unix.Bind(fd, &unix.SockaddrInet6{Addr: a, Port: port, ZoneId: uint32(link.Attrs().Index)}))
	})
	return fd
}

func timeout(t testing.TB, fd int) {
	t.Helper()
	limit := unix.NsecToTimeval(patience.Nanoseconds())
	check(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit))
}

func sendTo(t testing.TB, fd int, payload string, link netlink.Link, a [16]byte, port int) {
	t.Helper()
	check(t, unix.Sendto(fd, []byte(payload), 0, &unix.SockaddrInet6{Addr: a, Port: port, ZoneId: uint32(link.Attrs().Index)}))
}

// receive returns what comes next at a client's socket, and from where.
func receive(t testing.TB, fd int) (string, netip.AddrPort) {
	t.Helper()
	b := make([]byte, 65536)
	n, from, err := unix.Recvfrom(fd, b, 0)
	if err != nil {
		t.Fatalf("client received nothing: %v", err)
	}
	a := from.(*unix.SockaddrInet6)
	return string(b[:n]), netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
}

// message is one that a socket under test received.
type message struct {
	conn    int
	payload string
	meta    Meta
}

// serve answers on each socket what it receives with "re: " and the same, to port, from s0's link-local address, until
// the test ends.
func serve(t testing.TB, conns []*Conn, port uint16) <-chan message {
	t.Helper()
	got := make(chan message, 10000)
	var wg sync.WaitGroup
	for k, c := range conns {
		wg.Go(func() {
			for {
				n, err := c.Recv()
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err != nil {
					t.Errorf("receive: %v", err)
					return
				}
				for i := range n {
					p, meta := c.Packet(i)
					if p == nil {
						continue
					}
					b := append(c.Buffer(i), "re: "...)
					c.Queue(i, append(b, p...), port, serverLocal)
					got <- message{k, string(p), meta}
				}
				c.Flush()
			}
		})
	}
	t.Cleanup(func() {
		closeAll(conns)
		wg.Wait()
	})
	return got
}

func next(t testing.TB, got <-chan message) message {
	t.Helper()
	select {
	case m := <-got:
		return m
	case <-time.After(patience):
		t.Fatal("nothing received")
		return message{}
	}
}

// awaitStats waits until the socket has received and sent so many: an answer is sometimes seen before it is counted.
func awaitStats(t testing.TB, c *Conn, received, sent uint64) {
	t.Helper()
	await(t, "such figures", func() bool { s := c.Stats(); return s.Received == received && s.Sent == sent })
}

// await waits until what is true, and looks often.
func await(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("no %s after %v", what, patience)
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return v
	}
}

// watched closes sockets that are still open when a test should long have ended: on a loaded machine a packet can be
// lost, and then the test must fail, not wait for it for ever.
func watched(t testing.TB, conns []*Conn) []*Conn {
	t.Helper()
	const longest = time.Minute
	timer := time.AfterFunc(longest, func() { closeAll(conns) })
	t.Cleanup(func() { timer.Stop() })
	return conns
}
