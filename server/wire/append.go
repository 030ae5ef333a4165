package wire

import "encoding/binary"

// AppendOption appends one option with its code and length.
func AppendOption(b []byte, code uint16, data []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, code)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}

// OpenOption begins an option whose length is not yet known. What is appended until CloseOption belongs to it.
func OpenOption(b []byte, code uint16) (_ []byte, at int) {
	b = binary.BigEndian.AppendUint16(b, code)
	return append(b, 0, 0), len(b) + 2
}

// CloseOption writes the length of the option that OpenOption began at.
func CloseOption(b []byte, at int) {
	binary.BigEndian.PutUint16(b[at-2:], uint16(len(b)-at))
}

// AppendStatus appends a Status Code option (RFC 9915 §21.13).
func AppendStatus(b []byte, status uint16, message string) []byte {
	b = binary.BigEndian.AppendUint16(b, OptStatusCode)
	b = binary.BigEndian.AppendUint16(b, uint16(2+len(message)))
	b = binary.BigEndian.AppendUint16(b, status)
	return append(b, message...)
}

// OpenIA begins an IA_NA or IA_PD (RFC 9915 §21.4, §21.21); T1 and T2 in seconds.
func OpenIA(b []byte, code uint16, iaid [4]byte, t1, t2 uint32) (_ []byte, at int) {
	b, at = OpenOption(b, code)
	b = append(b, iaid[:]...)
	b = binary.BigEndian.AppendUint32(b, t1)
	return binary.BigEndian.AppendUint32(b, t2), at
}

// AppendAddr appends an IA Address option (RFC 9915 §21.6); lifetimes in seconds.
func AppendAddr(b []byte, addr *[16]byte, preferred, valid uint32) []byte {
	b = binary.BigEndian.AppendUint16(b, OptIAAddr)
	b = binary.BigEndian.AppendUint16(b, addrHeader)
	b = append(b, addr[:]...)
	b = binary.BigEndian.AppendUint32(b, preferred)
	return binary.BigEndian.AppendUint32(b, valid)
}

// RelayWrap is the open Relay-reply headers around a reply: where each Relay Message option begins.
type RelayWrap struct {
	at    [MaxRelays]int
	depth int
}

// Open appends a Relay-reply header for each relay, outermost first (RFC 9915 §19.3), with what the relay must get
// back: hop count, link-address and peer-address copied, Interface-ID (§21.18), Relay Source Port (RFC 8357 §5.2) and
// the options named by an Echo Request (RFC 4994). The reply itself is then appended, and Close ends them all.
func (w *RelayWrap) Open(b []byte, relays []Relay) []byte {
	w.depth = len(relays)
	for i := range relays {
		r := &relays[i]
		b = append(b, r.Header...)
		b[len(b)-relayHeader] = RelayReply
		if r.InterfaceID != nil {
			b = AppendOption(b, OptInterfaceID, r.InterfaceID)
		}
		if r.RelayPort != nil {
			b = AppendOption(b, OptRelayPort, r.RelayPort)
		}
		if r.EchoRequest != nil {
			b = appendEcho(b, r)
		}
		b, w.at[i] = OpenOption(b, OptRelayMessage)
	}
	return b
}

// Close writes the lengths: every open Relay Message option ends where the reply ends.
func (w *RelayWrap) Close(b []byte) {
	for _, at := range w.at[:w.depth] {
		CloseOption(b, at)
	}
}

// appendEcho echoes what the relay asked for, but never what is echoed anyway or would nest a second message.
func appendEcho(b []byte, r *Relay) []byte {
	for rest := r.Options; len(rest) > 0; {
		code, data, tail, ok := NextOption(rest)
		if !ok {
			break
		}
		rest = tail
		switch code {
		case OptRelayMessage, OptInterfaceID, OptRelayPort, OptEchoRequest:
			continue
		}
		if r.Echoes(code) {
			b = AppendOption(b, code, data)
		}
	}
	return b
}
