package server

import (
	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/server/config"
	"github.com/lease6/lease6/server/wire"
)

// answer is the protocol. It appends to dst the answer to the message in v and returns it, or nil if there is none.
// It depends on nothing but its arguments and changes nothing but out; it does not allocate as long as dst has room,
// and it does not begin a reply that could outgrow dst.
func answer(dst []byte, v *wire.View, in *arrival, p *policy, ix *leases.Index, out *outcome) []byte {
	if out.drop = validate(v, in, p); out.drop != DropNone {
		return nil
	}
	if !believed(v, in, p, ix) {
		out.drop = DropRelay
		return nil
	}
	out.link = p.linkOf(v, in.link)
	if out.link == nil {
		out.drop = DropLink
		return nil
	}
	found := identify(v, in, p, out.link, ix, out)
	if out.mismatch && p.dynamic.Identity.OnMismatch == config.MismatchDrop {
		out.drop = DropMismatch
		return nil
	}
	r := reply{v: v, p: p, link: out.link, lease: found, ix: ix}
	if found.id != 0 {
		r.settings = ix.Settings(found.id)
	}
	out.unknown = found.id == 0 && v.Type != wire.InformationRequest
	if out.unknown && p.dynamic.Unknown == config.UnknownIgnore {
		out.drop = DropUnknown
		return nil
	}
	if r.bound(in.size) > cap(dst)-len(dst) {
		out.drop = DropSize
		return nil
	}

	r.out, r.begin, r.limit = out, len(dst), in.limit
	var wrap wire.RelayWrap
	b := r.message(wrap.Open(dst, v.Relays()), out)
	if b == nil {
		out.drop = DropNoAnswer
		return nil
	}
	wrap.Close(b)
	return b
}

// validate applies the rules of RFC 9915 §16 that need no knowledge of links and leases.
func validate(v *wire.View, in *arrival, p *policy) Drop {
	// RFC 9915 took the Server Unicast option away; clients multicast everything. Relays may unicast.
	if len(v.Relays()) == 0 && !in.multicast && !p.dynamic.Unicast {
		return DropUnicast
	}
	ours := v.ServerID != nil && string(v.ServerID) == string(p.serverID[4:])
	switch v.Type {
	case wire.Solicit, wire.Confirm, wire.Rebind: // §16.2, §16.5, §16.7
		if v.ServerID != nil {
			return DropServerID
		}
	case wire.Request, wire.Renew, wire.Release, wire.Decline: // §16.4, §16.6, §16.8, §16.9
		if !ours {
			return DropServerID
		}
	case wire.InformationRequest: // §16.12
		if v.ServerID != nil && !ours {
			return DropServerID
		}
		if v.NumNA+v.NumTA+v.NumPD > 0 {
			return DropIA
		}
		if v.ClientID == nil {
			return DropNone // §18.2.6: a client may stay anonymous
		}
	default:
		return DropType
	}
	if len(v.ClientID) == 0 || len(v.ClientID) > wire.MaxDUID {
		return DropClientID
	}
	return DropNone
}

// reply is one answer in the making.
type reply struct {
	v        *wire.View
	p        *policy
	link     *link
	lease    lease            // id 0: the client has none here
	settings *leases.Settings // of the lease's host; nil if it has none
	ix       *leases.Index

	out   *outcome
	begin int // where the answer begins in its buffer
	limit int // most bytes of the answer, for the sake of options that can be left out; 0 = no limit
}

// bound is the largest size that the reply to a message of that size can have. Whatever is copied is copied once; each
// IA may gain a status; one address, the identifiers and our options come on top.
func (r *reply) bound(size int) int {
	const fixed = 512 // longest DUID, one address, status texts, preference, rapid commit: 130+28+6×40+9, rounded up
	n := size + 6*(r.v.NumNA+r.v.NumPD) + r.link.optionBytes + len(r.p.serverID) + fixed
	if r.settings != nil {
		for i := range r.settings.Options {
			n += 4 + len(r.settings.Options[i].Data)
		}
	}
	return n
}

// message appends the message that answers the client's, by its type; nil if the protocol has no answer.
func (r *reply) message(b []byte, out *outcome) []byte {
	v := r.v
	switch v.Type {
	case wire.Solicit: // §18.3.1
		if v.RapidCommit && r.link.rapidCommit && r.lease.id != 0 {
			b = wire.AppendOption(r.header(b, wire.Reply), wire.OptRapidCommit, nil)
			return r.bind(b)
		}
		return r.bind(r.header(b, wire.Advertise))
	case wire.Request, wire.Renew, wire.Rebind: // §18.3.2, §18.3.4, §18.3.5
		return r.bind(r.header(b, wire.Reply))
	case wire.Confirm: // §18.3.3
		return r.confirm(b)
	case wire.Decline: // §18.3.8. The address stays the NIC's: it has no other, and a duplicate is for people to find.
		out.declined = r.lease.id != 0
		return r.released(b)
	case wire.Release: // §18.3.7
		return r.released(b)
	case wire.InformationRequest: // §18.3.6
		return r.appendOptions(r.header(b, wire.Reply), true)
	}
	return nil
}

// header appends what every answer begins with.
func (r *reply) header(b []byte, kind byte) []byte {
	b = append(b, kind, r.v.TransactionID[0], r.v.TransactionID[1], r.v.TransactionID[2])
	if r.v.ClientID != nil {
		b = wire.AppendOption(b, wire.OptClientID, r.v.ClientID)
	}
	b = append(b, r.p.serverID...)
	if kind != wire.Advertise || r.lease.id == 0 {
		return b // a preference on a refusal would keep clients from the server that has their lease
	}
	preference := r.link.preference
	if r.settings != nil && r.settings.HasPreference {
		preference = r.settings.Preference
	}
	if preference == 0 {
		return b // the same as without the option (§18.3.9)
	}
	return append(b, 0, wire.OptPreference, 0, 1, preference)
}

// confirm answers whether the client's addresses are right for its link (§18.3.3). A link that knows its prefixes can
// tell; a catch-all cannot, except about the client's own leased address. An address leased to another MAC is not
// right here whatever its prefix: a clone that woke up with its template's lease file asks for exactly that, and
// without a No it would go on with a duplicate address.
func (r *reply) confirm(b []byte) []byte {
	status, asked := uint16(wire.StatusSuccess), false
	for ia, rest, ok := wire.NextIA(r.v.Options); ok; ia, rest, ok = wire.NextIA(rest) {
		if ia.Code != wire.OptIANA {
			continue
		}
		for a, more, ok := wire.NextAddr(ia.Options); ok; a, more, ok = wire.NextAddr(more) {
			asked = true
			switch {
			case r.lease.id != 0 && *a == r.lease.addr:
			case !r.link.contains(a), r.othersAddress(a):
				status = wire.StatusNotOnLink
			case r.link.catchAll && status == wire.StatusSuccess:
				return nil // cannot tell
			}
		}
	}
	if !asked {
		return nil
	}
	text := "all addresses are on-link"
	if status != wire.StatusSuccess {
		text = "an address is not for this link or not for this client"
	}
	return wire.AppendStatus(r.header(b, wire.Reply), status, text)
}

// othersAddress reports whether a is leased, and not to this client.
func (r *reply) othersAddress(a *[16]byte) bool {
	id := r.ix.FindAddr(*a)
	return id != 0 && (r.lease.id == 0 || r.ix.Key(id) != r.ix.Key(r.lease.id))
}

// released answers Release and Decline: success for the message, NoBinding in each IA that we know nothing of. A fixed
// lease has no binding state, so nothing changes.
func (r *reply) released(b []byte) []byte {
	b = wire.AppendStatus(r.header(b, wire.Reply), wire.StatusSuccess, "success")
	for ia, rest, ok := wire.NextIA(r.v.Options); ok; ia, rest, ok = wire.NextIA(rest) {
		if ia.Code == wire.OptIANA && r.lease.id != 0 && hasAddr(ia.Options, &r.lease.addr) {
			continue
		}
		b = appendIAStatus(b, &ia, wire.StatusNoBinding, "")
	}
	return b
}

// hasAddr reports whether an IA_NA names the address.
func hasAddr(options []byte, addr *[16]byte) bool {
	for a, rest, ok := wire.NextAddr(options); ok; a, rest, ok = wire.NextAddr(rest) {
		if *a == *addr {
			return true
		}
	}
	return false
}

// appendIAStatus appends an IA that holds nothing but a status.
func appendIAStatus(b []byte, ia *wire.IA, status uint16, text string) []byte {
	b, at := wire.OpenIA(b, ia.Code, ia.IAID, 0, 0)
	b = wire.AppendStatus(b, status, text)
	wire.CloseOption(b, at)
	return b
}
