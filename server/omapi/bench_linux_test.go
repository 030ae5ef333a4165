package omapi

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lease6/lease6/server/omapi/codec"
)

// BenchmarkCreate creates hosts on dhcpd -6 and on lease6, each behind an fsync, as clients do: one after the other on
// one connection, on 64 at the same time, and eight requests ahead of the replies.
func BenchmarkCreate(b *testing.B) {
	for _, load := range []struct {
		name               string
		connections, ahead int
	}{{"1", 1, 1}, {"64", 64, 1}, {"pipelined", 1, 8}} {
		for i, name := range []string{"ISC", "lease6"} {
			b.Run(load.name+"/"+name, func(b *testing.B) {
				d := newDuel(b, "bench", "")
				var next atomic.Uint32
				var wg sync.WaitGroup
				clients := d.clients(b, d.sides[i], load.connections)
				b.ResetTimer()
				for _, c := range clients {
					wg.Go(func() { createMany(c, &next, uint32(b.N), load.ahead) })
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "hosts/s")
			})
		}
	}
}

// BenchmarkLookup looks up hosts by MAC.
func BenchmarkLookup(b *testing.B) {
	for i, name := range []string{"ISC", "lease6"} {
		b.Run(name, func(b *testing.B) {
			d := newDuel(b, "bench", "")
			c := d.clients(b, d.sides[i], 1)[0]
			var next atomic.Uint32
			createMany(c, &next, 1000, 1)
			b.ResetTimer()
			for n := range b.N {
				if m := c.open("host", "", "hardware-address", benchMAC(uint32(n%1000+1)), "hardware-type", 1); m.Op != codec.Update {
					b.Fatal(show(&m))
				}
			}
		})
	}
}

func benchMAC(n uint32) []byte { return binary.BigEndian.AppendUint32([]byte{2, 0}, n) }

// createMany creates hosts, at most ahead of them without an answer, until all are there.
func createMany(c *client, next *atomic.Uint32, most uint32, ahead int) {
	waiting := 0
	for more := true; more || waiting > 0; {
		for more && waiting < ahead {
			n := next.Add(1)
			if more = n <= most; !more {
				break
			}
			c.send(&codec.Message{Op: codec.Open, Values: text("type", "host", "create", 1, "exclusive", 1),
				Object: text("name", fmt.Sprintf("%08x_host", n), "hardware-address", benchMAC(n), "hardware-type", 1, "ip-address", append(addr(1)[:12:12], benchMAC(n)[2:]...))})
			waiting++
		}
		if waiting > 0 {
			if m := c.receive(); m.Op != codec.Update {
				c.t.Error(show(&m))
				return
			}
			waiting--
		}
	}
}

// clients dials a server in the namespace.
func (d *duel) clients(b testing.TB, s side, n int) []*client {
	var all []*client
	for range n {
		c := &client{t: b}
		var err error
		d.inside(func() { c.conn, err = net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", s.port)) })
		check(b, err)
		b.Cleanup(func() { c.conn.Close() })
		check(b, c.conn.SetDeadline(time.Now().Add(10*patience)))
		must(c.conn.Write(codec.AppendGreeting(nil)))(b)
		c.dec = codec.NewDecoder(c.conn)
		check(b, c.dec.Greeting())
		all = append(all, c)
	}
	return all
}
