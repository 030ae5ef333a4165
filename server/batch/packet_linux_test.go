package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

var listenOne = func(t testing.TB) []*Conn { return watched(t, must(ListenPacket(1, Options{}))(t)) }

// TestDirectExchange is with an ordinary client: a kernel that leaves the checksum of what it sends to the hardware that
// a veth pair has not, and that verifies the checksum of what it receives.
func TestDirectExchange(t *testing.T) {
	l := newLab(t)
	conns := listenOne(t)
	client := l.udp(t, l.c0, clientLocal, 546)
	sendTo(t, client, "solicit", l.c0, allAgentsAndServers, 547)
	n := must(conns[0].Recv())(t)
	if n != 1 {
		t.Fatalf("%d packets", n)
	}
	if _, v := openFrame(conns[0].memory[:conns[0].incoming[0].Len], false); v != frameBadChecksum {
		t.Fatalf("verdict %d: the client's kernel was to send an unfinished checksum, or this test shows nothing", v)
	}
	p, meta := conns[0].Packet(0)
	want := Meta{Ifindex: int32(l.s0.Attrs().Index), Src: clientLocal, SrcPort: 546, MAC: clientMAC, HasMAC: true, Multicast: true}
	if string(p) != "solicit" || meta != want {
		t.Errorf("got %q %+v\nwant %+v", p, meta, want)
	}
	conns[0].Queue(0, append(conns[0].Buffer(0), "advertise"...), 546, serverLocal)
	conns[0].Flush()
	if got, from := receive(t, client); got != "advertise" || from != netip.AddrPortFrom(netip.AddrFrom16(serverLocal), 547) {
		t.Errorf("client got %q from %v", got, from)
	}

	// And on and on: more than a batch, every length from even to odd, the longest as well.
	serve(t, conns, 546)
	for i := range 200 {
		request := strings.Repeat("x", i)
		if i == 199 {
			request = strings.Repeat("x", 9<<10)
		}
		sendTo(t, client, request, l.c0, allServers, 547)
		if got, _ := receive(t, client); got != "re: "+request {
			t.Fatalf("request of %d bytes: client got %d bytes: %.20q", len(request), len(got), got)
		}
	}
	awaitStats(t, conns[0], 201, 201)
}

// TestFrames: which frames are received, which are refused and as what they are counted, and which are not even seen.
func TestFrames(t *testing.T) {
	change := func(fn func(f []byte) []byte) []byte {
		return fn(frame(&clientMAC, &clientLocal, &allAgentsAndServers, []byte("solicit")))
	}
	set := func(at int, v ...byte) []byte {
		return change(func(f []byte) []byte { copy(f[at:], v); return f })
	}
	to := func(dst [16]byte) []byte { return frame(&clientMAC, &clientLocal, &dst, []byte("solicit")) }
	from := func(src [16]byte) []byte { return frame(&clientMAC, &src, &allAgentsAndServers, []byte("solicit")) }
	// insert puts an extension header in front of the UDP header.
	insert := func(next byte, header ...byte) []byte {
		return change(func(f []byte) []byte {
			f[20] = next
			binary.BigEndian.PutUint16(f[18:], uint16(len(f)-54+len(header)))
			return append(f[:54:54], append(header, f[54:]...)...)
		})
	}
	good, seen := Stats{}, "solicit"
	tests := []struct {
		name  string
		frame []byte
		want  string // received
		count Stats  // beside Received
	}{
		{"to agents and servers", to(allAgentsAndServers), seen, good},
		{"to servers", to(allServers), seen, good},
		{"from a global address", from([16]byte{0x20, 1, 15: 9}), seen, good},
		{"padded", change(func(f []byte) []byte { return append(f, 1, 2, 3) }), seen, good},
		{"IPv6 packet longer than the datagram", change(func(f []byte) []byte { f[19] += 3; return append(f, 1, 2, 3) }), seen, good},
		{"multicast in a unicast frame (RFC 6085)", set(0, serverMAC[:]...), seen, good},
		{"longest message", frame(&clientMAC, &clientLocal, &allAgentsAndServers, bytes.Repeat([]byte("x"), receiveSize-frameHeader)), strings.Repeat("x", receiveSize-frameHeader), good},
		{"priority tag", tag(change(func(f []byte) []byte { return f }), 0xe000), seen, good},

		{"too long", frame(&clientMAC, &clientLocal, &allAgentsAndServers, make([]byte, receiveSize-frameHeader+1)), "", Stats{Truncated: 1}},
		{"checksum wrong", change(func(f []byte) []byte { f[60]++; return f }), "", Stats{BadChecksum: 1}},
		{"checksum missing", set(60, 0, 0), "", Stats{BadChecksum: 1}},
		{"payload damaged", change(func(f []byte) []byte { f[64] ^= 4; return f }), "", Stats{BadChecksum: 1}},
		{"IPv4 in the version", set(14, 0x40), "", Stats{Malformed: 1}},
		{"cut off", change(func(f []byte) []byte { return f[:len(f)-1] }), "", Stats{Malformed: 1}},
		{"datagram longer than the packet", change(func(f []byte) []byte { f[59]++; return f }), "", Stats{Malformed: 1}},
		{"datagram shorter than its header", set(58, 0, 7), "", Stats{Malformed: 1}},
		{"packet shorter than a UDP header", set(18, 0, 7), "", Stats{Malformed: 1}},
		{"from nobody", from([16]byte{}), "", Stats{Malformed: 1}},
		{"from a group", from([16]byte{0: 0xff, 1: 2, 15: 1}), "", Stats{Malformed: 1}},
		{"from a MAC that is a group", set(6, 0x33, 0x33, 0, 0, 0, 1), "", Stats{Malformed: 1}},
		{"first fragment", insert(44, 17, 0, 0, 1, 0, 0, 0, 9), "", Stats{Fragments: 1}},

		{"other fragment", insert(44, 17, 0, 1, 1, 0, 0, 0, 9), "", good},
		{"fragment of something else", insert(44, 58, 0, 0, 1, 0, 0, 0, 9), "", good},
		{"hop-by-hop header", insert(0, 17, 0, 1, 4, 0, 0, 0, 0), "", good},
		{"TCP", set(20, 6), "", good},
		{"to the client's port", set(56, 2, 34), "", good},
		{"to another group", to([16]byte{0: 0xff, 1: 2, 15: 1}), "", good},
		{"to a group that differs in the middle", to([16]byte{0: 0xff, 1: 2, 9: 1, 13: 1, 15: 2}), "", good},
		{"to the servers' group of the link", to([16]byte{0: 0xff, 1: 2, 13: 1, 15: 3}), "", good},
		{"to our address in a multicast frame", to(serverLocal), "", good},
		{"to another host", set(0, 2, 0, 0, 0, 0, 9), "", good},
		{"tag of a VLAN without interface", tag(change(func(f []byte) []byte { return f }), 99), "", good},
		{"cut off in the headers", change(func(f []byte) []byte { return f[:56] }), "", good},
	}
	l := newLab(t)
	conns := listenOne(t)
	got := serve(t, conns, 546)
	raw := l.raw(t, l.c0, 0)
	marker := frame(&clientMAC, &clientLocal, &allAgentsAndServers, []byte("marker"))
	for _, tt := range tests {
		before := conns[0].Stats()
		must(unix.Write(raw, tt.frame))(t)
		must(unix.Write(raw, marker))(t)
		want := []string{tt.want, "marker"}
		if tt.want == "" {
			want = want[1:]
		}
		for _, w := range want {
			if m := next(t, got); m.payload != w {
				t.Errorf("%s: received %.20q (%d bytes), want %.20q", tt.name, m.payload, len(m.payload), w)
			}
		}
		s := conns[0].Stats()
		count := Stats{BadChecksum: s.BadChecksum - before.BadChecksum, Malformed: s.Malformed - before.Malformed,
			Truncated: s.Truncated - before.Truncated, Fragments: s.Fragments - before.Fragments}
		if count != tt.count {
			t.Errorf("%s: counted %+v, want %+v", tt.name, count, tt.count)
		}
		if seen, want := s.Received-before.Received, uint64(len(want))+count.BadChecksum+count.Malformed+count.Truncated+count.Fragments; seen != want {
			t.Errorf("%s: %d frames passed the filter, want %d", tt.name, seen, want)
		}
	}
}

// tag inserts an 802.1Q tag.
func tag(f []byte, tci uint16) []byte {
	return append(f[:12:12], append([]byte{0x81, 0, byte(tci >> 8), byte(tci)}, f[12:]...)...)
}

// TestNoNeighbours: 200 clients, each with its own MAC and address, are answered at their MAC from the interface's, and
// the kernel has not learnt of one.
func TestNoNeighbours(t *testing.T) {
	l := newLab(t)
	conns := listenOne(t)
	serve(t, conns, 546)
	raw := l.raw(t, l.c0, unix.ETH_P_IPV6)
	exchange := func(n byte, from [6]byte) {
		t.Helper()
		mac, src := [6]byte{0x52, 0x54, 0, 9, 9, n}, [16]byte{0: 0xfe, 1: 0x80, 14: 9, 15: n}
		must(unix.Write(raw, frame(&mac, &src, &allAgentsAndServers, []byte{n})))(t)
		b := answer(t, raw)
		want := append(append(mac[:], from[:]...), 0x86, 0xdd)
		if !bytes.Equal(b[:14], want) || [16]byte(b[14+24:]) != src || b[14+7] != hopLimit {
			t.Errorf("client %d: frame %x", n, b)
		}
		if udp := b[54:]; string(udp[8:]) != "re: "+string([]byte{n}) || checksum(&serverLocal, &src, udp) != 0xffff {
			t.Errorf("client %d: datagram %x", n, udp)
		}
	}
	for n := range byte(200) {
		exchange(n, serverMAC)
	}
	if n := l.neighbours(t); n != 0 {
		t.Errorf("%d neighbours, want none", n)
	}
	// The interface's own MAC changes, as that of a bond does, and the next frame comes from it.
	changed := [6]byte{0x52, 0x54, 0, 0, 5, 2}
	check(t, l.serverLinks.LinkSetHardwareAddr(l.s0, changed[:]))
	exchange(200, changed)

	// That the table would show it if a UDP socket had answered.
	fd := must(unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))(t)
	defer unix.Close(fd)
	sendTo(t, fd, "x", l.s0, [16]byte{0: 0xfe, 1: 0x80, 14: 9, 15: 1}, 546)
	if n := l.neighbours(t); n != 1 {
		t.Errorf("%d neighbours after a datagram, want 1", n)
	}
}

// answer returns the next frame from a server's port. The kernel sends others, such as MLD reports.
func answer(t testing.TB, raw int) []byte {
	t.Helper()
	b := make([]byte, 65536)
	for {
		f := b[:must(unix.Read(raw, b))(t)]
		if len(f) >= 14+frameHeader && f[20] == protocolUDP && binary.BigEndian.Uint16(f[54:]) == serverPort {
			return f
		}
	}
}

// neighbours counts the unicast entries of s0's neighbour table.
func (l *lab) neighbours(t *testing.T) (n int) {
	t.Helper()
	for _, e := range must(l.serverLinks.NeighList(l.s0.Attrs().Index, netlink.FAMILY_V6))(t) {
		if !e.IP.IsMulticast() {
			n++
		}
	}
	return n
}

// TestVLAN: a tagged frame is received once, on the VLAN interface, and the answer is tagged.
func TestVLAN(t *testing.T) {
	l := newLab(t)
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex = "s0.7", l.s0.Attrs().Index
	// No package can be installed that would change this, so it is a skip also where tests must run.
	if err := l.serverLinks.LinkAdd(&netlink.Vlan{LinkAttrs: attrs, VlanId: 7}); errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip("this kernel was built without VLAN interfaces (CONFIG_VLAN_8021Q)")
	}
	attrs.Name, attrs.ParentIndex = "c0.7", l.c0.Attrs().Index
	check(t, l.clientLinks.LinkAdd(&netlink.Vlan{LinkAttrs: attrs, VlanId: 7}))
	s, c := must(l.serverLinks.LinkByName("s0.7"))(t), must(l.clientLinks.LinkByName("c0.7"))(t)
	check(t, l.serverLinks.LinkSetUp(s))
	check(t, l.clientLinks.LinkSetUp(c))
	awaitUp(t, l.serverLinks, s)
	awaitUp(t, l.clientLinks, c)
	l.address(t, l.clientLinks, c, clientLocal, 64)
	conns := listenOne(t)
	got := serve(t, conns, 546)
	tagged, plain := l.udp(t, c, clientLocal, 546), l.udp(t, l.c0, clientLocal, 546)
	for range 3 {
		exchangeOn(t, got, tagged, c, s)
		exchangeOn(t, got, plain, l.c0, l.s0)
	}
	awaitStats(t, conns[0], 6, 6)
}

// TestBridge: what arrives on a port of a bridge is received once, on the bridge, and answered through it.
func TestBridge(t *testing.T) {
	l := newLab(t)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "br0"
	check(t, l.serverLinks.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}))
	bridge := must(l.serverLinks.LinkByName("br0"))(t)
	check(t, l.serverLinks.LinkSetMaster(l.s0, bridge))
	check(t, l.serverLinks.LinkSetUp(bridge))
	awaitUp(t, l.serverLinks, bridge)
	conns := listenOne(t)
	got := serve(t, conns, 546)
	client := l.udp(t, l.c0, clientLocal, 546)
	for range 3 {
		exchangeOn(t, got, client, l.c0, bridge)
	}
	awaitStats(t, conns[0], 3, 3)
}

// TestNoEthernet: an interface without MACs is served, its clients have none, and those of other interfaces keep theirs.
func TestNoEthernet(t *testing.T) {
	l := newLab(t)
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		skip(t, "needs the tun device", err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "tun0"
	tun := &netlink.Tuntap{LinkAttrs: attrs, Mode: netlink.TUNTAP_MODE_TUN, Flags: netlink.TUNTAP_NO_PI, Queues: 1, NonPersist: true}
	check(t, l.serverLinks.LinkAdd(tun))
	file := tun.Fds[0]
	defer file.Close()
	check(t, l.serverLinks.LinkSetUp(tun))
	c := listenOne(t)[0]
	defer c.Close()
	raw := l.raw(t, l.c0, unix.ETH_P_IPV6)
	for range 3 {
		must(file.Write(packet(&clientLocal, &allAgentsAndServers, []byte("tun"))))(t)
		must(c.Recv())(t)
		p, meta := c.Packet(0)
		if string(p) != "tun" || meta.HasMAC || meta.Src != clientLocal || meta.Ifindex != int32(must(l.serverLinks.LinkByName("tun0"))(t).Attrs().Index) {
			t.Errorf("received %q %+v", p, meta)
		}
		c.Queue(0, append(c.Buffer(0), "answer"...), 546, serverLocal)
		c.Flush()
		check(t, file.SetReadDeadline(time.Now().Add(patience)))
		for {
			b := make([]byte, 2000)
			b = b[:must(file.Read(b))(t)]
			if b[6] == protocolUDP {
				if got := checksum(&serverLocal, &clientLocal, b[ipv6Header:]); got != 0xffff || string(b[frameHeader:]) != "answer" {
					t.Errorf("answer %x", b)
				}
				break
			}
		}
		must(unix.Write(raw, frame(&clientMAC, &clientLocal, &allAgentsAndServers, []byte("ethernet"))))(t)
		must(c.Recv())(t)
		if p, meta := c.Packet(0); string(p) != "ethernet" || !meta.HasMAC || meta.MAC != clientMAC {
			t.Errorf("received %q %+v", p, meta)
		}
	}
}

// exchangeOn sends from a client's interface, and expects it on one of the server's.
func exchangeOn(t *testing.T, got <-chan message, fd int, client, server netlink.Link) {
	t.Helper()
	name := client.Attrs().Name
	sendTo(t, fd, name, client, allAgentsAndServers, 547)
	if m := next(t, got); m.payload != name || m.meta.Ifindex != int32(server.Attrs().Index) || m.meta.MAC != clientMAC {
		t.Errorf("%s: received %q %+v", name, m.payload, m.meta)
	}
	if reply, _ := receive(t, fd); reply != "re: "+name {
		t.Errorf("%s: client got %q", name, reply)
	}
}

// TestFanout: of three sockets each receives some, and no message is received twice.
func TestFanout(t *testing.T) {
	l := newLab(t)
	conns := watched(t, must(ListenPacket(3, Options{}))(t))
	got := serve(t, conns, 546)
	raw := l.raw(t, l.c0, 0)
	const messages = 600
	for i := range messages {
		must(unix.Write(raw, frame(&clientMAC, &clientLocal, &allAgentsAndServers, fmt.Appendf(nil, "%d", i))))(t)
	}
	once, share := make(map[string]bool), make([]int, len(conns))
	for range messages {
		m := next(t, got)
		if once[m.payload] {
			t.Fatalf("message %s received twice", m.payload)
		}
		once[m.payload] = true
		share[m.conn]++
	}
	await(t, "answer to each", func() bool {
		var received, sent uint64
		for _, c := range conns {
			s := c.Stats()
			received, sent = received+s.Received, sent+s.Sent
		}
		return received == messages && sent == messages
	})
	for k, n := range share {
		if n < messages/10 {
			t.Errorf("socket %d received %d of %d", k, n, messages)
		}
	}
	// A second server on this machine gets its own copies: groups do not mix.
	others := watched(t, must(ListenPacket(2, Options{}))(t))
	more := serve(t, others, 546)
	must(unix.Write(raw, frame(&clientMAC, &clientLocal, &allAgentsAndServers, []byte("both"))))(t)
	if a, b := next(t, got), next(t, more); a.payload != "both" || b.payload != "both" {
		t.Errorf("received %q and %q", a.payload, b.payload)
	}
}

// TestInterfaceVanishes: one that is deleted while we receive costs the answers to its clients, and nothing else.
func TestInterfaceVanishes(t *testing.T) {
	l := newLab(t)
	s1, c1 := l.veth(t, "s1", "c1")
	c := listenOne(t)[0]
	defer c.Close()
	stays, goes := l.raw(t, l.c0, unix.ETH_P_IPV6), l.raw(t, c1, 0)
	for i := range 5 {
		fd := stays
		if i%2 == 1 {
			fd = goes
		}
		must(unix.Write(fd, frame(&clientMAC, &clientLocal, &allAgentsAndServers, []byte{byte(i)})))(t)
	}
	n := must(c.Recv())(t)
	if n != 5 {
		t.Fatalf("received %d of 5", n)
	}
	for i := range n {
		p, _ := c.Packet(i)
		c.Queue(i, append(c.Buffer(i), p...), 546, serverLocal)
	}
	check(t, l.serverLinks.LinkDel(s1))
	c.Flush()
	for _, want := range []byte{0, 2, 4} {
		if b := answer(t, stays); b[len(b)-1] != want {
			t.Errorf("answer %d, want %d", b[len(b)-1], want)
		}
	}
	if s := c.Stats(); s.Sent != 3 || s.SendNoInterface != 2 {
		t.Errorf("stats: %+v", s)
	}

	// While a Recv waits, interfaces go down, up and away.
	got := serve(t, []*Conn{c}, 546)
	for range 20 {
		l.veth(t, "s2", "c2")
		s2 := must(l.serverLinks.LinkByName("s2"))(t)
		check(t, l.serverLinks.LinkSetDown(s2))
		check(t, l.serverLinks.LinkDel(s2))
	}
	check(t, l.serverLinks.LinkSetDown(l.s0))
	check(t, l.serverLinks.LinkSetUp(l.s0))
	awaitUp(t, l.serverLinks, l.s0)
	must(unix.Write(stays, frame(&clientMAC, &clientLocal, &allAgentsAndServers, []byte("still"))))(t)
	if m := next(t, got); m.payload != "still" {
		t.Errorf("received %q", m.payload)
	}
}

// TestRepliesRefused: what cannot be sent is counted by its reason and does not hold up the others.
func TestRepliesRefused(t *testing.T) {
	l := newLab(t)
	check(t, l.serverLinks.LinkSetMTU(l.s0, 1500))
	c := listenOne(t)[0]
	defer c.Close()
	raw := l.raw(t, l.c0, unix.ETH_P_IPV6)
	for i := range 4 {
		must(unix.Write(raw, frame(&clientMAC, &clientLocal, &allAgentsAndServers, []byte{byte(i)})))(t)
	}
	if n := must(c.Recv())(t); n != 4 {
		t.Fatalf("received %d of 4", n)
	}
	for i, size := range []int{1500 - frameHeader, 1500 - frameHeader + 1, replySize + 1, 10} {
		c.Queue(i, append(c.Buffer(i), make([]byte, size)...), 546, serverLocal)
	}
	c.Flush()
	for _, want := range []int{1514, 14 + frameHeader + 10} {
		if n := len(answer(t, raw)); n != want {
			t.Errorf("frame of %d bytes, want %d", n, want)
		}
	}
	if s := c.Stats(); s.Sent != 2 || s.SendTooBig != 2 {
		t.Errorf("stats: %+v", s)
	}
	// Not flushed is not sent, and nothing is sent twice.
	must(unix.Write(raw, frame(&clientMAC, &clientLocal, &allAgentsAndServers, nil)))(t)
	must(c.Recv())(t)
	c.Flush()
	if s := c.Stats(); s.Sent != 2 {
		t.Errorf("sent %d, want 2", s.Sent)
	}
}
