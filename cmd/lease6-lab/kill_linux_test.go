package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/clients"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/datacenter"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/labtest"
	"github.com/lease6/lease6/leases/isc"
	"github.com/lease6/lease6/server/omapi/codec"
)

const (
	killRounds  = 200
	killCallers = 8
	killHosts   = 6 // of each caller
)

// caller is an OMAPI client with hosts of its own. It knows what it was told, and so what each host may be.
type caller struct {
	n      byte
	random *rand.Rand
	hosts  [killHosts]struct {
		now  uint16 // the end of its address; 0 if it does not exist
		want uint16 // what was asked for and not answered
	}
	acknowledged *atomic.Int32

	conn net.Conn
	dec  *codec.Decoder
	id   uint32
}

func (c *caller) name(i int) string { return fmt.Sprintf("kill-%d-%d", c.n, i) }

func (c *caller) mac(i int) net.HardwareAddr {
	return net.HardwareAddr{0x52, 0x54, 0x01, 0, c.n, byte(i)}
}

// ask sends a request and waits for its answer.
func (c *caller) ask(m *codec.Message) (*codec.Message, error) {
	c.id++
	m.ID = c.id
	if _, err := c.conn.Write(m.Append(nil, nil)); err != nil {
		return nil, err
	}
	var got codec.Message
	if err := c.dec.Read(&got); err != nil {
		return nil, err
	}
	return &got, nil
}

// open opens a host. Each flag is "create", "update" or "exclusive".
func (c *caller) open(object []codec.Value, flags ...string) (*codec.Message, error) {
	values := []codec.Value{{Name: "type", Data: []byte("host")}}
	for _, f := range flags {
		values = append(values, codec.Value{Name: f, Data: []byte{0, 0, 0, 1}})
	}
	return c.ask(&codec.Message{Op: codec.Open, Values: values, Object: object})
}

// change creates, updates or deletes one host. An error means that the server is gone.
func (c *caller) change() error {
	i := c.random.IntN(killHosts)
	h := &c.hosts[i]
	name := codec.Value{Name: "name", Data: []byte(c.name(i))}
	handle := uint32(0)
	h.want = 0
	if h.now != 0 && c.random.IntN(3) == 0 {
		got, err := c.open([]codec.Value{name})
		if err != nil {
			h.want = h.now
			return err
		}
		handle = got.Handle
	} else {
		h.want = uint16(1 + c.random.IntN(0xfffe))
	}
	var got *codec.Message
	var err error
	switch address := c.address(h.want); {
	case h.want == 0:
		got, err = c.ask(&codec.Message{Op: codec.Delete, Handle: handle})
	case h.now == 0:
		got, err = c.open([]codec.Value{name, {Name: "hardware-address", Data: c.mac(i)}, {Name: "hardware-type", Data: []byte{0, 0, 0, 1}}, address}, "create", "exclusive")
	default:
		got, err = c.open([]codec.Value{name, address}, "update")
	}
	if err != nil {
		return err
	}
	if code, refused := codec.Find(got.Values, "result"); got.Op == codec.Status && refused && !bytes.Equal(code, make([]byte, 4)) {
		message, _ := codec.Find(got.Values, "message")
		return refusal(fmt.Sprintf("%s: %x %s", c.name(i), code, message))
	}
	h.now = h.want
	c.acknowledged.Add(1)
	return nil
}

// refusal is an answer that should not be.
type refusal string

func (r refusal) Error() string { return string(r) }

func (c *caller) address(end uint16) codec.Value {
	data := binary.BigEndian.AppendUint16([]byte{0x20, 1, 0xd, 0xb8, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, c.n + 1}, end)
	return codec.Value{Name: "ip-address", Data: data}
}

// verify asks for all hosts: what was acknowledged is there, and what was asked for may be.
func (c *caller) verify() error {
	for i := range c.hosts {
		h := &c.hosts[i]
		got, err := c.open([]codec.Value{{Name: "name", Data: []byte(c.name(i))}})
		if err != nil {
			return err
		}
		end := uint16(0)
		if data, ok := codec.Find(got.Object, "ip-address"); ok && got.Op == codec.Update {
			end = binary.BigEndian.Uint16(data[len(data)-2:])
		}
		if end != h.now && end != h.want {
			return refusal(fmt.Sprintf("%s is %#x, acknowledged was %#x, asked for %#x", c.name(i), end, h.now, h.want))
		}
		h.now, h.want = end, end
	}
	return nil
}

// connect connects to the server, which is on another machine.
func (c *caller) connect(namespace string) error {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		// Never unlocked: the thread stays in the namespace and ends with its goroutine. A socket stays where it was made.
		runtime.LockOSThread()
		done <- func() (r result) {
			ns, err := os.Open(filepath.Join("/run/netns", namespace))
			if err != nil {
				return result{err: err}
			}
			defer ns.Close()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return result{err: err}
			}
			r.conn, r.err = net.DialTimeout("tcp", "127.0.0.1:7911", 10*time.Second)
			return r
		}()
	}()
	r := <-done
	if r.err != nil {
		return r.err
	}
	c.conn, c.dec = r.conn, codec.NewDecoder(r.conn)
	if err := c.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if _, err := c.conn.Write(codec.AppendGreeting(nil)); err != nil {
		return err
	}
	return c.dec.Greeting()
}

// TestKillLoop kills the server again and again while hosts are created, changed and deleted over several connections,
// also while it writes its file anew: what was acknowledged is there when the server comes back, and in the end a real
// client gets it.
func TestKillLoop(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	var cancel context.CancelFunc
	w.ctx, cancel = context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var acknowledged atomic.Int32
	all := make([]*caller, killCallers)
	for n := range all {
		all[n] = &caller{n: byte(n), random: rand.New(rand.NewPCG(uint64(n), 1)), acknowledged: &acknowledged}
	}
	random := rand.New(rand.NewPCG(7, 7))
	rewrites := 0
	begun := time.Now()
	for round := range killRounds {
		// Of ten rounds, three end before the file is written anew, and one right after.
		rewritten := round%10 == 4
		if round%10 == 1 {
			w.addHistory()
		}
		w.killRound(all, &acknowledged, int32(1+random.IntN(60)), rewritten)
		if rewritten {
			rewrites++
			w.must(os.Remove(w.leaseFile() + "~"))
		}
	}
	t.Logf("%d kills in %v, %d changes acknowledged, the file written anew %d times", killRounds, time.Since(begun), acknowledged.Load(), rewrites)
	if acknowledged.Load() < 10*killRounds {
		t.Error("that was no load")
	}
	w.serveOMAPI()
	w.serveKilled(all)
}

// killRound starts the server, sees what has become of all hosts, and kills the server after some changes, or when it
// has written its file anew besides.
func (w *world) killRound(all []*caller, acknowledged *atomic.Int32, changes int32, rewritten bool) {
	w.Helper()
	w.serveOMAPI()
	var wg sync.WaitGroup
	for _, c := range all {
		wg.Go(func() {
			err := c.connect(w.dc.Server.NS)
			if err == nil {
				err = c.verify()
			}
			if err != nil {
				w.Error(err)
			}
		})
	}
	wg.Wait()
	if w.Failed() {
		w.FailNow()
	}
	enough := acknowledged.Load() + changes
	reached := make(chan struct{})
	once := sync.OnceFunc(func() { close(reached) })
	for _, c := range all {
		wg.Go(func() {
			defer once() // if it ends early
			defer c.conn.Close()
			var err error
			for err == nil {
				if err = c.change(); acknowledged.Load() >= enough {
					once()
				}
			}
			var refused refusal
			if errors.As(err, &refused) {
				w.Error(err)
			}
		})
	}
	select {
	case <-reached:
	case <-w.ctx.Done():
	}
	if rewritten {
		w.await("a file written anew", func() bool {
			_, err := os.Stat(w.leaseFile() + "~")
			return err == nil
		})
	}
	w.must(w.server.Stop(w.ctx, syscall.SIGKILL))
	wg.Wait()
	if w.Failed() {
		w.FailNow()
	}
}

// addHistory makes the lease file so large that the server will write it anew.
func (w *world) addHistory() {
	w.Helper()
	one := isc.AppendHost(nil, &isc.Host{Name: "history", Dynamic: true, Deleted: true})
	file, err := os.OpenFile(w.leaseFile(), os.O_APPEND|os.O_WRONLY, 0)
	w.must(err)
	_, err = file.WriteString("\n" + strings.Repeat(string(one), 5<<20/len(one)))
	w.must(errors.Join(err, file.Close()))
}

// serveKilled lets a real client take one of the leases.
func (w *world) serveKilled(all []*caller) {
	w.Helper()
	labtest.Needs(w, clients.Networkd().Program)
	for _, c := range all {
		w.must(c.connect(w.dc.Server.NS))
		defer c.conn.Close()
		w.must(c.verify())
	}
	c := all[0]
	i := slices.IndexFunc(c.hosts[:], func(h struct{ now, want uint16 }) bool { return h.now != 0 })
	if i < 0 {
		w.Fatal("none of its hosts is left")
	}
	g := w.empty("vm")
	g.attach(datacenter.Direct, c.mac(i), netip.AddrFrom16([16]byte(c.address(c.hosts[i].now).Data)))
	g.start(clients.Networkd(), clients.Identity{})
	g.awaitLeases()
}
