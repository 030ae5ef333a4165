package batch

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var (
	clientGlobal = [16]byte{0x20, 1, 0xd, 0xb8, 15: 0xc}
	serverFirst  = [16]byte{0x20, 1, 0xd, 0xb8, 15: 1}
	serverSecond = [16]byte{0x20, 1, 0xd, 0xb8, 15: 2}
)

// newRoutedLab is a lab with global addresses, two of them the server's.
func newRoutedLab(t testing.TB) *lab {
	l := newLab(t)
	l.address(t, l.clientLinks, l.c0, clientGlobal, 64)
	l.address(t, l.serverLinks, l.s0, serverFirst, 64)
	l.address(t, l.serverLinks, l.s0, serverSecond, 64)
	return l
}

// TestUDPExchange: the answer comes from the address that was asked, to the port that was said, and one source is spread
// over both sockets.
func TestUDPExchange(t *testing.T) {
	l := newRoutedLab(t)
	conns := watched(t, must(ListenUDP(547, 2, Options{}))(t))
	got := serve(t, conns, 5547)
	share := make([]int, 2)
	for _, tt := range []struct {
		name     string
		from, to [16]byte
	}{
		{"first address", clientGlobal, serverFirst},
		{"second address", clientGlobal, serverSecond},
		{"link-local address", clientLocal, serverLocal},
		{"link-local address from a global one", clientGlobal, serverLocal},
		{"global address from a link-local one", clientLocal, serverSecond},
	} {
		asks, hears := l.udp(t, l.c0, tt.from, 1547), l.udp(t, l.c0, tt.from, 5547)
		for range 100 {
			sendTo(t, asks, tt.name, l.c0, tt.to, 547)
			m := next(t, got)
			share[m.conn]++
			want := Meta{Ifindex: int32(l.s0.Attrs().Index), Src: tt.from, SrcPort: 1547}
			if m.payload != tt.name || m.meta != want {
				t.Fatalf("%s: received %q %+v\nwant %+v", tt.name, m.payload, m.meta, want)
			}
			if reply, from := receive(t, hears); reply != "re: "+tt.name || from != netip.AddrPortFrom(netip.AddrFrom16(tt.to), 547) {
				t.Fatalf("%s: client got %q from %v", tt.name, reply, from)
			}
		}
		unix.Close(asks)
		unix.Close(hears)
	}
	if share[0] < 150 || share[1] < 150 {
		t.Errorf("shares of 500: %v", share)
	}
}

// TestUDPLengths: the kernel puts fragments together; an empty datagram is a message; one that is too long is counted.
func TestUDPLengths(t *testing.T) {
	l := newRoutedLab(t)
	check(t, l.serverLinks.LinkSetMTU(l.s0, 1500))
	check(t, l.clientLinks.LinkSetMTU(l.c0, 1500))
	conns := watched(t, must(ListenUDP(547, 1, Options{}))(t))
	got := serve(t, conns, 1547)
	client := l.udp(t, l.c0, clientGlobal, 1547)
	for _, size := range []int{0, 1, 1453, receiveSize, receiveSize + 1, 3} {
		sendTo(t, client, strings.Repeat("x", size), l.c0, serverFirst, 547)
		if size > receiveSize {
			continue
		}
		if m := next(t, got); len(m.payload) != size {
			t.Errorf("received %d bytes, want %d", len(m.payload), size)
		}
		if reply, _ := receive(t, client); len(reply) != size+len("re: ") {
			t.Errorf("client got %d bytes, want %d", len(reply), size+4)
		}
	}
	awaitStats(t, conns[0], 6, 5)
	if n := conns[0].Stats().Truncated; n != 1 {
		t.Errorf("%d truncated, want 1", n)
	}
}

// TestUDPRefusesMulticast: what is sent to the groups belongs to the packet sockets, although this machine is a member.
func TestUDPRefusesMulticast(t *testing.T) {
	l := newRoutedLab(t)
	groups := must(NewGroups())(t)
	defer groups.Close()
	check(t, groups.Join(l.s0.Attrs().Index))
	conns := watched(t, must(ListenUDP(547, 2, Options{}))(t))
	got := serve(t, conns, 1547)
	direct := serve(t, listenOne(t), 1547)
	client := l.udp(t, l.c0, clientLocal, 1547)
	for range 20 {
		for _, group := range [][16]byte{allAgentsAndServers, allServers} {
			sendTo(t, client, "multicast", l.c0, group, 547)
			if m := next(t, direct); m.payload != "multicast" {
				t.Fatalf("packet socket received %q", m.payload)
			}
		}
		sendTo(t, client, "unicast", l.c0, serverLocal, 547)
		if m := next(t, got); m.payload != "unicast" {
			t.Fatalf("UDP socket received %q", m.payload)
		}
	}
	select {
	case m := <-direct:
		t.Errorf("packet socket received %q to a unicast address", m.payload)
	default:
	}
	// That it is the option which does it: without, the membership of another socket suffices.
	for _, c := range conns {
		check(t, unix.SetsockoptInt(c.fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 1))
	}
	sendTo(t, client, "multicast", l.c0, allServers, 547)
	if m := next(t, got); m.payload != "multicast" || !m.meta.Multicast {
		t.Errorf("received %q %+v", m.payload, m.meta)
	}
}

// TestUDPRefused: an answer to where no route leads is counted and does not hold up the others.
func TestUDPRefused(t *testing.T) {
	l := newRoutedLab(t)
	c := watched(t, must(ListenUDP(547, 1, Options{}))(t))[0]
	defer c.Close()
	from := []int{l.udp(t, l.c0, clientLocal, 1547), l.udp(t, l.c0, clientGlobal, 1547), l.udp(t, l.c0, clientLocal, 2547)}
	to := [][16]byte{serverLocal, serverSecond, serverLocal}
	for i := range from {
		sendTo(t, from[i], "x", l.c0, to[i], 547)
	}
	if n := must(c.Recv())(t); n != 3 {
		t.Fatalf("received %d of 3", n)
	}
	// The address that was asked is no longer ours when the answer leaves.
	addrs := must(l.serverLinks.AddrList(l.s0, unix.AF_INET6))(t)
	for _, a := range addrs {
		if a.IP.Equal(net.IP(serverSecond[:])) {
			check(t, l.serverLinks.AddrDel(l.s0, &a))
		}
	}
	for i := range from {
		_, meta := c.Packet(i)
		c.Queue(i, append(c.Buffer(i), "y"...), meta.SrcPort, [16]byte{})
	}
	c.Flush()
	receive(t, from[0])
	receive(t, from[2])
	if s := c.Stats(); s.Sent != 2 || s.SendUnreachable != 1 {
		t.Errorf("stats: %+v", s)
	}
}

// TestPortTaken: a second server is refused, although our own sockets share the port among each other.
func TestPortTaken(t *testing.T) {
	newLab(t)
	conns := watched(t, must(ListenUDP(547, 2, Options{}))(t))
	if _, err := ListenUDP(547, 1, Options{}); !errors.Is(err, unix.EADDRINUSE) || !strings.Contains(err.Error(), "547") {
		t.Errorf("second server: %v", err)
	}
	closeAll(conns)
	conns = watched(t, must(ListenUDP(547, 2, Options{}))(t))
	closeAll(conns)
}
