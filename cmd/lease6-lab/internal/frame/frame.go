// Package frame reads DHCPv6 out of Ethernet frames, with another parser than the server's own, so that both are not
// wrong in the same way.
package frame

import (
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// Packet is a DHCPv6 packet on the wire.
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

// Parse reads an Ethernet frame. It returns nil for what is not DHCPv6.
func Parse(frame []byte) *Packet {
	const (
		ethernet, ipv6, udp = 14, 40, 8
		etherTypeIPv6       = 0x86dd
		protocolUDP         = 17
	)
	if len(frame) < ethernet+ipv6+udp || binary.BigEndian.Uint16(frame[12:]) != etherTypeIPv6 || frame[ethernet+6] != protocolUDP {
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
