package guest

import (
	"encoding/binary"

	"github.com/lease6/lease6/server/wire"
)

// Fault is what can be wrong with an answer.
type Fault uint8

// Faults, in the order in which they are looked for. Stale is none: an answer to what was asked and answered before.
const (
	OK Fault = iota
	Malformed
	Stale
	WrongPath
	WrongChecksum
	WrongType
	WrongServerID
	WrongClientID
	Refused
	NoAddress
	WrongAddress
	NumFaults
)

var faultNames = [NumFaults]string{
	"", "malformed", "stale", "sent to another client", "wrong checksum", "wrong message type", "another server's DUID",
	"another client's DUID", "refused", "no address", "another address",
}

// String names the fault.
func (f Fault) String() string { return faultNames[f] }

// Answer is one message from the server, taken apart.
type Answer struct {
	to       []byte // the address of the client that it is for
	frame    []byte // the Ethernet destination; nil if it came through a relay
	message  []byte // of type and transaction id first
	checksum bool   // is right
}

// OpenRelayed takes a Relay-reply to our relay apart (RFC 9915 §9.2).
func OpenRelayed(b []byte) (Answer, bool) {
	link := LinkAddress.As16()
	if len(b) < relayHeader || b[0] != wire.RelayReply || b[1] != 0 || [16]byte(b[2:]) != link {
		return Answer{}, false
	}
	for rest := b[relayHeader:]; len(rest) > 0; {
		code, data, tail, ok := nextOption(rest)
		if !ok {
			return Answer{}, false
		}
		if rest = tail; code == wire.OptRelayMessage {
			return Answer{to: b[relayPeer:relayHeader], message: data, checksum: true}, len(data) >= 4
		}
	}
	return Answer{}, false
}

// OpenFrame takes a frame apart that is UDP to the client port.
func OpenFrame(b []byte) (Answer, bool) {
	if len(b) < frameHeader+4 {
		return Answer{}, false
	}
	ip := b[EthernetHeader:]
	n := int(binary.BigEndian.Uint16(ip[4:]))
	if ip[0]>>4 != 6 || n < udpHeader+4 || n > len(ip)-IPv6Header || int(binary.BigEndian.Uint16(ip[IPv6Header+4:])) != n {
		return Answer{}, false
	}
	ip = ip[:IPv6Header+n]
	return Answer{to: ip[24:40], frame: b[:6], message: ip[IPv6Header+udpHeader:], checksum: checksumRight(ip)}, true
}

// XID is the transaction id of the message.
func (a *Answer) XID() uint32 {
	return uint32(a.message[1])<<16 | uint32(a.message[2])<<8 | uint32(a.message[3])
}

// Check says what is wrong with the answer to a client that waits for a message of that type. It stores the first
// server DUID that it sees, and takes no other from then on.
func (a *Answer) Check(kind byte, mac [6]byte, addressed bool, serverID *[]byte) Fault {
	local := LinkLocal(mac)
	switch {
	case [16]byte(a.to) != local, a.frame != nil && [6]byte(a.frame) != mac:
		return WrongPath
	case !a.checksum:
		return WrongChecksum
	case a.message[0] != kind:
		return WrongType
	}
	var server, client, bound bool
	for rest := a.message[4:]; len(rest) > 0; {
		code, data, tail, ok := nextOption(rest)
		if !ok {
			return Malformed
		}
		rest = tail
		switch code {
		case wire.OptServerID:
			if len(*serverID) == 0 {
				*serverID = append(*serverID, data...)
			}
			server = string(data) == string(*serverID)
		case wire.OptClientID:
			client = len(data) == 10 && data[1] == 3 && [6]byte(data[4:]) == mac
		case wire.OptStatusCode:
			if refuses(data) {
				return Refused
			}
		case wire.OptIANA:
			if bound || len(data) < 12 || [4]byte(data) != [4]byte(mac[2:]) {
				return WrongAddress
			}
			if f := checkAssociation(data[12:], mac); f != OK {
				return f
			}
			bound = true
		}
	}
	switch {
	case !server:
		return WrongServerID
	case !client:
		return WrongClientID
	case addressed && !bound:
		return NoAddress
	}
	return OK
}

// checkAssociation says what is wrong with the options of an IA_NA. There must be one address, with a lifetime.
func checkAssociation(options []byte, mac [6]byte) Fault {
	found := false
	for rest := options; len(rest) > 0; {
		code, data, tail, ok := nextOption(rest)
		if !ok {
			return Malformed
		}
		rest = tail
		switch code {
		case wire.OptStatusCode:
			if refuses(data) {
				return Refused
			}
		case wire.OptIAAddr:
			if found || len(data) < 24 || [16]byte(data) != Address(mac) || binary.BigEndian.Uint32(data[20:]) == 0 {
				return WrongAddress
			}
			found = true
		}
	}
	if !found {
		return NoAddress
	}
	return OK
}

func refuses(status []byte) bool {
	return len(status) < 2 || binary.BigEndian.Uint16(status) != wire.StatusSuccess
}

// nextOption splits the first option off. It is not wire.NextOption, because it judges what that has written.
func nextOption(b []byte) (code uint16, data, rest []byte, ok bool) {
	if len(b) < 4 {
		return 0, nil, nil, false
	}
	n := 4 + int(b[2])<<8 + int(b[3])
	if n > len(b) {
		return 0, nil, nil, false
	}
	return uint16(b[0])<<8 | uint16(b[1]), b[4:n], b[n:], true
}
