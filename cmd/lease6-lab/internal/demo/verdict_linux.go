package demo

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
)

// noAddrsAvail is the status of a client that has no lease (RFC 9915 §21.13).
const noAddrsAvail = 2

// verdict is what became of a NIC.
type verdict struct {
	vm  *vm
	nic *nic

	addrs   []netip.Addr // on the NIC, as the kernel shows them
	refused bool         // the server said NoAddrsAvail to it
	duid    []byte       // as last seen on the wire
	err     error        // the kernel could not be asked
}

// look sees how things stand now.
func (v *verdict) look() {
	v.addrs, v.err = v.nic.machine.Global(v.nic.name)
	v.refused = false
	for _, p := range v.nic.tap.Packets() {
		if p.Out {
			v.duid = p.DUID()
		} else if p.Status() == noAddrsAvail && p.FrameSource.String() != v.nic.mac.String() {
			v.refused = true
		}
	}
}

// right reports whether things are as they should be.
func (v *verdict) right() bool {
	if v.err != nil || len(v.duid) == 0 {
		return false
	}
	if !v.nic.lease.IsValid() {
		return len(v.addrs) == 0 && v.refused
	}
	return len(v.addrs) == 1 && v.addrs[0] == v.nic.lease && !v.refused
}

// await waits until things are as they should be, or ctx ends.
func (v *verdict) await(ctx context.Context, say *narrator) {
	err := netlab.Await(ctx, "verdict", func() (bool, error) {
		v.look()
		return v.right(), nil
	})
	switch {
	case err != nil:
	case v.nic.lease.IsValid():
		say.good(v.vm.name, fmt.Sprintf("%s has %s, as in the lease file", v.nic.name, v.nic.lease))
	default:
		say.good(v.vm.name, v.nic.name+" is refused, as it should be")
	}
}

// onWire is the address column of the table.
func (v *verdict) onWire() string {
	if len(v.addrs) == 0 {
		if v.refused {
			return "none, refused"
		}
		return "none"
	}
	words := make([]string, len(v.addrs))
	for i, a := range v.addrs {
		words[i] = a.String()
	}
	return strings.Join(words, " ")
}

// inFile is the lease column of the table.
func (v *verdict) inFile() string {
	if !v.nic.lease.IsValid() {
		return "none"
	}
	return v.nic.lease.String()
}
