package netlab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"golang.org/x/sys/unix"
)

// Packet is a DHCPv6 packet on the wire. It is read with another parser than the server's own.
type Packet struct {
	At                  time.Time
	Out                 bool // sent by the NIC that is tapped, not received
	FrameSource         net.HardwareAddr
	Source, Destination netip.Addr
	Message             dhcpv6.DHCPv6
}

// Inner is the client's message, or the server's to it, inside all relays.
func (p *Packet) Inner() *dhcpv6.Message {
	inner, err := p.Message.GetInnerMessage()
	if err != nil {
		return nil
	}
	return inner
}

// DUID is the client's DUID, nil if there is none.
func (p *Packet) DUID() []byte {
	inner := p.Inner()
	if inner == nil || inner.Options.ClientID() == nil {
		return nil
	}
	return inner.Options.ClientID().ToBytes()
}

// Option79 is what the relay nearest to the client wrote about its link-layer address, nil if nothing.
func (p *Packet) Option79() net.HardwareAddr {
	var mac net.HardwareAddr
	for m := p.Message; m != nil && m.IsRelay(); {
		relay, ok := m.(*dhcpv6.RelayMessage)
		if !ok {
			break
		}
		_, mac = relay.Options.ClientLinkLayerAddress()
		m = relay.Options.RelayMessage()
	}
	return mac
}

// Addresses are those in the IA_NAs that are not withdrawn by a lifetime of 0.
func (p *Packet) Addresses() []netip.Addr {
	inner := p.Inner()
	if inner == nil {
		return nil
	}
	var all []netip.Addr
	for _, ia := range inner.Options.IANA() {
		for _, a := range ia.Options.Addresses() {
			if addr, ok := netip.AddrFromSlice(a.IPv6Addr); ok && (a.ValidLifetime > 0 || inner.MessageType < dhcpv6.MessageTypeReply) {
				all = append(all, addr)
			}
		}
	}
	return all
}

// Status is the code that refuses an IA or the whole message, and 0 if nothing is refused.
func (p *Packet) Status() uint16 {
	inner := p.Inner()
	if inner == nil {
		return 0
	}
	if s := inner.Options.Status(); s != nil && s.StatusCode != 0 {
		return uint16(s.StatusCode)
	}
	for _, ia := range inner.Options.IANA() {
		if s := ia.Options.Status(); s != nil && s.StatusCode != 0 {
			return uint16(s.StatusCode)
		}
	}
	return 0
}

// Tap listens to the DHCPv6 of one NIC until its machine is closed.
type Tap struct {
	socket *os.File
	done   chan struct{}
	seen   func(*Packet)

	mu      sync.Mutex
	packets []*Packet
}

// Tap begins to listen. It calls seen, if that is not nil, for every packet.
func (m *Machine) Tap(nic string, seen func(*Packet)) (*Tap, error) {
	t := &Tap{done: make(chan struct{}), seen: seen}
	var own net.HardwareAddr
	err := m.inside(func() error {
		iface, err := net.InterfaceByName(nic)
		if err != nil {
			return fmt.Errorf("tap %s: %w", nic, err)
		}
		own = iface.HardwareAddr
		// Only a socket for all protocols sees what the machine itself sends.
		protocol := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("tap %s: %w", nic, err)
		}
		t.socket = os.NewFile(uintptr(fd), "tap of "+m.Name+" "+nic)
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: iface.Index}); err != nil {
			t.socket.Close()
			return fmt.Errorf("tap %s: %w", nic, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.taps = append(m.taps, t)
	m.mu.Unlock()
	// Tap.close waits for it.
	go t.listen(own)
	return t, nil
}

func (t *Tap) close() {
	t.socket.Close()
	<-t.done
}

func (t *Tap) listen(own net.HardwareAddr) {
	defer close(t.done)
	frame := make([]byte, 65536)
	for {
		n, err := t.socket.Read(frame)
		if errors.Is(err, unix.ENETDOWN) {
			continue // told once when a client turns its NIC off; it will be on again
		}
		if err != nil {
			return
		}
		p := parseFrame(frame[:n])
		if p == nil {
			continue
		}
		p.At = time.Now()
		p.Out = p.FrameSource.String() == own.String()
		t.mu.Lock()
		t.packets = append(t.packets, p)
		t.mu.Unlock()
		if t.seen != nil {
			t.seen(p)
		}
	}
}

// parseFrame returns nil for what is not DHCPv6.
func parseFrame(frame []byte) *Packet {
	const ethernet, ipv6, udp = 14, 40, 8
	if len(frame) < ethernet+ipv6+udp || binary.BigEndian.Uint16(frame[12:]) != unix.ETH_P_IPV6 || frame[ethernet+6] != unix.IPPROTO_UDP {
		return nil
	}
	header := frame[ethernet:]
	source, destination := binary.BigEndian.Uint16(header[ipv6:]), binary.BigEndian.Uint16(header[ipv6+2:])
	if source != 546 && source != 547 && destination != 546 && destination != 547 {
		return nil
	}
	end := min(len(header), ipv6+int(binary.BigEndian.Uint16(header[ipv6+4:])))
	if end < ipv6+udp {
		return nil
	}
	message, err := dhcpv6.FromBytes(append([]byte(nil), header[ipv6+udp:end]...))
	if err != nil {
		return nil
	}
	return &Packet{
		FrameSource: net.HardwareAddr(append([]byte(nil), frame[6:12]...)),
		Source:      netip.AddrFrom16([16]byte(header[8:24])),
		Destination: netip.AddrFrom16([16]byte(header[24:40])),
		Message:     message,
	}
}

// Packets are all packets seen so far.
func (t *Tap) Packets() []*Packet {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]*Packet(nil), t.packets...)
}
