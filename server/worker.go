package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/server/batch"
	"github.com/lease6/lease6/server/wire"
)

// worker answers the packets of one socket, in one goroutine, with memory of its own.
type worker struct {
	name      string
	server    *Server
	conn      *batch.Conn
	frames    bool // the socket delivers frames of directly attached links, not datagrams
	view      wire.View
	out       outcome
	counters  counters
	sightings sightings
}

// run answers until the socket is closed.
func (w *worker) run(ctx context.Context) error {
	for {
		n, err := w.conn.Recv()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("server: %s: receive: %w", w.name, err)
		}
		w.batch(n, time.Now().UnixNano())
	}
}

// batch answers the n packets that were received. The index is held for as long, and for no longer.
func (w *worker) batch(n int, now int64) {
	p := w.server.policy.Load()
	ix := w.server.store.Acquire()
	for i := range n {
		w.packet(i, p, ix, now)
	}
	w.server.store.Release()
	// Packets that could not be sent are counted by the socket, and their clients ask again.
	w.conn.Flush()
	w.counters.publish()
}

func (w *worker) packet(i int, p *policy, ix *leases.Index, now int64) {
	packet, meta := w.conn.Packet(i)
	if packet == nil {
		return // counted by the socket
	}
	c := &w.counters.pending
	f := p.ifaces[meta.Ifindex]
	if w.frames && f == nil {
		c.Dropped[DropInterface]++
		return
	}
	if err := w.view.Parse(packet); err != nil {
		c.Dropped[DropMalformed]++
		return
	}
	in := arrival{size: len(packet), src: meta.Src, mac: meta.MAC, hasMAC: meta.HasMAC, multicast: meta.Multicast}
	if f != nil {
		in.link = f.link
	}
	if w.frames {
		in.limit = f.limit
	}
	w.out = outcome{}
	b := answer(w.conn.Buffer(i), &w.view, &in, p, ix, &w.out)
	w.account(b != nil, now)
	if b == nil {
		return
	}
	var src [16]byte // zero: the socket answers from the address that was asked
	if w.frames {
		src = f.source(&meta.Src)
	}
	w.conn.Queue(i, b, replyPort(w.view.Relays(), meta.SrcPort), src)
}

// account counts one packet and remembers its client if an operator should know of it.
func (w *worker) account(answered bool, now int64) {
	c, out, t := &w.counters.pending, &w.out, typeIndex(w.view.Type)
	c.Received[t]++
	if len(w.view.Relays()) > 0 {
		c.Relayed++
	}
	if answered {
		c.Answered[t]++
		c.Source[out.source]++
	} else {
		c.Dropped[out.drop]++
	}
	if out.badOption79 {
		c.BadOption79++
	}
	if out.trimmed {
		c.Trimmed++
	}
	if out.declined {
		c.Declined++
	}
	if out.mismatch {
		c.Mismatch++
		w.sightings.note(IdentityMismatch, out, w.view.ClientID, now)
	}
	if out.unknown {
		c.Unknown++
		w.sightings.note(UnknownClient, out, w.view.ClientID, now)
	}
}

// source chooses the address that an answer to dst comes from: one that dst can tell the scope of.
func (f *iface) source(dst *[16]byte) [16]byte {
	if !linkLocal(dst) && f.global != [16]byte{} {
		return f.global
	}
	return f.local
}

// replyPort is where the answer goes (RFC 9915 §7.2): clients listen on 546, relays on 547, unless the relay that sent
// the packet says by option 135 that it listens where it sent from (RFC 8357 §5.2).
func replyPort(relays []wire.Relay, from uint16) uint16 {
	switch {
	case len(relays) == 0:
		return wire.ClientPort
	case relays[0].RelayPort != nil:
		return from
	}
	return wire.ServerPort
}
