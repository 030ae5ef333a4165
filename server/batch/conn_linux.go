package batch

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Conn is one socket with memory for a batch of messages and their replies. One goroutine at a time may use it; Stats
// and Close may be called by any.
type Conn struct {
	file   *os.File
	raw    syscall.RawConn
	fd     int  // for use before anybody can close it
	frames bool // a packet socket

	received, queued int // in this batch
	err              error
	// The methods receive and transmit: a method value that is made anew for each call is allocated for each call.
	receiveCall, transmitCall func(fd uintptr) bool

	memory   []byte // batchSize × slotSize: message, room for headers, reply
	slots    [batchSize]slot
	incoming [batchSize]unix.Mmsghdr
	outgoing [batchSize]unix.Mmsghdr

	counters counters
	drops    struct {
		sync.Mutex
		last  uint32 // as the kernel counts, modulo 2^32
		total uint64
		bytes uint32
	}
}

// slot is where a message came from and where its reply goes, as the kernel wants to have it.
type slot struct {
	fromLink  unix.RawSockaddrLinklayer // packet sockets: the reply goes back to it as it is
	from, to  unix.RawSockaddrInet6     // UDP sockets
	in, out   control
	inv, outv unix.Iovec
}

// control is one control message. Either kind that we know has 20 bytes: TpacketAuxdata, Inet6Pktinfo.
type control struct {
	header unix.Cmsghdr
	data   [20]byte
}

type counters struct {
	received, badChecksum, malformed, truncated, fragments, receiveErrors, sent atomic.Uint64
	sendBufferFull, sendTooBig, sendNoInterface, sendUnreachable, sendErrors    atomic.Uint64
}

// maxFailures is how often in a row Recv passes over an error before it believes that it will not go away.
const maxFailures = 1000

// newConn makes a Conn of a non-blocking socket, and owns it from then on.
func newConn(fd int, frames bool) *Conn {
	file := os.NewFile(uintptr(fd), "socket")
	raw, _ := file.SyscallConn() // fails only for a nil file
	c := &Conn{file: file, raw: raw, fd: fd, frames: frames, memory: make([]byte, batchSize*slotSize)}
	c.receiveCall, c.transmitCall = c.receive, c.transmit
	for i := range c.slots {
		s, m := &c.slots[i], &c.incoming[i].Hdr
		s.inv.Base = &c.memory[i*slotSize]
		s.inv.SetLen(receiveSize)
		m.Iov = &s.inv
		m.SetIovlen(1)
		m.Control = (*byte)(unsafe.Pointer(&s.in))
		if m.Name = (*byte)(unsafe.Pointer(&s.from)); frames {
			m.Name = (*byte)(unsafe.Pointer(&s.fromLink))
		}
		s.out.header = unix.Cmsghdr{Level: unix.IPPROTO_IPV6, Type: unix.IPV6_PKTINFO}
		s.out.header.SetLen(unix.CmsgLen(len(s.out.data)))
	}
	c.prepare(batchSize)
	return c
}

// prepare resets what the kernel wrote into the headers of the last n messages.
func (c *Conn) prepare(n int) {
	length := uint32(unix.SizeofSockaddrInet6)
	if c.frames {
		length = unix.SizeofSockaddrLinklayer
	}
	for i := range c.incoming[:n] {
		m := &c.incoming[i].Hdr
		m.Namelen = length
		m.SetControllen(int(unsafe.Sizeof(control{})))
		m.Flags = 0
	}
}

// Recv waits for messages and receives up to 64. Those of the batch before, and replies that were queued and not
// flushed, are gone. After Close the error is net.ErrClosed; any other is one that the socket does not recover from.
func (c *Conn) Recv() (int, error) {
	c.prepare(c.received)
	c.received, c.queued, c.err = 0, 0, nil
	if err := c.raw.Read(c.receiveCall); err != nil {
		// There is no deadline, so the only way out of waiting is Close.
		return 0, fmt.Errorf("batch: %w", net.ErrClosed)
	}
	if c.err != nil {
		return 0, fmt.Errorf("batch: recvmmsg: %w", c.err)
	}
	c.counters.received.Add(uint64(c.received))
	return c.received, nil
}

// receive calls recvmmsg. It returns false to wait until there is something.
//
// This call and transmit's never wait, so the Go scheduler need not know of them. If it does, it takes the processor
// away during the longer ones: measured, 12.5 instead of 10.4 µs of CPU an exchange, and three times the context
// switches. The price is that a garbage collection may wait for the end of a batch.
func (c *Conn) receive(fd uintptr) bool {
	for failures := 0; ; {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&c.incoming[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			c.received = int(n)
			return true
		case unix.EAGAIN:
			return false
		case unix.EINTR:
			continue
		case unix.EBADF, unix.ENOTSOCK, unix.EFAULT, unix.EINVAL, unix.ENOSYS:
			c.err = errno
			return true
		}
		// The kernel tells of an interface that went down, of memory that ran short, once, and goes on. Waiting would
		// be wrong: messages may lie there for which the poller has woken us already.
		c.counters.receiveErrors.Add(1)
		if failures++; failures == maxFailures {
			c.err = errno
			return true
		}
	}
}

// Packet returns message i of the batch, or nil if it must not be looked at; that is then counted in Stats. The bytes
// are the socket's own: they are to be read only, and valid until the next Recv.
func (c *Conn) Packet(i int) ([]byte, Meta) {
	m, s := &c.incoming[i], &c.slots[i]
	if m.Hdr.Flags&unix.MSG_TRUNC != 0 {
		c.counters.truncated.Add(1)
		return nil, Meta{}
	}
	b := c.memory[i*slotSize:][:m.Len:m.Len]
	if c.frames {
		return c.frame(b, s, int(m.Hdr.Controllen))
	}
	meta := Meta{Src: s.from.Addr, SrcPort: networkOrder(s.from.Port)}
	if asked, ifindex, ok := s.asked(int(m.Hdr.Controllen)); ok {
		meta.Ifindex = int32(ifindex)
		meta.Multicast = *asked == allAgentsAndServers || *asked == allServers
	}
	return b, meta
}

// frame takes a packet apart that came from a packet socket.
func (c *Conn) frame(b []byte, s *slot, controlLen int) ([]byte, Meta) {
	trusted := false
	if s.in.is(controlLen, unix.SOL_PACKET, unix.PACKET_AUXDATA) {
		// The status is the first member of TpacketAuxdata. A packet from this very machine, such as from a VM or a
		// container, may not have been summed up: there was no wire on which it could have been damaged.
		status := binary.NativeEndian.Uint32(s.in.data[:])
		trusted = status&(unix.TP_STATUS_CSUMNOTREADY|unix.TP_STATUS_CSUM_VALID) != 0
	}
	payload, v := openFrame(b, trusted)
	l := &s.fromLink
	meta := Meta{Ifindex: l.Ifindex, HasMAC: l.Hatype == unix.ARPHRD_ETHER && l.Halen == 6}
	if meta.HasMAC {
		if meta.MAC = [6]byte(l.Addr[:]); meta.MAC[0]&1 != 0 {
			v = frameMalformed // nobody's MAC is a group
		}
	}
	switch v {
	case frameGood:
		meta.Src, meta.SrcPort, meta.Multicast = [16]byte(b[8:]), binary.BigEndian.Uint16(b[ipv6Header:]), true
		return payload, meta
	case frameMalformed:
		c.counters.malformed.Add(1)
	case frameFragment:
		c.counters.fragments.Add(1)
	case frameBadChecksum:
		c.counters.badChecksum.Add(1)
	}
	return nil, Meta{}
}

// asked returns the address and the interface that a datagram was sent to.
func (s *slot) asked(controlLen int) (address *[16]byte, ifindex uint32, ok bool) {
	if !s.in.is(controlLen, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO) {
		return nil, 0, false
	}
	return (*[16]byte)(s.in.data[:]), binary.NativeEndian.Uint32(s.in.data[16:]), true
}

// is reports whether the kernel wrote a control message of that kind. Each socket asks for one kind, so there is none
// behind it.
func (m *control) is(length int, level, kind int32) bool {
	return length >= unix.CmsgLen(len(m.data)) && m.header.Level == level && m.header.Type == kind
}

// Buffer returns the empty slice with room for 16 KiB to which the reply to message i is appended.
func (c *Conn) Buffer(i int) []byte {
	begin := i*slotSize + receiveSize + frameHeader
	return c.memory[begin : begin : begin+replySize]
}

// Queue makes b, which was appended to Buffer(i), the reply to message i: it goes to where that came from, but to port.
// Packet sockets send it from src and port 547; UDP sockets from the address that was asked, whatever src is. A message
// has one reply at most.
func (c *Conn) Queue(i int, b []byte, port uint16, src [16]byte) {
	if len(b) > replySize {
		c.counters.sendTooBig.Add(1) // append has moved it out of the slot
		return
	}
	s, m := &c.slots[i], &c.outgoing[c.queued].Hdr
	c.queued++
	m.Iov = &s.outv
	m.SetIovlen(1)
	begin := i*slotSize + receiveSize
	if !c.frames {
		s.outv.Base = &c.memory[begin+frameHeader]
		s.outv.SetLen(len(b))
		s.reply(m, int(c.incoming[i].Hdr.Controllen), port)
		return
	}
	frame := c.memory[begin : begin+frameHeader+len(b)]
	putHeaders(frame, &src, (*[16]byte)(c.memory[i*slotSize+8:]), port)
	s.outv.Base = &frame[0]
	s.outv.SetLen(len(frame))
	m.Name, m.Namelen = (*byte)(unsafe.Pointer(&s.fromLink)), unix.SizeofSockaddrLinklayer
	m.Control = nil
	m.SetControllen(0)
}

// reply addresses the answer to a datagram. The interface is given only where an address has no meaning without: for
// all others the routes decide.
func (s *slot) reply(m *unix.Msghdr, controlLen int, port uint16) {
	s.to = s.from
	s.to.Port = networkOrder(port)
	m.Name, m.Namelen = (*byte)(unsafe.Pointer(&s.to)), unix.SizeofSockaddrInet6
	m.Control = nil
	m.SetControllen(0)
	asked, ifindex, ok := s.asked(controlLen)
	if !ok || asked[0] == 0xff {
		return
	}
	if !linkLocal(asked) && !linkLocal(&s.from.Addr) {
		ifindex = 0
	}
	s.out.data = s.in.data
	binary.NativeEndian.PutUint32(s.out.data[16:], ifindex)
	m.Control = (*byte)(unsafe.Pointer(&s.out))
	m.SetControllen(int(unsafe.Sizeof(s.out)))
}

func linkLocal(a *[16]byte) bool { return a[0] == 0xfe && a[1]&0xc0 == 0x80 }

// networkOrder turns a number into network byte order, and back.
func networkOrder(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}

// Flush sends what was queued. What cannot be sent is counted by its reason and dropped: its client asks again.
func (c *Conn) Flush() {
	if c.queued == 0 {
		return
	}
	if err := c.raw.Write(c.transmitCall); err != nil {
		c.counters.sendErrors.Add(uint64(c.queued)) // closed
	}
	c.queued = 0
}

// transmit calls sendmmsg until each message was sent or refused. It never waits.
func (c *Conn) transmit(fd uintptr) bool {
	sent := 0
	for next := 0; next < c.queued; {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&c.outgoing[next])), uintptr(c.queued-next), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			next += int(n)
			sent += int(n)
		case unix.EINTR:
		default:
			// An error is always the first message's: one that comes later ends the call with the number sent.
			c.counters.refused(errno)
			next++
		}
	}
	c.counters.sent.Add(uint64(sent))
	return true
}

// refused counts one message that the kernel did not send.
func (s *counters) refused(errno syscall.Errno) {
	switch errno {
	case unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM:
		s.sendBufferFull.Add(1)
	case unix.EMSGSIZE:
		s.sendTooBig.Add(1)
	case unix.ENETDOWN, unix.ENXIO, unix.ENODEV:
		s.sendNoInterface.Add(1)
	case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EADDRNOTAVAIL, unix.EINVAL:
		s.sendUnreachable.Add(1)
	default:
		s.sendErrors.Add(1)
	}
}

// Stats returns the figures of the socket.
func (c *Conn) Stats() Stats {
	drops, bytes := c.kernelDrops()
	s := &c.counters
	return Stats{
		Received: s.received.Load(), BadChecksum: s.badChecksum.Load(), Malformed: s.malformed.Load(),
		Truncated: s.truncated.Load(), Fragments: s.fragments.Load(),
		KernelDrops: drops, ReceiveErrors: s.receiveErrors.Load(),
		Sent: s.sent.Load(), SendBufferFull: s.sendBufferFull.Load(), SendTooBig: s.sendTooBig.Load(),
		SendNoInterface: s.sendNoInterface.Load(), SendUnreachable: s.sendUnreachable.Load(), SendErrors: s.sendErrors.Load(),
		ReceiveBuffer: uint64(bytes),
	}
}

// kernelDrops asks the kernel how many messages it dropped. SO_RXQ_OVFL would tell the same number, but only with the
// next message that does get through, and at a cost for every one.
func (c *Conn) kernelDrops() (total uint64, bytes uint32) {
	const receiveBuffer, drops, words = 1, 8, 9 // SK_MEMINFO_RCVBUF, SK_MEMINFO_DROPS, SK_MEMINFO_VARS
	c.drops.Lock()
	defer c.drops.Unlock()
	// After Close, the last figures stand.
	_ = c.raw.Control(func(fd uintptr) {
		var info [words]uint32
		length := uint32(unsafe.Sizeof(info))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&length)), 0)
		if errno != 0 {
			return
		}
		c.drops.total += uint64(info[drops] - c.drops.last)
		c.drops.last = info[drops]
		c.drops.bytes = info[receiveBuffer]
	})
	return c.drops.total, c.drops.bytes
}

// Close closes the socket and ends a Recv that waits.
func (c *Conn) Close() error {
	c.kernelDrops()
	return c.file.Close()
}
