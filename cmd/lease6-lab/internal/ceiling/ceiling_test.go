package ceiling

import (
	"testing"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/server/wire"
)

// TestAnswer holds each answer against what the clients of the load expect.
func TestAnswer(t *testing.T) {
	mac := guest.MAC(4)
	serverID := serverID[4:]
	for _, tt := range []struct {
		name      string
		kind      byte
		rapid     bool
		want      byte
		addressed bool
	}{
		{"solicit", wire.Solicit, false, wire.Advertise, true},
		{"rapid", wire.Solicit, true, wire.Reply, true},
		{"request", wire.Request, false, wire.Reply, true},
		{"renew", wire.Renew, false, wire.Reply, true},
		{"information", wire.InformationRequest, false, wire.Reply, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			packet := make([]byte, 1500)
			packet = packet[:guest.NewTemplate(guest.Relayed, tt.kind, tt.rapid, serverID).Write(packet, mac, 77, 0)]
			b := relayed(make([]byte, 0, 2048), packet)
			a, ok := guest.OpenRelayed(b)
			if !ok {
				t.Fatalf("not an answer: %x", b)
			}
			got := serverID
			if f := a.Check(tt.want, mac, tt.addressed, &got); f != guest.OK || a.XID() != 77 {
				t.Errorf("%s, transaction id %d", f, a.XID())
			}
		})
	}
}

func TestNoAnswer(t *testing.T) {
	room := make([]byte, 0, 2048)
	for name, packet := range map[string][]byte{"empty": nil, "short": {wire.RelayForward}, "no message": append([]byte{wire.RelayForward}, make([]byte, 33)...)} {
		if b := relayed(room, packet); b != nil {
			t.Errorf("%s: answered with %x", name, b)
		}
	}
}

func TestAllocations(t *testing.T) {
	mac := guest.MAC(4)
	packet, room := make([]byte, 1500), make([]byte, 0, 2048)
	packet = packet[:guest.NewTemplate(guest.Relayed, wire.Request, false, serverID[4:]).Write(packet, mac, 77, 0)]
	if n := testing.AllocsPerRun(100, func() { relayed(room, packet) }); n != 0 {
		t.Errorf("%v allocations an answer", n)
	}
}
