package omapi

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/leases/isc"
	"github.com/lease6/lease6/server/omapi/access"
	"github.com/lease6/lease6/server/omapi/codec"
	"github.com/lease6/lease6/server/omapi/record"
)

// memoryConn is a connection whose client has said all it will ever say.
type memoryConn struct {
	net.Conn // none: a method that is not here is not to be called
	r        *bytes.Reader
	writes   [][]byte
}

func (c *memoryConn) Read(b []byte) (int, error)       { return c.r.Read(b) }
func (c *memoryConn) Close() error                     { return nil }
func (c *memoryConn) RemoteAddr() net.Addr             { return &net.UnixAddr{Name: "fuzz"} }
func (c *memoryConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memoryConn) SetWriteDeadline(time.Time) error { return nil }
func (c *memoryConn) Write(b []byte) (int, error) {
	c.writes = append(c.writes, bytes.Clone(b))
	return len(b), nil
}

// newFuzzServer makes a server over a real journal, on a file in memory where there are such.
func newFuzzServer(f *testing.F, o Options) *Server {
	dir := f.TempDir()
	if d, err := os.MkdirTemp("/dev/shm", "omapi-fuzz-"); err == nil {
		dir = d
		f.Cleanup(func() { os.RemoveAll(d) })
	}
	path := dir + "/leases"
	check(f, os.WriteFile(path, nil, 0o600))
	j := must(leases.OwnFile(path, leases.JournalOptions{}))(f)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- j.Run(ctx, func() {}) }()
	f.Cleanup(func() { cancel(); check(f, <-ended) })
	return must(New(j, o))(f)
}

// FuzzSession plays whatever to a session, as it is or with every message signed, and holds that what was acknowledged
// is what the store has in the end.
func FuzzSession(f *testing.F) {
	key := testKey(f, "hmac-md5")
	servers := map[bool]*Server{false: newFuzzServer(f, Options{PeerRate: 1e9}), true: newFuzzServer(f, Options{Key: key, Codes: codec.ISC, PeerRate: 1e9})}
	addSeeds(f)
	f.Fuzz(func(t *testing.T, keyed, sign bool, data []byte) {
		s := servers[keyed]
		if keyed && sign {
			data = signAll(key, data)
		}
		playAndCompare(t, s, data)
	})
}

// FuzzOperations plays requests that make sense one by one, in whatever order, with few names, MACs, identifiers,
// addresses and handles, so that they meet.
func FuzzOperations(f *testing.F) {
	s := newFuzzServer(f, Options{PeerRate: 1e9})
	f.Add([]byte{0, 1, 1, 0, 1, 1, 4, 0, 0, 5, 1, 0, 6, 1, 0, 0, 1, 1})
	f.Add(bytes.Repeat([]byte{3, 0x11, 0x21, 2, 0x41, 0x13, 5, 0x11, 0x82}, 20))
	f.Fuzz(func(t *testing.T, program []byte) {
		data := codec.AppendGreeting(nil)
		for id := uint32(0); len(program) >= 3 && id < 100; id++ {
			m := operation(program[0], program[1], program[2])
			m.ID = id
			data, program = m.Append(data, nil), program[3:]
		}
		playAndCompare(t, s, data)
	})
}

// operation makes a request of three bytes: what, about which, with which attributes.
func operation(what, which, with byte) codec.Message {
	var m codec.Message
	if which&1 != 0 {
		m.Object = append(m.Object, text("name", []string{"a", "b:c", "x--a", "_"}[which>>1&3])...)
	}
	if which&8 != 0 {
		m.Object = append(m.Object, text("hardware-address", mac(which>>4&3+1), "hardware-type", 1)...)
	}
	if which&64 != 0 {
		m.Object = append(m.Object, text("dhcp-client-identifier", []string{"i", "j", ""}[which%3])...)
	}
	if which&128 != 0 {
		m.Object = append(m.Object, text("handle", int(with>>5))...)
	}
	switch with & 7 {
	case 1, 2:
		m.Object = append(m.Object, text("ip-address", addr(with>>3&3))...)
	case 3:
		m.Object = append(m.Object, text("statements", "option dhcp6.preference 7;")...)
	case 4:
		m.Object = append(m.Object, text("group", "a")...)
	case 5:
		m.Object = append(m.Object, text("hardware-address", "")...)
	case 6:
		m.Object = append(m.Object, text("bogus", "")...)
	}
	m.Handle = uint32(with >> 4 & 7)
	switch what % 10 {
	case 0, 1, 2, 3, 4, 5:
		m.Op, m.Values = codec.Open, text("type", "host", "create", int(what%3&1), "exclusive", int(what%2), "update", int(what/2%2))
	case 6:
		m.Op, m.Values = codec.Open, text("type", "group", "create", int(what/10%2), "update", int(what/20%2))
	case 7:
		m.Op = codec.Update
	case 8:
		m.Op = codec.Delete
	default:
		m.Op = codec.Refresh
	}
	return m
}

// playAndCompare lets a client say data, and compares what it was told with what the store has.
func playAndCompare(t *testing.T, s *Server, data []byte) {
	t.Helper()
	conn := &memoryConn{r: bytes.NewReader(data)}
	session := newSession(s, conn, admitted(s.gate.Admit(conn.RemoteAddr())))
	session.run(context.Background())
	s.gate.Leave(session.peer)
	if len(conn.writes) == 0 || !bytes.Equal(conn.writes[0], codec.AppendGreeting(nil)) {
		t.Fatalf("no greeting first: %x", conn.writes)
	}
	m := newModel(t, data)
	for _, b := range conn.writes[1:] {
		m.reply(t, b)
	}
	m.compare(t, s)
	empty(t, s)
	if len(session.handles.byHandle) > maxHandles+1 {
		t.Fatalf("%d handles", len(session.handles.byHandle))
	}
}

func admitted(p *access.Peer, why string) *access.Peer {
	if why != "" {
		panic(why)
	}
	return p
}

// addSeeds adds the conversations that were recorded.
func addSeeds(f *testing.F) {
	greeting := codec.AppendGreeting(nil)
	f.Add(false, false, greeting)
	all := bytes.Clone(greeting)
	for line := range strings.Lines(string(must(os.ReadFile("testdata/abiquo-wire.log"))(f))) {
		w := strings.Fields(line)
		if w[1] == "C>S" {
			b := must(hex.DecodeString(w[3]))(f)
			all = append(all, bytes.TrimPrefix(b, greeting)...)
			f.Add(false, false, append(bytes.Clone(greeting), bytes.TrimPrefix(b, greeting)...))
		}
	}
	f.Add(false, false, all)
	f.Add(true, true, all)
	f.Add(true, false, all)
	var more []byte
	for _, m := range []codec.Message{
		{Op: codec.Open, Values: text("type", "group", "create", 1), Object: text("name", "g", "statements", "default-lease-time 700;")},
		{Op: codec.Open, Values: text("type", "host", "create", 1), Object: text("name", "a", "hardware-address", mac(1), "group", "g")},
		{Op: codec.Update, Handle: 2, Object: text("ip-address", addr(1), "dhcp-client-identifier", "id", "hardware-address", "")},
		{Op: codec.Open, Values: text("type", "host", "update", 1), Object: text("dhcp-client-identifier", "id", "ip-address", addr(2))},
		{Op: codec.Open, Values: text("type", "host"), Object: text("handle", 2)},
		{Op: codec.Delete, Handle: 2}, {Op: codec.Delete, Handle: 1}, {Op: codec.Refresh, Handle: 1},
	} {
		more = m.Append(more, nil)
	}
	f.Add(false, false, append(bytes.Clone(greeting), more...))
	f.Add(true, true, append(bytes.Clone(greeting), more...))
}

// signAll opens the key and signs every message in data.
func signAll(key *codec.Key, data []byte) []byte {
	d := codec.NewDecoder(bytes.NewReader(data))
	if d.Greeting() != nil {
		return data
	}
	login := codec.Message{Op: codec.Open, Values: text("type", "authenticator"), Object: text("name", key.Name(), "algorithm", key.Algorithm())}
	out := login.Append(codec.AppendGreeting(nil), nil)
	signer := key.NewSigner()
	var m codec.Message
	for d.Read(&m) == nil {
		m.AuthID = 1
		out = m.Append(out, signer)
	}
	return out
}

// model is what a client knows from what was acknowledged.
type model struct {
	requests *codec.Decoder
	hosts    map[string]*state
	handles  map[uint32]string // of hosts
	kinds    map[uint32]string
}

// state is what a client knows of a host: nil object = only that it is there.
type state struct {
	there  bool
	object []codec.Value
}

func newModel(t *testing.T, data []byte) *model {
	m := &model{requests: codec.NewDecoder(bytes.NewReader(data)), hosts: make(map[string]*state), handles: make(map[uint32]string), kinds: make(map[uint32]string)}
	if err := m.requests.Greeting(); err != nil && err != io.EOF && err != io.ErrUnexpectedEOF && err != codec.ErrGreeting {
		t.Fatal(err)
	}
	return m
}

// reply takes the reply to the next request.
func (m *model) reply(t *testing.T, b []byte) {
	var q, r codec.Message
	err := m.requests.Read(&q)
	if e := codec.NewDecoder(bytes.NewReader(b)).Read(&r); e != nil || r.ReplyTo != q.ID || len(b) > record.MaxReply {
		t.Fatalf("reply %x to %+v: %v", b, q, e)
	}
	if err != nil {
		if err != codec.ErrTooBig || code(&r) == 0 {
			t.Fatalf("a reply to what cannot be read (%v): %s", err, show(&r))
		}
		return
	}
	if r.Op == codec.Status && len(b) < 44 {
		t.Fatalf("%d bytes", len(b))
	}
	kind, _ := codec.Find(q.Values, "type")
	switch name, _ := codec.Find(r.Object, "name"); {
	case r.Op == codec.Update && q.Op == codec.Open && len(kind) > 0:
		m.kinds[r.Handle] = string(kind)
		fallthrough
	case r.Op == codec.Update:
		if m.kinds[r.Handle] == "host" {
			m.handles[r.Handle] = string(name)
			m.hosts[string(name)] = &state{true, clone(r.Object)}
		}
	case code(&r) == 0 && q.Op == codec.Update && m.kinds[q.Handle] == "host":
		m.hosts[m.handles[q.Handle]].object = nil
	case code(&r) == 0 && q.Op == codec.Delete && m.kinds[q.Handle] == "host":
		*m.hosts[m.handles[q.Handle]] = state{}
	}
}

func (m *model) compare(t *testing.T, s *Server) {
	ix := s.store.Acquire()
	defer s.store.Release()
	for name, want := range m.hosts {
		id := findName(ix, name)
		if (id != 0) != want.there {
			t.Fatalf("host %q: acknowledged %v, stored %v", name, want.there, id != 0)
		}
		if id != 0 && want.object != nil {
			h := ix.Host(id)
			record.Shorten(&h)
			if got := record.Object(&h); !reflect.DeepEqual(clone(got), want.object) {
				t.Fatalf("host %q:\nacknowledged %q\nstored       %q", name, want.object, got)
			}
		}
	}
	there := 0
	for _, h := range m.hosts {
		if h.there {
			there++
		}
	}
	if ix.Len() != there {
		t.Fatalf("%d hosts are stored, %d were acknowledged", ix.Len(), there)
	}
	for _, err := range ix.Check() {
		t.Fatal(err)
	}
}

// empty empties the store for the next input.
func empty(t *testing.T, s *Server) {
	var names, groups []string
	ix := s.store.Acquire()
	for id := range ix.All() {
		names = append(names, ix.Name(id))
		if h := ix.Host(id); h.Group != "" {
			groups = append(groups, h.Group)
		}
	}
	s.store.Release()
	for _, n := range names {
		check(t, s.store.Delete(t.Context(), n))
	}
	for _, g := range groups {
		check(t, s.store.PutGroup(t.Context(), &isc.Group{Name: g, Deleted: true}))
	}
}
