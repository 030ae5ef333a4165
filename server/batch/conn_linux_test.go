package batch

import (
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestClose ends a Recv that waits, and all that come after it.
func TestClose(t *testing.T) {
	newLab(t)
	for _, conns := range [][]*Conn{watched(t, must(ListenPacket(2, Options{}))(t)), watched(t, must(ListenUDP(547, 2, Options{}))(t))} {
		for _, c := range conns {
			ended := make(chan error)
			go func() {
				_, err := c.Recv()
				ended <- err
			}()
			check(t, c.Close())
			select {
			case err := <-ended:
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("Recv: %v, want net.ErrClosed", err)
				}
			case <-time.After(patience):
				t.Fatal("Recv still waits after Close")
			}
			if _, err := c.Recv(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Recv after Close: %v, want net.ErrClosed", err)
			}
			if err := c.Close(); err == nil {
				t.Error("closed twice")
			}
			c.Flush()
			c.Stats()
		}
	}
}

// TestKernelDrops: what nobody reads in time is counted, at once and to the last packet.
func TestKernelDrops(t *testing.T) {
	const sent = 300
	l := newRoutedLab(t)
	tiny := Options{ReceiveBytes: 1}
	udp := l.udp(t, l.c0, clientGlobal, 1547)
	for _, tt := range []struct {
		name  string
		conn  *Conn
		group [16]byte
	}{
		{"packet socket", watched(t, must(ListenPacket(1, tiny))(t))[0], allAgentsAndServers},
		{"UDP socket", watched(t, must(ListenUDP(547, 1, tiny))(t))[0], serverFirst},
	} {
		for range sent {
			sendTo(t, udp, "x", l.c0, tt.group, 547)
		}
		n := must(tt.conn.Recv())(t)
		if got := tt.conn.Stats().KernelDrops; n == sent || got != uint64(sent-n) {
			t.Errorf("%s: received %d, dropped %d of %d", tt.name, n, got, sent)
		}
		check(t, tt.conn.Close())
		if got := tt.conn.Stats().KernelDrops; got != uint64(sent-n) {
			t.Errorf("%s: %d drops after Close, want %d", tt.name, got, sent-n)
		}
	}
}

// TestStatsWhileBusy reads the figures while the socket is used; the race detector judges.
func TestStatsWhileBusy(t *testing.T) {
	l := newLab(t)
	conns := listenOne(t)
	got := serve(t, conns, 546)
	raw := l.raw(t, l.c0, 0)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					conns[0].Stats()
				}
			}
		})
	}
	for range 300 {
		must(unix.Write(raw, frame(&clientMAC, &clientLocal, &allServers, []byte("x"))))(t)
		next(t, got)
	}
	close(done)
	wg.Wait()
}

// TestBuffers: the default is beyond the limit of the system, what is asked for is what the kernel doubles.
func TestBuffers(t *testing.T) {
	newLab(t)
	for bytes, want := range map[int]uint64{0: 2 * defaultReceiveBytes, 1 << 20: 2 << 20} {
		conns := watched(t, must(ListenPacket(1, Options{ReceiveBytes: bytes}))(t))
		if got := conns[0].Stats().ReceiveBuffer; got != want {
			t.Errorf("ReceiveBytes %d: buffer of %d bytes, want %d", bytes, got, want)
		}
		closeAll(conns)
	}
}

// TestCapabilities: without one, the error names it; without CAP_NET_ADMIN, the buffers are what the system allows.
func TestCapabilities(t *testing.T) {
	newLab(t)
	for _, tt := range []struct {
		capability uint
		open       func() ([]*Conn, error)
		want       string
	}{
		{unix.CAP_NET_RAW, func() ([]*Conn, error) { return ListenPacket(1, Options{}) }, "CAP_NET_RAW"},
		{unix.CAP_NET_BIND_SERVICE, func() ([]*Conn, error) { return ListenUDP(547, 1, Options{}) }, "CAP_NET_BIND_SERVICE"},
		{unix.CAP_NET_ADMIN, func() ([]*Conn, error) { return ListenPacket(2, Options{}) }, ""},
		{unix.CAP_NET_ADMIN, func() ([]*Conn, error) { return ListenUDP(547, 2, Options{}) }, ""},
		{unix.CAP_NET_ADMIN, func() ([]*Conn, error) { return ListenUDP(547, 0, Options{}) }, "0 sockets"},
	} {
		restore := without(t, tt.capability)
		conns, err := tt.open()
		restore()
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("without capability %d: %v", tt.capability, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("without capability %d: error %v, want %q in it", tt.capability, err, tt.want)
		}
		for _, c := range conns {
			if got := c.Stats().ReceiveBuffer; got >= 2*defaultReceiveBytes || got < 100<<10 {
				t.Errorf("without capability %d: receive buffer of %d bytes", tt.capability, got)
			}
		}
		closeAll(conns)
	}
}

// without takes a capability from the test's thread.
func without(t *testing.T, capability uint) (restore func()) {
	t.Helper()
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	check(t, unix.Capget(header, &data[0]))
	before := data
	data[capability/32].Effective &^= 1 << (capability % 32)
	check(t, unix.Capset(header, &data[0]))
	return func() { check(t, unix.Capset(header, &before[0])) }
}

// cycle is what a worker does with each batch.
func cycle(t testing.TB, c *Conn, want int) {
	for want > 0 {
		n, err := c.Recv()
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			p, meta := c.Packet(i)
			if p == nil {
				t.Fatal("packet refused")
			}
			b := append(c.Buffer(i), p...)
			c.Queue(i, append(b, "and an answer is longer than its question, mostly"...), meta.SrcPort, serverLocal)
		}
		c.Flush()
		want -= n
	}
}

// traffic is what tests and benchmarks of the cycle ask: a client that sends without allocating.
type traffic struct {
	name string
	conn *Conn
	send func()
}

func newTraffic(t testing.TB) []traffic {
	l := newRoutedLab(t)
	raw := l.raw(t, l.c0, 0)
	// The answers to that MAC are for nobody: the client's kernel drops them at once instead of with an ICMP error.
	f := frame(&[6]byte{0x52, 0x54, 0, 0, 0xc, 99}, &clientLocal, &allAgentsAndServers, make([]byte, 97))
	fd := l.udp(t, l.c0, clientGlobal, 1547)
	check(t, unix.Connect(fd, &unix.SockaddrInet6{Addr: serverSecond, Port: 547}))
	check(t, unix.SetNonblock(fd, true))
	payload, answer := make([]byte, 97), make([]byte, 512)
	frames, datagrams := listenOne(t)[0], watched(t, must(ListenUDP(547, 1, Options{}))(t))[0]
	t.Cleanup(func() { frames.Close(); datagrams.Close() })
	return []traffic{
		{"frames", frames, func() {
			if _, err := unix.Write(raw, f); err != nil {
				t.Fatal(err)
			}
		}},
		{"datagrams", datagrams, func() {
			unix.Read(fd, answer) // or its receive buffer fills up
			if _, err := unix.Write(fd, payload); err != nil {
				t.Fatal(err)
			}
		}},
	}
}

// TestCycleDoesNotAllocate from Recv to Flush, for either kind of socket.
func TestCycleDoesNotAllocate(t *testing.T) {
	for _, tr := range newTraffic(t) {
		tr.send()
		cycle(t, tr.conn, 1)
		if got := testing.AllocsPerRun(200, func() {
			for range 10 {
				tr.send()
			}
			cycle(t, tr.conn, 10)
		}); got != 0 {
			t.Errorf("%s: %v allocations a cycle", tr.name, got)
		}
		if s := tr.conn.Stats(); s.Sent != s.Received || s.Sent < 2000 {
			t.Errorf("%s: %+v", tr.name, s)
		}
	}
}

// BenchmarkCycle is one batch of 64 messages of 97 bytes, each answered, over a veth pair. The CPU time is that of the
// server's part alone: what its thread used, the kernel's work for it included.
func BenchmarkCycle(b *testing.B) {
	for _, tr := range newTraffic(b) {
		// No subtests: they would run in another thread, and so in another namespace.
		var used time.Duration
		start, n := time.Now(), 0
		for n = 0; time.Since(start) < time.Second; n++ {
			for range batchSize {
				tr.send()
			}
			before := threadTime(b)
			cycle(b, tr.conn, batchSize)
			used += threadTime(b) - before
		}
		b.ReportMetric(float64(used.Nanoseconds())/float64(n*batchSize), "cpu-ns/"+tr.name)
		if s := tr.conn.Stats(); s.Sent != s.Received || s.KernelDrops > 0 {
			b.Errorf("%s: %+v", tr.name, s)
		}
	}
}

func threadTime(b *testing.B) time.Duration {
	var ts unix.Timespec
	check(b, unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts))
	return time.Duration(ts.Nano())
}
