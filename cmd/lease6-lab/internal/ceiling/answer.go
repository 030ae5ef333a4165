package ceiling

import (
	"encoding/binary"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/server/wire"
)

const (
	relayHeader = 34 // RFC 9915 §9

	t1, t2, preferred, valid = 1800, 2880, 3600, 7200
)

// serverID is a Server Identifier option, a DUID-LL.
var serverID = [...]byte{0, wire.OptServerID, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, 0, 1}

// relayed appends the answer to a Relay-forward, or returns nil if it has none.
func relayed(b, packet []byte) []byte {
	if len(packet) < relayHeader || packet[0] != wire.RelayForward {
		return nil
	}
	var mac [6]byte
	var message []byte
	for rest := packet[relayHeader:]; ; {
		code, data, tail, ok := wire.NextOption(rest)
		if !ok {
			break
		}
		rest = tail
		switch {
		case code == wire.OptClientLinkLay && len(data) == 8:
			mac = [6]byte(data[2:])
		case code == wire.OptRelayMessage:
			message = data
		}
	}
	b = append(b, packet[:relayHeader]...)
	b[0] = wire.RelayReply
	b, at := wire.OpenOption(b, wire.OptRelayMessage)
	if b = direct(b, message, mac); b != nil {
		wire.CloseOption(b, at)
	}
	return b
}

// direct appends the answer to a client's message, or returns nil if it has none.
func direct(b, message []byte, mac [6]byte) []byte {
	if len(message) < 4 {
		return nil
	}
	kind, rapid := byte(wire.Reply), false
	begin := len(b)
	b = append(b, kind, message[1], message[2], message[3])
	b = append(b, serverID[:]...)
	for rest := message[4:]; ; {
		code, data, tail, ok := wire.NextOption(rest)
		if !ok {
			break
		}
		rest = tail
		switch {
		case code == wire.OptClientID:
			b = wire.AppendOption(b, code, data)
		case code == wire.OptRapidCommit:
			b = wire.AppendOption(b, code, nil)
			rapid = true
		case code == wire.OptIANA && len(data) >= 12:
			b = association(b, data, mac)
		}
	}
	if message[0] == wire.Solicit && !rapid {
		b[begin] = wire.Advertise
	}
	return b
}

// association appends the client's IA_NA with its address.
func association(b, ia []byte, mac [6]byte) []byte {
	b = append(b, 0, wire.OptIANA, 0, 12+28)
	b = append(b, ia[:4]...)
	b = binary.BigEndian.AppendUint32(b, t1)
	b = binary.BigEndian.AppendUint32(b, t2)
	address := guest.Address(mac)
	return wire.AppendAddr(b, &address, preferred, valid)
}
