package server

import (
	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/server/config"
	"github.com/lease6/lease6/server/wire"
)

// arrival is what the socket knows of a packet.
type arrival struct {
	size      int   // of the packet in bytes
	link      *link // of the interface where it arrived; nil if that is not served
	src       [16]byte
	mac       [6]byte // Ethernet source, if hasMAC
	hasMAC    bool
	multicast bool
	limit     int // most bytes that an answer should have; 0 = no limit
}

// lease is the answer to "whose is this?": a host and the one of its addresses that lies on the client's link.
type lease struct {
	id   leases.ID // 0: none
	addr [16]byte
}

// outcome is what there is to count and to remember about one packet.
type outcome struct {
	drop        Drop
	source      config.Source // where the MAC of the lease was found; 0 = no lease
	mac         leases.MAC    // of the client, as far as known
	hasMAC      bool
	claimed     leases.MAC // the MAC in the DUID, if mismatch
	mismatch    bool
	badOption79 bool
	unknown     bool
	declined    bool
	trimmed     bool // an option was left out
	link        *link
}

// believed reports whether the relays around a message may speak for clients. What they say is final, so a client that
// could speak like one could be anybody. With a list of relays, each must be in it. Without, nobody is believed who
// could be a client: who sends by multicast or by an interface where clients are attached, who has a lease for the
// address that it sends from, and, inside another relay's message, who sends from a link-local address.
func believed(v *wire.View, in *arrival, p *policy, ix *leases.Index) bool {
	relays := v.Relays()
	if len(relays) == 0 {
		return true
	}
	if len(p.relays) == 0 && (in.multicast || in.link != nil) {
		return false
	}
	from := &in.src
	for i := range relays {
		if len(p.relays) > 0 {
			if !contains(p.relays, from) {
				return false
			}
		} else if i > 0 && linkLocal(from) || ix.FindAddr(*from) != 0 {
			return false
		}
		from = relays[i].PeerAddress()
	}
	return true
}

func linkLocal(a *[16]byte) bool { return a[0] == 0xfe && a[1]&0xc0 == 0x80 }

// lease is
// identify finds the client's lease on its link by the most trustworthy source present (design.md §3). What our own
// infrastructure says (option 79, the frame) is final: if that MAC has no lease here, nothing that the client says can
// give it one. The client's own words (EUI-64 link-local, DUID) are hints, tried in order.
func identify(v *wire.View, in *arrival, p *policy, l *link, ix *leases.Index, out *outcome) lease {
	for _, source := range p.dynamic.Identity.Order {
		mac, ok := candidate(source, v, in, out)
		if !ok {
			continue
		}
		final := source == config.SourceOption79 || source == config.SourceFrame
		if final || !out.hasMAC {
			out.mac, out.hasMAC = mac, true
		}
		if final {
			if claimed, says := wire.DUIDMAC(v.ClientID); says && claimed != mac {
				out.mismatch, out.claimed = true, claimed
			}
		}
		found := lookup(ix, mac, l)
		if found.id != 0 {
			out.mac, out.source = mac, source
			return found
		}
		if final {
			break
		}
	}
	return lease{}
}

// candidate reads the client's MAC from one source.
func candidate(source config.Source, v *wire.View, in *arrival, out *outcome) (leases.MAC, bool) {
	relays := v.Relays()
	switch source {
	case config.SourceOption79:
		// Of the relay nearest to the client only (RFC 6939 §4): what relays further up saw was that relay.
		if len(relays) == 0 || relays[len(relays)-1].LinkLayer == nil {
			return leases.MAC{}, false
		}
		mac, ok := wire.LinkLayerMAC(relays[len(relays)-1].LinkLayer)
		out.badOption79 = !ok
		return mac, ok
	case config.SourceFrame:
		return in.mac, in.hasMAC && len(relays) == 0
	case config.SourceEUI64:
		peer := &in.src
		if len(relays) > 0 {
			peer = relays[len(relays)-1].PeerAddress()
		}
		mac, ok := wire.EUI64MAC(peer)
		return mac, ok
	case config.SourceDUID:
		mac, ok := wire.DUIDMAC(v.ClientID)
		return mac, ok
	}
	return leases.MAC{}, false
}

// lookup finds the newest host of a MAC that has an address on the link.
func lookup(ix *leases.Index, mac leases.MAC, l *link) lease {
	for id := ix.FindMAC(mac.Key()); id != 0; id = ix.NextMAC(id) {
		for i := 0; ; i++ {
			addr, ok := ix.Addr(id, i)
			if !ok {
				break
			}
			if l.contains(&addr) && assignable(&addr) {
				return lease{id, addr}
			}
		}
	}
	return lease{}
}

// assignable keeps back what no interface can have: the unspecified address and multicast.
func assignable(a *[16]byte) bool {
	return a[0] != 0xff && *a != [16]byte{}
}
