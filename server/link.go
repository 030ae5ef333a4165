package server

import (
	"encoding/binary"
	"net/netip"
	"path"
	"sort"

	"github.com/lease6/lease6/server/config"
	"github.com/lease6/lease6/server/wire"
)

// link is a configured link made ready for packets.
type link struct {
	name     string
	prefixes []prefix
	catchAll bool // a prefix ::/0: takes every client that no other link claims, and cannot tell what is on-link
	times    lifetimes

	rapidCommit bool
	preference  uint8
	options     []option // sorted by code
	optionBytes int      // of all options together
}

// option is one option as it goes out, code and length included.
type option struct {
	code uint16
	wire []byte
}

// lifetimes in seconds, as an IA_NA and its address carry them.
type lifetimes struct{ preferred, valid, t1, t2 uint32 }

// prefix is an IPv6 prefix in a form that is compared in two instructions.
type prefix struct{ hi, lo, maskHi, maskLo uint64 }

func newPrefix(p netip.Prefix) prefix {
	a, bits := p.Masked().Addr().As16(), p.Bits()
	q := prefix{hi: binary.BigEndian.Uint64(a[:8]), lo: binary.BigEndian.Uint64(a[8:])}
	switch {
	case bits >= 64:
		q.maskHi, q.maskLo = ^uint64(0), ^uint64(0)<<(128-bits)
	default:
		q.maskHi = ^uint64(0) << (64 - bits)
	}
	return q
}

func (p *prefix) contains(a *[16]byte) bool {
	return binary.BigEndian.Uint64(a[:8])&p.maskHi == p.hi && binary.BigEndian.Uint64(a[8:])&p.maskLo == p.lo
}

func newLink(c *config.Link) *link {
	l := &link{
		name: c.Name,
		times: lifetimes{
			preferred: config.Seconds(c.Preferred), valid: config.Seconds(c.Valid),
			t1: config.Seconds(c.T1), t2: config.Seconds(c.T2),
		},
		rapidCommit: c.RapidCommit,
		preference:  c.Preference,
	}
	for _, p := range c.Prefixes {
		l.prefixes = append(l.prefixes, newPrefix(p))
		l.catchAll = l.catchAll || p.Bits() == 0
	}
	for _, o := range c.Options {
		w := wire.AppendOption(nil, o.Code, o.Data)
		l.options = append(l.options, option{o.Code, w})
		l.optionBytes += len(w)
	}
	return l
}

// contains reports whether a lease for this address may be given on the link.
func (l *link) contains(a *[16]byte) bool { return contains(l.prefixes, a) }

func contains(prefixes []prefix, a *[16]byte) bool {
	for i := range prefixes {
		if prefixes[i].contains(a) {
			return true
		}
	}
	return false
}

// Interface is a network interface as the operating system shows it.
type Interface struct {
	Index     int32
	Name      string
	Up        bool
	MTU       int          // bytes; 0 = not known
	Addresses []netip.Addr // IPv6 addresses that are usable as a source
}

// eui64 is the link-local address that an interface without one would have; frames need a source.
func eui64(m [6]byte) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]})
}

// iface is an interface that is served.
type iface struct {
	name   string
	link   *link
	local  [16]byte // our link-local address on it, the source of answers to link-local addresses
	limit  int      // most bytes of a message in one frame; 0 = not known
	global [16]byte // another address of ours on it, the source of answers to a relay's global address; zero if none
}

// linkName is the name of the link that an interface belongs to; "" if it belongs to none.
func (f *iface) linkName() string {
	if f.link == nil {
		return ""
	}
	return f.link.name
}

// policy is all that answering depends on, apart from the leases. It is immutable: a change of configuration or of
// interfaces makes a new one.
type policy struct {
	serverID []byte // Server Identifier option, ready to append
	dynamic  config.Dynamic
	links    []*link
	relays   []prefix // that are believed; none = see believed
	catchAll *link    // first link that has the prefix ::/0; nil if none

	ifaces       map[int32]*iface
	interfaceIDs map[string]*link // by value of the Interface-ID option
	relayed      []relayTable     // by link-address, longest prefix first
}

// relayTable finds the link of a link-address among prefixes of one length.
type relayTable struct {
	bits  int
	links map[netip.Prefix]*link
}

func newPolicy(dynamic config.Dynamic, duid []byte, interfaces []Interface) *policy {
	p := &policy{
		serverID:     wire.AppendOption(nil, wire.OptServerID, duid),
		dynamic:      dynamic,
		ifaces:       make(map[int32]*iface),
		interfaceIDs: make(map[string]*link),
	}
	for _, q := range dynamic.Relays {
		p.relays = append(p.relays, newPrefix(q))
	}
	byBits := make(map[int]map[netip.Prefix]*link)
	addRelay := func(q netip.Prefix, l *link) {
		if byBits[q.Bits()] == nil {
			byBits[q.Bits()] = make(map[netip.Prefix]*link)
		}
		if byBits[q.Bits()][q.Masked()] == nil {
			byBits[q.Bits()][q.Masked()] = l
		}
	}
	for i := range dynamic.Links {
		c := &dynamic.Links[i]
		l := newLink(c)
		p.links = append(p.links, l)
		if l.catchAll && p.catchAll == nil {
			p.catchAll = l
		}
		for _, q := range c.RelayAddresses {
			addRelay(q, l)
		}
		for _, q := range c.Prefixes {
			if q.Bits() > 0 {
				addRelay(q, l)
			}
		}
		for _, id := range c.InterfaceIDs {
			p.interfaceIDs[string(id)] = l
		}
	}
	for bits, links := range byBits {
		p.relayed = append(p.relayed, relayTable{bits, links})
	}
	sort.Slice(p.relayed, func(i, j int) bool { return p.relayed[i].bits > p.relayed[j].bits })
	for i := range interfaces {
		if f := p.newIface(&interfaces[i]); f != nil {
			p.ifaces[interfaces[i].Index] = f
		}
	}
	return p
}

// newIface decides whether an interface is served, and for which link: the first that names it, else the one whose
// prefix holds an address of the interface, else the catch-all.
func (p *policy) newIface(i *Interface) *iface {
	if !i.Up {
		return nil
	}
	l := p.namedLink(i.Name)
	if l == nil && !matchAny(p.dynamic.Interfaces, i.Name) {
		return nil
	}
	f := &iface{name: i.Name, link: l}
	const headers = 40 + 8 // IPv6, UDP
	if i.MTU > headers {
		f.limit = i.MTU - headers
	}
	for _, a := range i.Addresses {
		switch {
		case a.IsLinkLocalUnicast():
			f.local = a.As16()
		case f.global == [16]byte{}:
			f.global = a.As16()
		}
		if f.link == nil && !a.IsLinkLocalUnicast() {
			f.link = p.byAddress(a.As16())
		}
	}
	if f.link == nil {
		f.link = p.catchAll
	}
	return f
}

func (p *policy) namedLink(name string) *link {
	for i, l := range p.links {
		if matchAny(p.dynamic.Links[i].Interfaces, name) {
			return l
		}
	}
	return nil
}

func matchAny(patterns []string, name string) bool {
	for _, q := range patterns {
		// Patterns were checked when the configuration was read.
		if ok, _ := path.Match(q, name); ok {
			return true
		}
	}
	return false
}

// byAddress finds the link of a link-address by its longest prefix; nil if there is none.
func (p *policy) byAddress(a [16]byte) *link {
	addr := netip.AddrFrom16(a)
	for i := range p.relayed {
		q, err := addr.Prefix(p.relayed[i].bits)
		if err != nil {
			continue
		}
		if l := p.relayed[i].links[q]; l != nil {
			return l
		}
	}
	return nil
}

// linkOf finds the link of a client (RFC 9915 §13.1): for a relayed one by the Interface-ID of the relay nearest to it
// that is configured, else by the innermost link-address that is not zero (an LDRA sends ::, RFC 6221 §5.3.1), else by
// the interface where it arrived. Nil if nothing is known about where the client is.
func (p *policy) linkOf(v *wire.View, arrived *link) *link {
	relays := v.Relays()
	if len(relays) == 0 {
		return arrived
	}
	if len(p.interfaceIDs) > 0 {
		for i := len(relays) - 1; i >= 0; i-- {
			if l := p.interfaceIDs[string(relays[i].InterfaceID)]; l != nil {
				return l
			}
		}
	}
	for i := len(relays) - 1; i >= 0; i-- {
		if a := relays[i].LinkAddress(); *a != ([16]byte{}) {
			if l := p.byAddress(*a); l != nil {
				return l
			}
			return p.catchAll
		}
	}
	if arrived != nil {
		return arrived
	}
	return p.catchAll
}
