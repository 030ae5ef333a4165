package omapi

import (
	"encoding/binary"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/leases/isc"
	"github.com/lease6/lease6/server/omapi/record"
)

// match is what the keys of a request name.
type match struct {
	id      leases.ID // a host that a key names; 0 if none does
	key     string    // that key
	missing bool      // another key was given that no host has
	clash   leases.ID // another host that another key names
}

// lookup finds the host that all keys of a request agree on: name, handle, client identifier, MAC. An address is a key
// if there is no other; beside one it is what the client wants to set. ISC dhcpd -6 finds no host by address at all.
func (s *session) lookup(ix *leases.Index, a *record.Attributes) (m match) {
	note := func(key string, id leases.ID) {
		switch {
		case id == 0:
			m.missing = true
		case m.id == 0:
			m.id, m.key = id, key
		case m.id != id && m.clash == 0:
			m.clash = id
		}
	}
	if len(a.Name) > 0 {
		note("name", findName(ix, string(a.Name)))
	}
	if len(a.Handle) == 4 {
		r := s.handles.byHandle[binary.BigEndian.Uint32(a.Handle)]
		var id leases.ID
		if r.kind == hostKind {
			id = ix.FindName(r.name)
		}
		note("handle", id)
	}
	if len(a.Identifier) > 0 {
		note("dhcp-client-identifier", ix.FindUID(a.Identifier))
	}
	if len(a.Hardware) > 0 {
		note("hardware-address", findHardware(ix, a.Kind, a.Hardware, m.id))
	}
	if m.id == 0 && !m.missing && len(a.Addresses) >= 16 {
		note("ip-address", ix.FindAddr([16]byte(a.Addresses)))
	}
	return m
}

// findName finds a host by its real name. In a file that ISC wrote that is the stored one, readable or not.
func findName(ix *leases.Index, name string) leases.ID {
	if id := ix.FindName(name); id != 0 {
		return id
	}
	return ix.FindName(record.StoredName(name))
}

// findHardware finds a host by its link-layer address, if several share it the preferred one, else the newest.
func findHardware(ix *leases.Index, kind uint16, address []byte, preferred leases.ID) leases.ID {
	newest := ix.FindHardware(kind, address)
	if kind != isc.Ethernet || len(address) != 6 {
		return newest
	}
	for id := newest; id != 0; id = ix.NextMAC(id) {
		if id == preferred {
			return id
		}
	}
	return newest
}
