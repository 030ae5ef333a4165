package omapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/leases/isc"
	"github.com/lease6/lease6/server/omapi/codec"
)

var algorithms = []string{"hmac-md5", "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"}

// TestKeyRequired holds that nothing but opening the key works without a right signature, for each algorithm.
func TestKeyRequired(t *testing.T) {
	for _, algorithm := range algorithms {
		t.Run(algorithm, func(t *testing.T) {
			key := testKey(t, algorithm)
			f := newFixture(t, Options{Key: key})
			create := func(c *client) codec.Message {
				return c.open("host", exclusive, "name", "a", "hardware-address", mac(1))
			}
			refused := func(what string, m codec.Message) {
				t.Helper()
				if _, ok := f.host("a"); ok || m.Op != codec.Status || code(&m) != 6 || m.AuthID != 0 {
					t.Errorf("%s: %s", what, show(&m))
				}
			}
			c := f.dial(t)
			refused("unsigned", create(c))
			refused("unsigned refresh", c.ask(&codec.Message{Op: codec.Refresh, Handle: 1}))
			wrong := must(codec.NewKey(keyName, algorithm, []byte("another secret")))(t)
			c.login(key)
			c.signer = wrong.NewSigner()
			refused("wrong secret", create(c))
			c.signer = nil
			refused("empty signature", create(c))
			authID := c.authID
			c.authID = 0
			refused("unsigned behind the login", create(c))
			c.authID, c.signer = authID, key.NewSigner()
			if m := create(c); m.Op != codec.Update || m.AuthID != authID {
				t.Errorf("signed: %s", show(&m))
			}
			c.login(key) // once more, signed
			for _, o := range []codec.Op{codec.Update, codec.Delete} {
				if m := c.ask(&codec.Message{Op: o, Handle: authID, Object: text("name", "x")}); code(&m) != 6 && code(&m) != 27 {
					t.Errorf("%v of the key: %s", o, show(&m))
				}
			}
			if m := c.ask(&codec.Message{Op: codec.Refresh, Handle: authID}); m.Handle != authID || len(m.Object) != 2 {
				t.Errorf("refresh of the key: %s", show(&m))
			}
			other := f.dial(t)
			other.authID, other.signer = authID, key.NewSigner()
			other.send(&codec.Message{Op: codec.Refresh, Handle: 1})
			if !other.closed() {
				t.Error("a key that was opened on another connection is taken")
			}
			n := f.Counters()
			if n.BadSignatures != 2 || n.Unsigned != 3 || n.Created != 1 {
				t.Errorf("counters: %+v", n)
			}
		})
	}
}

func TestWhichKey(t *testing.T) {
	f := newFixture(t, Options{Key: testKey(t, "hmac-sha256")})
	for _, test := range []struct {
		name, algorithm string
		want            uint32
	}{
		{"omapi_key", "hmac-sha256.SIG-ALG.REG.INT.", 0},
		{"OMAPI_KEY", "HMAC-SHA256.sig-alg.reg.int.", 0},
		{"omapi_key", "hmac-md5.SIG-ALG.REG.INT.", 23},
		{"omapi_key", "hmac-sha256", 23},
		{"omapi_key", "hmac-sha256.SIG-ALG.REG.INT", 23},
		{"omapi_key", "", 23},
		{"omapi", "hmac-sha256.SIG-ALG.REG.INT.", 23},
	} {
		m := f.dial(t).open("authenticator", "", "name", test.name, "algorithm", test.algorithm)
		if code(&m) != test.want {
			t.Errorf("%s, %s: %s", test.name, test.algorithm, show(&m))
		}
	}
}

func TestAllowedPeers(t *testing.T) {
	for _, test := range []struct {
		allow string
		taken bool
	}{{"127.0.0.0/8", true}, {"192.0.2.0/24", false}, {"::/0", false}} {
		t.Run(test.allow, func(t *testing.T) {
			f := newFixture(t, Options{Allow: []netip.Prefix{netip.MustParsePrefix("198.51.100.7/32"), netip.MustParsePrefix(test.allow)}})
			conn := must(net.Dial("tcp", f.address))(t)
			defer conn.Close()
			check(t, conn.SetDeadline(time.Now().Add(patience)))
			var b [8]byte
			if _, err := io.ReadFull(conn, b[:]); (err == nil) != test.taken {
				t.Errorf("greeting: %v", err)
			}
			if n := f.Counters(); (n.Rejected == 0) != test.taken {
				t.Errorf("counters: %+v", n)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	closedAtOnce := func(t *testing.T, f *fixture) {
		t.Helper()
		conn := must(net.Dial("tcp", f.address))(t)
		defer conn.Close()
		check(t, conn.SetDeadline(time.Now().Add(patience)))
		if n, err := conn.Read(make([]byte, 8)); err == nil {
			t.Errorf("one connection too many is greeted with %d bytes", n)
		}
	}
	t.Run("connections", func(t *testing.T) {
		f := newFixture(t, Options{Connections: 2})
		one := f.dial(t)
		f.dial(t)
		closedAtOnce(t, f)
		one.conn.Close()
		await(t, "a place", func() bool { return f.Counters().Open < 2 })
		f.dial(t)
	})
	t.Run("connections of a peer", func(t *testing.T) {
		f := newFixture(t, Options{PeerConnections: 1})
		f.dial(t)
		closedAtOnce(t, f)
	})
	t.Run("500 connections", func(t *testing.T) {
		f := newFixture(t, Options{}, vm("a", 1))
		var all []*client
		for range 500 {
			all = append(all, f.dial(t))
		}
		for _, c := range all {
			if m := c.open("host", "", "name", "a"); show(&m) != hostA {
				t.Fatal(show(&m))
			}
		}
		if n := f.Counters(); n.Open != 500 || n.Connections != 500 || n.Rejected != 0 {
			t.Errorf("%+v", n)
		}
	})
	t.Run("idle", func(t *testing.T) {
		f := newFixture(t, Options{IdleTimeout: time.Millisecond})
		if c := f.dial(t); !c.closed() {
			t.Error("a silent connection is not closed")
		}
	})
	t.Run("rate", func(t *testing.T) {
		const rate, more = 200, 40
		f := newFixture(t, Options{PeerRate: rate}, vm("a", 1))
		c, begin := f.dial(t), time.Now()
		for range rate + more {
			c.open("host", "", "name", "a")
		}
		if took := time.Since(begin); took < more*time.Second/rate/2 {
			t.Errorf("%d requests in %v at %d a second and as many ahead", rate+more, took, rate)
		}
	})
	for name, message := range map[string][]byte{
		"a value of 2 GiB": append(bytes.Repeat([]byte{0}, 24), "\x00\x04name\x7f\xff\xff\xff"...),
		"signature":        append([]byte{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, make([]byte, 20)...),
		"100 values":       append(make([]byte, 24), bytes.Repeat([]byte("\x00\x01n\x00\x00\x00\x00"), 100)...),
		"a megabyte":       append(append(bytes.Repeat([]byte{0}, 24), "\x00\x04name\x00\x10\x00\x00"...), make([]byte, 1<<20)...),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, Options{})
			c := f.dial(t)
			c.conn.Write(message) // may fail: nobody promises to read it all
			if m := c.receive(); code(&m) != 39 || !c.closed() {
				t.Errorf("%s", show(&m))
			}
		})
	}
}

// await waits until something is so.
func await(t testing.TB, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s in vain", what)
		}
	}
}

// TestGreetings are the beginnings that a connection may have.
func TestGreetings(t *testing.T) {
	f := newFixture(t, Options{}, vm("a", 1))
	request := codec.Message{Op: codec.Open, ID: 7, Values: text("type", "host"), Object: text("name", "a")}
	long := request.Append(nil, nil)
	long = append(long[:24:24], append([]byte{0xde, 0xad, 0xbe, 0xef}, long[24:]...)...)
	for _, test := range []struct {
		name  string
		bytes []byte
		want  bool
	}{
		{"glued to the request", request.Append(codec.AppendGreeting(nil), nil), true},
		{"longer headers", append([]byte{0, 0, 0, 100, 0, 0, 0, 28}, long...), true},
		{"another version", []byte{0, 0, 0, 101, 0, 0, 0, 24}, false},
		{"shorter headers", []byte{0, 0, 0, 100, 0, 0, 0, 20}, false},
		{"headers of 4 GiB", []byte{0, 0, 0, 100, 255, 255, 255, 255}, false},
		{"another protocol", []byte("GET / HTTP/1.0\r\n\r\n"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := must(net.Dial("tcp", f.address))(t)
			defer conn.Close()
			check(t, conn.SetDeadline(time.Now().Add(patience)))
			var greeting [64]byte
			if n, err := conn.Read(greeting[:]); err != nil || !bytes.Equal(greeting[:n], codec.AppendGreeting(nil)) {
				t.Fatalf("greeted with %x, %v", greeting[:n], err)
			}
			must(conn.Write(test.bytes))(t)
			var m codec.Message
			if err := codec.NewDecoder(conn).Read(&m); (err == nil) != test.want {
				t.Errorf("%v", err)
			} else if test.want && show(&m) != hostA {
				t.Error(show(&m))
			}
		})
	}
}

// TestPipelining sends hundreds of requests without waiting for one reply.
func TestPipelining(t *testing.T) {
	f := newFixture(t, Options{})
	c := f.dial(t)
	const n = 300
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		var b []byte
		for i := range n {
			m := codec.Message{Op: codec.Open, ID: uint32(i), Values: text("type", "host", "create", 1, "exclusive", 1),
				Object: text("name", fmt.Sprintf("h%d", i), "hardware-address", []byte{2, 0, 0, 0, byte(i >> 8), byte(i)})}
			b = m.Append(b, nil)
		}
		if _, err := c.conn.Write(b); err != nil {
			t.Error(err)
		}
	})
	for i := range n {
		if m := c.receive(); m.Op != codec.Update || m.ReplyTo != uint32(i) {
			t.Fatalf("reply %d to %d: %s", i, m.ReplyTo, show(&m))
		}
	}
	if got := f.Counters().Created; got != n {
		t.Errorf("%d created, want %d", got, n)
	}
}

// TestConcurrentChanges lets many connections fight for few names and MACs. Whatever was acknowledged last must be
// what is served, and what is in the file.
func TestConcurrentChanges(t *testing.T) {
	f := newFixture(t, Options{})
	const clients, rounds = 16, 20
	var wg sync.WaitGroup
	var created, deleted [4]int
	var mu sync.Mutex
	for i := range clients {
		c := f.dial(t)
		wg.Go(func() {
			for r := range rounds {
				n := byte((i + r) % len(created))
				m := c.open("host", exclusive, "name", fmt.Sprintf("h%d", n), "hardware-address", mac(n), "ip-address", addr(n))
				if m.Op == codec.Update {
					mu.Lock()
					created[n]++
					mu.Unlock()
				}
				m = c.open("host", "", "hardware-address", mac(n))
				if m.Op != codec.Update {
					continue
				}
				c.ask(&codec.Message{Op: codec.Update, Handle: m.Handle, Object: text("ip-address", append(addr(byte(r))[:14:14], n+1, byte(r)))})
				if m = c.ask(&codec.Message{Op: codec.Delete, Handle: m.Handle}); code(&m) == 0 {
					mu.Lock()
					deleted[n]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	file := must(os.Open(f.path))(t)
	defer file.Close()
	ix, diagnostics, err := leases.Load(file, leases.LoadOptions{})
	check(t, err)
	if len(diagnostics) > 0 {
		t.Errorf("the file is damaged: %v", diagnostics)
	}
	for n := range created {
		_, served := f.host(fmt.Sprintf("h%d", n))
		filed := ix.FindName(fmt.Sprintf("h%d", n)) != 0
		if left := created[n] - deleted[n]; left < 0 || left > 1 || served != (left == 1) || filed != served {
			t.Errorf("h%d: %d created, %d deleted; served %v, in the file %v", n, created[n], deleted[n], served, filed)
		}
	}
	if n := f.Counters(); n.Created == 0 || n.Created != uint64(created[0]+created[1]+created[2]+created[3]) {
		t.Errorf("%+v, but %v were acknowledged", n, created)
	}
}

// faultyStore fails.
type faultyStore struct {
	*leases.Journal
	err error
}

func (s *faultyStore) Put(context.Context, *isc.Host, bool) error       { return s.err }
func (s *faultyStore) Delete(context.Context, string) error             { return s.err }
func (s *faultyStore) PutGroup(ctx context.Context, g *isc.Group) error { return s.err }

func TestStoreFailures(t *testing.T) {
	for _, test := range []struct {
		err          error
		classic, isc uint32
	}{
		{fmt.Errorf("%w: disk full at /secret/place", leases.ErrFailed), 25, 26},
		{leases.ErrReadOnly, 6, 6},
		{fmt.Errorf("leases: %w", context.DeadlineExceeded), 25, 25},
		{&leases.ConflictError{Field: "mac", Host: "x--a--"}, 44, 0x60007},
		{&leases.ConflictError{Field: "name", Host: "a"}, 18, 18},
		{leases.ErrNotFound, 23, 23},
		{errors.New("whatever"), 25, 25},
	} {
		for codes, want := range []uint32{test.classic, test.isc} {
			f := newFixture(t, Options{Codes: codec.Codes(codes)}, vm("a", 1))
			f.Server.store = &faultyStore{f.journal, test.err}
			c := f.dial(t)
			c.open("host", "", "name", "a")
			for what, m := range map[string]codec.Message{
				"create": c.open("host", exclusive, "name", "b", "hardware-address", mac(2)),
				"update": c.ask(&codec.Message{Op: codec.Update, Handle: 1, Object: text("ip-address", addr(2))}),
				"delete": c.ask(&codec.Message{Op: codec.Delete, Handle: 1}),
				"group":  c.open("group", exclusive, "name", "g", "statements", "default-lease-time 700;"),
			} {
				if code(&m) != want || strings.Contains(show(&m), "place") {
					t.Errorf("%s, %v: %s, want %d", what, test.err, show(&m), want)
				}
			}
			if n := f.Counters(); n.Created+n.Updated+n.Deleted+n.GroupsChanged != 0 {
				t.Errorf("%v: failures are counted as changes: %+v", test.err, n)
			}
		}
	}
}

func TestChangesAreLogged(t *testing.T) {
	f := newFixture(t, Options{Key: testKey(t, "hmac-sha256")})
	c := f.dial(t)
	c.open("host", "", "name", "a")
	c.login(f.o.Key)
	c.open("host", exclusive, "name", "a:b", "hardware-address", mac(1), "ip-address", addr(1))
	c.open("host", "create", "name", "a:b", "ip-address", addr(2), "statements", "option dhcp6.preference 7;")
	c.ask(&codec.Message{Op: codec.Delete, Handle: 2})
	for _, want := range []string{
		`level=WARN msg="unsigned request refused" peer=127.0.0.1`,
		`level=INFO msg="host created" peer=` + c.conn.LocalAddr().String() + ` host=a:b new="52:54:00:00:07:01 2001:db8:1::1" signed=true`,
		`msg="host updated" peer=` + c.conn.LocalAddr().String() +
			` host=a:b old="52:54:00:00:07:01 2001:db8:1::1" new="52:54:00:00:07:01 2001:db8:1::2 supersede dhcp6.preference = 07;" signed=true`,
		`msg="host deleted" peer=` + c.conn.LocalAddr().String() + ` host=a:b old="52:54:00:00:07:01 2001:db8:1::2 supersede`,
	} {
		if !strings.Contains(f.logs.String(), want) {
			t.Errorf("not in the log: %s", want)
		}
	}
	if t.Failed() {
		t.Log(f.logs.String())
	}
}

// TestExposed holds when the server warns that it is open to anybody.
func TestExposed(t *testing.T) {
	anywhere := &net.TCPAddr{IP: net.IPv6unspecified, Port: 7911}
	for _, test := range []struct {
		name string
		addr net.Addr
		o    Options
		want bool
	}{
		{"open", anywhere, Options{}, true},
		{"loopback", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, Options{}, false},
		{"with a key", anywhere, Options{Key: testKey(t, "hmac-md5")}, false},
		{"for some", anywhere, Options{Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, false},
		{"on this machine only", &net.UnixAddr{}, Options{}, false},
	} {
		s := must(New(nil, test.o))(t)
		if got := s.exposed(test.addr); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// TestStop ends the server with connections open. The request being carried out is answered.
func TestStop(t *testing.T) {
	f := newFixture(t, Options{})
	idle, busy := f.dial(t), f.dial(t)
	hold := &holdingStore{Journal: f.journal, entered: make(chan struct{}), release: make(chan struct{})}
	f.Server.store = hold
	busy.send(&codec.Message{Op: codec.Open, Values: text("type", "host", "create", 1), Object: text("name", "a", "hardware-address", mac(1))})
	<-hold.entered
	stopped := make(chan struct{})
	go func() { f.stop(); close(stopped) }()
	if !idle.closed() {
		t.Error("an idle connection is not closed")
	}
	select {
	case <-stopped:
		t.Error("stopped before the request was answered")
	default:
	}
	close(hold.release)
	if m := busy.receive(); m.Op != codec.Update {
		t.Error(show(&m))
	}
	if !busy.closed() {
		t.Error("the connection is not closed")
	}
	<-stopped
	if n := f.Counters().Open; n != 0 {
		t.Errorf("%d connections are open", n)
	}
}

// holdingStore keeps a change waiting.
type holdingStore struct {
	*leases.Journal
	entered, release chan struct{}
}

func (s *holdingStore) Put(ctx context.Context, h *isc.Host, exclusive bool) error {
	close(s.entered)
	<-s.release
	return s.Journal.Put(ctx, h, exclusive)
}
