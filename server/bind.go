package server

import (
	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/server/wire"
)

// bind appends an IA for each of the client's, the leased address in one of them, and the options asked for. It serves
// Solicit, Request, Renew and Rebind, which differ only in what they say about addresses that are not the client's. It
// returns nil if there is nothing to say: to the Rebind of a client that is another server's.
func (r *reply) bind(b []byte) []byte {
	chosen := r.chooseIA()
	number, refused := 0, r.lease.id == 0
	if refused && r.v.Type == wire.Rebind && !r.knowsWrong() {
		return nil
	}
	for ia, rest, ok := wire.NextIA(r.v.Options); ok; ia, rest, ok = wire.NextIA(rest) {
		switch {
		case ia.Code == wire.OptIAPD:
			b = appendIAStatus(b, &ia, wire.StatusNoPrefixAvail, "")
		case r.lease.id == 0:
			b = r.refuseUnknown(b, &ia, number == 0)
			number++
		default:
			if number == chosen {
				b = r.grant(b, &ia)
			} else {
				b = r.refuseSpare(b, &ia)
			}
			number++
		}
	}
	return r.appendOptions(b, !refused)
}

// knowsWrong reports whether an address that the client wants to keep is known to be wrong where it is.
func (r *reply) knowsWrong() bool {
	for ia, rest, ok := wire.NextIA(r.v.Options); ok; ia, rest, ok = wire.NextIA(rest) {
		for a, more, ok := wire.NextAddr(ia.Options); ok && ia.Code == wire.OptIANA; a, more, ok = wire.NextAddr(more) {
			if r.wrong(a) {
				return true
			}
		}
	}
	return false
}

// wrong reports whether an address cannot be that of a client without a lease: it is of another link, or another's.
func (r *reply) wrong(a *[16]byte) bool { return !r.link.contains(a) || r.othersAddress(a) }

// chooseIA returns the number, among the client's IA_NAs, of the one that gets the address: the one that has it
// already, else the first. There is one address for the NIC, and the client may have any number of IAs.
func (r *reply) chooseIA() int {
	number := 0
	for ia, rest, ok := wire.NextIA(r.v.Options); ok; ia, rest, ok = wire.NextIA(rest) {
		if ia.Code != wire.OptIANA {
			continue
		}
		if hasAddr(ia.Options, &r.lease.addr) {
			return number
		}
		number++
	}
	return 0
}

// grant appends the IA_NA that carries the leased address.
func (r *reply) grant(b []byte, ia *wire.IA) []byte {
	if r.v.Type == wire.Request && r.asksOffLink(ia) {
		// §18.3.2: the client is told so, and asks again without the address it brought from elsewhere.
		return appendIAStatus(b, ia, wire.StatusNotOnLink, "")
	}
	t := r.lifetimes()
	b, at := wire.OpenIA(b, wire.OptIANA, ia.IAID, t.t1, t.t2)
	b = wire.AppendAddr(b, &r.lease.addr, t.preferred, t.valid)
	if r.v.Type == wire.Renew || r.v.Type == wire.Rebind {
		b = r.expire(b, ia)
	}
	wire.CloseOption(b, at)
	return b
}

// asksOffLink reports whether the IA names an address that cannot be on the client's link.
func (r *reply) asksOffLink(ia *wire.IA) bool {
	for a, rest, ok := wire.NextAddr(ia.Options); ok; a, rest, ok = wire.NextAddr(rest) {
		if !r.link.contains(a) {
			return true
		}
	}
	return false
}

// expire appends the addresses of the IA that are not the client's with lifetimes 0, so that it drops them (§18.3.4). A
// client without a lease here may have one of another server: it keeps what is not known to be wrong (§18.3.5).
func (r *reply) expire(b []byte, ia *wire.IA) []byte {
	for a, rest, ok := wire.NextAddr(ia.Options); ok; a, rest, ok = wire.NextAddr(rest) {
		if r.lease.id != 0 && *a != r.lease.addr || r.lease.id == 0 && r.wrong(a) {
			b = wire.AppendAddr(b, a, 0, 0)
		}
	}
	return b
}

// refuseSpare answers an IA_NA beyond the one that got the address.
func (r *reply) refuseSpare(b []byte, ia *wire.IA) []byte {
	b, at := wire.OpenIA(b, wire.OptIANA, ia.IAID, 0, 0)
	if r.v.Type == wire.Renew || r.v.Type == wire.Rebind {
		b = r.expire(b, ia)
	}
	b = wire.AppendStatus(b, wire.StatusNoAddrsAvail, "")
	wire.CloseOption(b, at)
	return b
}

// refuseUnknown answers an IA_NA of a client that has no lease: NoAddrsAvail in the IA (§18.3.9, §18.3.2); NoBinding
// to a Renew (§18.3.4), which sends the client back to Request; to a Rebind also lifetimes 0, because whatever it
// holds is not, or no longer, its own (§18.3.5). The text goes into the first IA only: it is for people.
func (r *reply) refuseUnknown(b []byte, ia *wire.IA, first bool) []byte {
	status, text := uint16(wire.StatusNoAddrsAvail), "no lease for this MAC on this link"
	if r.v.Type == wire.Renew || r.v.Type == wire.Rebind {
		status = wire.StatusNoBinding
	}
	if !first {
		text = ""
	}
	b, at := wire.OpenIA(b, wire.OptIANA, ia.IAID, 0, 0)
	if r.v.Type == wire.Rebind {
		b = r.expire(b, ia)
	}
	b = wire.AppendStatus(b, status, text)
	wire.CloseOption(b, at)
	return b
}

// lifetimes are the link's, unless the host's statements say otherwise. Like ISC, a host that sets only a valid
// lifetime prefers its address for 5/8 of it. The order T1 ≤ T2 ≤ preferred ≤ valid is kept whatever the statements say.
func (r *reply) lifetimes() lifetimes {
	t, s := r.link.times, r.settings
	if s == nil || s.Valid|s.Preferred|s.T1|s.T2 == 0 {
		return t
	}
	if s.Valid != 0 {
		t.valid, t.preferred = s.Valid, part(s.Valid, 5, 8)
	}
	if s.Preferred != 0 {
		t.preferred = s.Preferred
	}
	t.preferred = min(t.preferred, t.valid)
	if s.Valid|s.Preferred != 0 {
		t.t1, t.t2 = part(t.preferred, 1, 2), part(t.preferred, 4, 5)
	}
	if s.T1 != 0 {
		t.t1 = s.T1
	}
	if s.T2 != 0 {
		t.t2 = s.T2
	}
	t.t2 = min(t.t2, t.preferred)
	t.t1 = min(t.t1, t.t2)
	return t
}

// part is n/d of a lifetime. Part of infinity (§7.7) is infinity.
func part(seconds uint32, n, d uint64) uint32 {
	if seconds == 0xffffffff {
		return seconds
	}
	return uint32(uint64(seconds) * n / d)
}

// appendOptions appends the options that the client asked for (§21.7) and that are configured for its link or host;
// the host's win. A refused client gets only what makes it ask less often (§18.2.9 has it process nothing else).
func (r *reply) appendOptions(b []byte, granted bool) []byte {
	if len(r.v.ORO) == 0 {
		return b
	}
	for i := range r.link.options {
		o := &r.link.options[i]
		if r.wants(o.code, granted) && !overrides(r.settings, o.code) && r.fits(b, len(o.wire)) {
			b = append(b, o.wire...)
		}
	}
	if r.settings == nil {
		return b
	}
	for i := range r.settings.Options {
		if o := &r.settings.Options[i]; r.wants(o.Code, granted) && r.fits(b, 4+len(o.Data)) {
			b = wire.AppendOption(b, o.Code, o.Data)
		}
	}
	return b
}

// fits reports whether there is room for so many more bytes. Without an option a client has its address all the same;
// a frame that is too long for the link would never reach it.
func (r *reply) fits(b []byte, more int) bool {
	if r.limit == 0 || len(b)-r.begin+more <= r.limit {
		return true
	}
	r.out.trimmed = true
	return false
}

func (r *reply) wants(code uint16, granted bool) bool {
	if !granted && code != wire.OptSolMaxRT && code != wire.OptInfMaxRT {
		return false
	}
	// §21.23: the refresh time belongs into the answer to an Information-request and nowhere else.
	if code == wire.OptInfoRefresh && r.v.Type != wire.InformationRequest {
		return false
	}
	return r.v.Requests(code)
}

// overrides reports whether the host has an option of its own.
func overrides(s *leases.Settings, code uint16) bool {
	if s == nil {
		return false
	}
	for i := range s.Options {
		if s.Options[i].Code == code {
			return true
		}
	}
	return false
}
