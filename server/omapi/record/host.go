package record

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/leases/isc"
	"github.com/lease6/lease6/server/omapi/codec"
)

const (
	// MaxReply is the size of the buffer into which Abiquo's client reads a reply, all at once.
	MaxReply    = 1024
	maxIdentity = 255 // bytes of a client identifier
)

// Attributes are what a request says about an object. A nil slice was not given, an empty one unsets.
type Attributes struct {
	Handle     []byte
	Name       []byte // as the client knows it
	Hardware   []byte
	Kind       uint16 // ARP hardware type, Ethernet if it was not given
	KindGiven  bool
	Identifier []byte
	Addresses  []byte
	Group      []byte
	Statements []byte
	Unknown    string // the first attribute that nobody knows
}

// Read takes an object list apart. What is wrong with values that a request does not need is not its concern, so they
// are judged by Apply.
func (a *Attributes) Read(list []codec.Value) *codec.Refusal {
	*a = Attributes{Kind: isc.Ethernet}
	for _, v := range list {
		data := v.Data
		if data == nil {
			data = []byte{}
		}
		switch v.Name {
		case "handle":
			a.Handle = data
		case "name":
			a.Name = data
		case "hardware-address":
			a.Hardware = data
		case "hardware-type":
			if len(data) != 4 || binary.BigEndian.Uint32(data) > 255 {
				return codec.Refuse(codec.InvalidArgument, "hardware-type is not a number of 4 bytes up to 255")
			}
			a.Kind, a.KindGiven = uint16(binary.BigEndian.Uint32(data)), true
		case "dhcp-client-identifier":
			a.Identifier = data
		case "ip-address":
			a.Addresses = data
		case "group":
			a.Group = data
		case "statements":
			a.Statements = data
		case "known": // ISC takes it and does nothing with it
		default:
			if a.Unknown == "" {
				a.Unknown = v.Name
			}
		}
	}
	return nil
}

// Apply puts what a request says into a host. The name is not its concern.
func (a *Attributes) Apply(h *isc.Host) *codec.Refusal {
	if a.Unknown != "" {
		return codec.Refuse(codec.UnknownAttribute, "hosts have no attribute %.40q", a.Unknown)
	}
	if a.Hardware != nil {
		h.Hardware, h.HardwareType = bytes.Clone(a.Hardware), a.Kind
	} else if a.KindGiven {
		h.HardwareType = a.Kind
	}
	if len(h.Hardware) == 0 {
		h.Hardware, h.HardwareType = nil, 0
	}
	if a.Identifier != nil {
		h.UID = bytes.Clone(a.Identifier)
		if len(h.UID) == 0 {
			h.UID = nil
		}
	}
	if a.Addresses != nil {
		h.Addresses = bytes.Clone(a.Addresses)
	}
	if a.Group != nil {
		h.Group = string(a.Group)
	}
	if a.Statements != nil {
		statements, refused := ParseStatements(a.Statements)
		if refused != nil {
			return refused
		}
		h.Statements = statements
	}
	return checkHost(h)
}

// checkHost refuses a host that could not be served, or not be told to a client.
func checkHost(h *isc.Host) *codec.Refusal {
	switch n := len(h.Hardware); {
	case n == 0 && h.UID == nil:
		return codec.Refuse(codec.InvalidArgument, "a host needs a hardware-address or a dhcp-client-identifier")
	case n > 20 || h.HardwareType == isc.Ethernet && n != 0 && n != 6:
		return codec.Refuse(codec.InvalidArgument, "hardware-address of %d bytes: an Ethernet address has 6", n)
	case n > 0 && len(bytes.Trim(h.Hardware, "\x00")) == 0:
		return codec.Refuse(codec.InvalidArgument, "hardware-address is all zero")
	case len(h.UID) > maxIdentity:
		return codec.Refuse(codec.InvalidArgument, "dhcp-client-identifier of %d bytes: at most %d", len(h.UID), maxIdentity)
	}
	if n := len(h.Addresses); n%16 != 0 && n != 4 {
		return codec.Refuse(codec.InvalidArgument, "ip-address of %d bytes: want 16, or a multiple of 16 for several, or 4", n)
	}
	if len(h.Addresses) >= 16 {
		if a := netip.AddrFrom16([16]byte(h.Addresses)); a.IsUnspecified() || a.IsMulticast() {
			return codec.Refuse(codec.InvalidArgument, "ip-address %v: no NIC can have it", a)
		}
	}
	if h.Name == "" || len(h.Name) > MaxReply || replySize(h) > MaxReply {
		return codec.Refuse(codec.InvalidArgument, "too large: a host must fit in a reply of %d bytes", MaxReply)
	}
	return nil
}

// Object lists what a host is for a client, in ISC's order.
func Object(h *isc.Host) []codec.Value {
	dst := make([]codec.Value, 0, 5)
	if len(h.Addresses) > 0 {
		dst = append(dst, codec.Value{Name: "ip-address", Data: h.Addresses})
	}
	if len(h.UID) > 0 {
		dst = append(dst, codec.Value{Name: "dhcp-client-identifier", Data: h.UID})
	}
	dst = append(dst, codec.Value{Name: "name", Data: []byte(RealName(h.Name))})
	if len(h.Hardware) > 0 {
		dst = append(dst, codec.Value{Name: "hardware-address", Data: h.Hardware},
			codec.Value{Name: "hardware-type", Data: binary.BigEndian.AppendUint32(nil, uint32(h.HardwareType))})
	}
	return dst
}

// replySize is how long a reply with h can become.
func replySize(h *isc.Host) int {
	const header, signature, lengths = 24 + 2 + 2, 64, 2 + 4
	n := header + signature + lengths + len("name") + len(RealName(h.Name))
	if len(h.Addresses) > 0 {
		n += lengths + len("ip-address") + len(h.Addresses)
	}
	if len(h.UID) > 0 {
		n += lengths + len("dhcp-client-identifier") + len(h.UID)
	}
	if len(h.Hardware) > 0 {
		n += 2*lengths + len("hardware-address") + len(h.Hardware) + len("hardware-type") + 4
	}
	return n
}

// Shorten leaves out of a host from the lease file what does not fit in a reply: all addresses but the first, then the
// client identifier.
func Shorten(h *isc.Host) {
	if replySize(h) > MaxReply && len(h.Addresses) > 16 {
		h.Addresses = h.Addresses[:16]
	}
	if replySize(h) > MaxReply {
		h.UID = nil
	}
}

// Describe is a host in the log.
func Describe(h *isc.Host) string {
	var b strings.Builder
	if len(h.Hardware) == 6 && h.HardwareType == isc.Ethernet {
		b.WriteString(leases.MAC(h.Hardware).String())
	} else {
		fmt.Fprintf(&b, "hardware %d:%x", h.HardwareType, h.Hardware)
	}
	for rest := h.Addresses; len(rest) >= 4; {
		n := min(len(rest), 16)
		if a, ok := netip.AddrFromSlice(rest[:n]); ok && !a.IsUnspecified() { // which Abiquo's client pads with
			fmt.Fprintf(&b, " %v", a)
		}
		rest = rest[n:]
	}
	if len(h.UID) > 0 {
		fmt.Fprintf(&b, " uid %x", h.UID)
	}
	if h.Group != "" {
		fmt.Fprintf(&b, " group %q", h.Group)
	}
	for i := range h.Statements {
		b.WriteString(" " + strings.Join(strings.Fields(h.Statements[i].Text), " "))
	}
	return b.String()
}
