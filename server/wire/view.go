package wire

import (
	"encoding/binary"
	"errors"
)

// Errors of Parse. They are values, not built, because they are made on the packet path.
var (
	ErrShort   = errors.New("wire: message is too short")
	ErrOption  = errors.New("wire: option is longer than its message")
	ErrNesting = errors.New("wire: relay messages are nested too deep")
	ErrNoRelay = errors.New("wire: relay-forward without a relay message")
	ErrRelayed = errors.New("wire: relay-reply inside a relay-forward")
)

const (
	relayHeader  = 34 // msg-type, hop-count, link-address, peer-address (RFC 9915 §9)
	clientHeader = 4  // msg-type, transaction-id (RFC 9915 §8)
	optionHeader = 4  // option-code, option-len (RFC 9915 §21.1)
)

// Relay is one Relay-forward around the client's message. Its slices alias the packet.
type Relay struct {
	Header      []byte // the 34 bytes of type, hop count, link-address and peer-address
	Options     []byte // all options of this relay, Relay Message included
	InterfaceID []byte // value of the Interface-ID option; nil if absent
	LinkLayer   []byte // value of option 79, Client Link-Layer Address: 2 bytes hardware type, then the address; nil if absent
	RelayPort   []byte // value of the Relay Source Port option (RFC 8357); nil if absent
	EchoRequest []byte // value of the Echo Request option (RFC 4994), 2 bytes a code; nil if absent
}

// HopCount is the number of relays below this one, as the relay counted them.
func (r *Relay) HopCount() byte { return r.Header[1] }

// LinkAddress tells the link of the client; all zero if the relay does not know (RFC 6221).
func (r *Relay) LinkAddress() *[16]byte { return (*[16]byte)(r.Header[2:18]) }

// PeerAddress is the address the relay received the message from.
func (r *Relay) PeerAddress() *[16]byte { return (*[16]byte)(r.Header[18:34]) }

// View is one packet taken apart in place. The zero View is ready for Parse and may be used again and again.
type View struct {
	Type          byte    // of the client's message, inside all relays
	TransactionID [3]byte // of the client's message
	Options       []byte  // of the client's message

	ClientID    []byte // first Client Identifier; nil if absent
	ServerID    []byte // first Server Identifier; nil if absent
	ORO         []byte // first Option Request option, 2 bytes a code; nil if absent
	RapidCommit bool
	NumNA       int // number of well-formed IA_NA options
	NumTA       int
	NumPD       int

	relays [MaxRelays]Relay
	depth  int
}

// Relays returns the relays around the message, outermost (nearest to the server) first. The slice is the View's own.
func (v *View) Relays() []Relay { return v.relays[:v.depth] }

// Parse takes packet apart. It accepts every message whose structure holds together down to the client's options,
// whatever those options contain; only lengths that lie are errors. Which messages deserve an answer is not its concern.
func (v *View) Parse(packet []byte) error {
	v.depth = 0
	v.ClientID, v.ServerID, v.ORO = nil, nil, nil
	v.RapidCommit = false
	v.NumNA, v.NumTA, v.NumPD = 0, 0, 0

	// A loop, not recursion: the depth is the sender's choice.
	for len(packet) > 0 && packet[0] == RelayForward {
		if v.depth == MaxRelays {
			return ErrNesting
		}
		inner, err := v.relays[v.depth].parse(packet)
		if err != nil {
			return err
		}
		v.depth++
		packet = inner
	}
	if len(packet) < clientHeader {
		return ErrShort
	}
	if packet[0] == RelayReply {
		// Its header has another form, and nobody may send one to a server.
		return ErrRelayed
	}
	v.Type = packet[0]
	v.TransactionID = [3]byte(packet[1:4])
	v.Options = packet[clientHeader:]
	return v.parseOptions()
}

// parse fills r from a Relay-forward and returns the message inside it.
func (r *Relay) parse(packet []byte) (inner []byte, err error) {
	if len(packet) < relayHeader {
		return nil, ErrShort
	}
	*r = Relay{Header: packet[:relayHeader], Options: packet[relayHeader:]}
	for rest := r.Options; len(rest) > 0; {
		code, data, tail, ok := NextOption(rest)
		if !ok {
			return nil, ErrOption
		}
		rest = tail
		switch code {
		case OptRelayMessage:
			if inner == nil {
				inner = data
			}
		case OptInterfaceID:
			if r.InterfaceID == nil {
				r.InterfaceID = data
			}
		case OptClientLinkLay:
			if r.LinkLayer == nil {
				r.LinkLayer = data
			}
		case OptRelayPort:
			if r.RelayPort == nil && len(data) == 2 {
				r.RelayPort = data
			}
		case OptEchoRequest:
			if r.EchoRequest == nil {
				r.EchoRequest = data
			}
		}
	}
	if inner == nil {
		return nil, ErrNoRelay
	}
	return inner, nil
}

func (v *View) parseOptions() error {
	for rest := v.Options; len(rest) > 0; {
		code, data, tail, ok := NextOption(rest)
		if !ok {
			return ErrOption
		}
		rest = tail
		switch code {
		case OptClientID:
			if v.ClientID == nil {
				v.ClientID = data
			}
		case OptServerID:
			if v.ServerID == nil {
				v.ServerID = data
			}
		case OptORO:
			if v.ORO == nil {
				v.ORO = data
			}
		case OptRapidCommit:
			v.RapidCommit = true
		case OptIANA:
			if len(data) >= iaHeader {
				v.NumNA++
			}
		case OptIATA:
			v.NumTA++
		case OptIAPD:
			if len(data) >= iaHeader {
				v.NumPD++
			}
		}
	}
	return nil
}

// Requests reports whether the client's Option Request option names code.
func (v *View) Requests(code uint16) bool { return hasCode(v.ORO, code) }

// hasCode reports whether list, 2 bytes a code, names code. An odd last byte is nobody's code.
func hasCode(list []byte, code uint16) bool {
	for ; len(list) >= 2; list = list[2:] {
		if binary.BigEndian.Uint16(list) == code {
			return true
		}
	}
	return false
}

// Echoes reports whether the relay asked for option code back in the Relay-reply (RFC 4994). Only the first
// maxEcho codes count, so that a hostile message cannot make the search quadratic.
func (r *Relay) Echoes(code uint16) bool {
	const maxEcho = 32
	list := r.EchoRequest
	if len(list) > 2*maxEcho {
		list = list[:2*maxEcho]
	}
	return hasCode(list, code)
}

// NextOption splits the first option from options. Data is never nil when ok.
func NextOption(options []byte) (code uint16, data, rest []byte, ok bool) {
	if len(options) < optionHeader {
		return 0, nil, nil, false
	}
	code = binary.BigEndian.Uint16(options)
	end := optionHeader + int(binary.BigEndian.Uint16(options[2:]))
	if end > len(options) {
		return 0, nil, nil, false
	}
	return code, options[optionHeader:end:end], options[end:], true
}
