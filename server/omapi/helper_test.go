package omapi

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/leases/isc"
	"github.com/lease6/lease6/server/omapi/codec"
)

// patience is how long a test waits for what must come. Waiting ends as soon as it has.
const patience = 20 * time.Second

const (
	keyName   = "omapi_key"
	keySecret = "md5-secret-12345"
)

// logBuffer collects a log that several goroutines write.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// fixture is a server over a real journal on a real file, on loopback.
type fixture struct {
	*Server
	path    string // of the lease file
	address string
	journal *leases.Journal
	logs    *logBuffer
	stop    func() // ends Serve and waits for it
}

func newFixture(t testing.TB, o Options, hosts ...isc.Host) *fixture {
	t.Helper()
	f := &fixture{path: filepath.Join(t.TempDir(), "dhcpd6.leases"), logs: &logBuffer{}}
	var text []byte
	for i := range hosts {
		text = isc.AppendHost(text, &hosts[i])
	}
	check(t, os.WriteFile(f.path, text, 0o600))
	f.journal = must(leases.OwnFile(f.path, leases.JournalOptions{}))(t)
	o.Logger = slog.New(slog.NewTextHandler(f.logs, nil))
	f.Server = must(New(f.journal, o))(t)
	ln := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	f.address = ln.Addr().String()
	storeCtx, endStore := context.WithCancel(context.Background())
	ctx, cancel := context.WithCancel(context.Background())
	var store, served sync.WaitGroup
	ready := make(chan struct{})
	store.Go(func() {
		if err := f.journal.Run(storeCtx, func() { close(ready) }); err != nil {
			t.Errorf("journal: %v", err)
		}
	})
	<-ready
	served.Go(func() {
		if err := f.Serve(ctx, ln); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	f.stop = func() { cancel(); served.Wait() }
	t.Cleanup(func() {
		f.stop()
		ix := f.journal.Acquire()
		for _, err := range ix.Check() {
			t.Error(err)
		}
		f.journal.Release()
		endStore()
		store.Wait()
		if strings.Contains(f.logs.String(), keySecret) {
			t.Error("the log has the key's secret in it")
		}
	})
	return f
}

// host returns what the store serves under a real name.
func (f *fixture) host(name string) (isc.Host, bool) {
	ix := f.journal.Acquire()
	defer f.journal.Release()
	if id := findName(ix, name); id != 0 {
		return ix.Host(id), true
	}
	return isc.Host{}, false
}

// client is one connection of a test, its greeting done.
type client struct {
	t      testing.TB
	conn   net.Conn
	dec    *codec.Decoder
	id     uint32
	authID uint32
	signer *codec.Signer
}

func (f *fixture) dial(t testing.TB) *client { return dial(t, f.address) }

func dial(t testing.TB, address string) *client {
	t.Helper()
	c := &client{t: t, conn: must(net.DialTimeout("tcp", address, patience))(t), id: 1000}
	t.Cleanup(func() { c.conn.Close() })
	check(t, c.conn.SetDeadline(time.Now().Add(patience)))
	c.dec = codec.NewDecoder(c.conn)
	_, err := c.conn.Write(codec.AppendGreeting(nil))
	check(t, err)
	check(t, c.dec.Greeting())
	return c
}

// login opens a key.
func (c *client) login(key *codec.Key) {
	c.t.Helper()
	got := c.ask(&codec.Message{Op: codec.Open, Values: text("type", "authenticator"), Object: text("name", key.Name(), "algorithm", key.Algorithm())})
	if got.Op != codec.Update || got.Handle == 0 {
		c.t.Fatalf("login: %s", show(&got))
	}
	c.authID, c.signer = got.Handle, key.NewSigner()
}

// send sends a request without waiting for its answer.
func (c *client) send(m *codec.Message) {
	c.t.Helper()
	c.id++
	m.ID, m.AuthID = c.id, c.authID
	_, err := c.conn.Write(m.Append(nil, c.signer))
	check(c.t, err)
}

// receive reads a reply. The message is the test's own.
func (c *client) receive() codec.Message {
	c.t.Helper()
	var m codec.Message
	check(c.t, c.dec.Read(&m))
	if c.signer != nil && m.AuthID != 0 && !c.signer.Check(&m) {
		c.t.Fatalf("the signature of the reply is wrong: %s", show(&m))
	}
	m.Values, m.Object = clone(m.Values), clone(m.Object)
	return m
}

func (c *client) ask(m *codec.Message) codec.Message {
	c.t.Helper()
	c.send(m)
	got := c.receive()
	if got.ReplyTo != c.id {
		c.t.Fatalf("a reply to %d, want one to %d", got.ReplyTo, c.id)
	}
	return got
}

// open opens an object; flags are create, exclusive, update.
func (c *client) open(kind, flags string, attributes ...any) codec.Message {
	c.t.Helper()
	values := text("type", kind)
	for _, f := range strings.Fields(flags) {
		values = append(values, codec.Value{Name: f, Data: []byte{0, 0, 0, 1}})
	}
	return c.ask(&codec.Message{Op: codec.Open, Values: values, Object: text(attributes...)})
}

// closed reports whether the server has closed the connection, waiting for it.
func (c *client) closed() bool {
	var m codec.Message
	return c.dec.Read(&m) == io.EOF
}

func clone(list []codec.Value) []codec.Value {
	var out []codec.Value
	for _, v := range list {
		out = append(out, codec.Value{Name: v.Name, Data: bytes.Clone(v.Data)})
	}
	return out
}

// text makes a list of names and values: strings, bytes, or numbers of 4 bytes.
func text(pairs ...any) []codec.Value {
	var list []codec.Value
	for i := 0; i < len(pairs); i += 2 {
		v := codec.Value{Name: pairs[i].(string)}
		switch data := pairs[i+1].(type) {
		case string:
			v.Data = []byte(data)
		case []byte:
			v.Data = data
		case int:
			v.Data = []byte{byte(data >> 24), byte(data >> 16), byte(data >> 8), byte(data)}
		}
		list = append(list, v)
	}
	return list
}

// show writes a reply on one line, without what differs from run to run.
func show(m *codec.Message) string {
	var b strings.Builder
	b.WriteString(m.Op.String())
	for _, list := range [][]codec.Value{m.Values, m.Object} {
		for _, v := range list {
			switch {
			case v.Name == "name" && bytes.HasPrefix(v.Data, []byte("nh")) && len(v.Data) > 18:
				b.WriteString(" name=(invented)")
			case v.Name == "result":
				fmt.Fprintf(&b, " %d", number(v.Data))
			case v.Name == "message":
				fmt.Fprintf(&b, " %q", v.Data)
			case isText(v.Data):
				fmt.Fprintf(&b, " %s=%s", v.Name, v.Data)
			default:
				fmt.Fprintf(&b, " %s=%s", v.Name, hex.EncodeToString(v.Data))
			}
		}
	}
	if m.AuthID != 0 {
		b.WriteString(" (signed)")
	}
	return b.String()
}

func number(b []byte) (n uint32) {
	for _, c := range b {
		n = n<<8 | uint32(c)
	}
	return n
}

// code returns the result of a status reply, 0 for an update.
func code(m *codec.Message) uint32 {
	v, _ := codec.Find(m.Values, "result")
	return number(v)
}

// vm is a host as the tests make them: n is in its MAC and its address.
func vm(name string, n byte) isc.Host {
	return isc.Host{Name: name, Dynamic: true, HardwareType: isc.Ethernet, Hardware: mac(n), Addresses: addr(n)}
}

func mac(n byte) []byte { return []byte{0x52, 0x54, 0, 0, 7, n} }

func addr(n byte) []byte {
	return append([]byte{0x20, 1, 0xd, 0xb8, 0, 1}, 0, 0, 0, 0, 0, 0, 0, 0, 0, n)
}

func testKey(t testing.TB, algorithm string) *codec.Key {
	return must(codec.NewKey(keyName, algorithm, []byte(keySecret)))(t)
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// diff shows where two texts differ, line by line.
func diff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	var b strings.Builder
	for i := range max(len(w), len(g)) {
		var x, y string
		if i < len(w) {
			x = w[i]
		}
		if i < len(g) {
			y = g[i]
		}
		if x != y {
			fmt.Fprintf(&b, "line %d:\n- %s\n+ %s\n", i+1, x, y)
		}
	}
	return b.String()
}

func sortedKeys[V any](m map[string]V) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	sort.Strings(all)
	return all
}

func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return len(b) > 0
}
