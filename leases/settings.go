package leases

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/lease6/lease6/leases/isc"
)

// Settings are what a host's and its group's statements say about the answers to it, made ready for packets. Zero
// lifetimes are not set.
type Settings struct {
	Valid, Preferred, T1, T2 uint32 // seconds; 0xffffffff is infinity (RFC 9915 §7.7)
	HasPreference            bool
	Preference               uint8
	Options                  []Option // sorted by code, one per code
}

// Option is a DHCPv6 option as a host's statement sets it. Data is in wire format, without code and length.
type Option struct {
	Code uint16
	Data []byte
}

// newSettings reads statements, later ones over earlier ones. It returns nil if none of them is understood.
func newSettings(lists ...[]isc.Statement) *Settings {
	var s Settings
	understood := false
	for _, list := range lists {
		for i := range list {
			if list[i].Value != nil && s.apply(list[i].Name, list[i].Value) {
				understood = true
			}
		}
	}
	if !understood {
		return nil
	}
	slices.SortFunc(s.Options, func(a, b Option) int { return int(a.Code) - int(b.Code) })
	return &s
}

// apply takes one statement and reports whether it means anything to us.
func (s *Settings) apply(name string, value []byte) bool {
	if lifetime := s.lifetime(name); lifetime != nil {
		if len(value) != 4 {
			return false
		}
		*lifetime = binary.BigEndian.Uint32(value)
		return true
	}
	if name == "dhcp6.preference" {
		if len(value) != 1 {
			return false
		}
		s.HasPreference, s.Preference = true, value[0]
		return true
	}
	code, ok := isc.OptionCode(name)
	if !ok || serversOwn(code) || len(value) > maxOption || !isc.WellFormed(name, value) {
		return false
	}
	i := slices.IndexFunc(s.Options, func(o Option) bool { return o.Code == code })
	if i < 0 {
		i = len(s.Options)
		s.Options = append(s.Options, Option{Code: code})
	}
	s.Options[i].Data = value
	return true
}

// maxOption keeps a host's option from filling the answer.
const maxOption = 1024

// lifetime is where ISC's parameter of this name goes; nil if it is none.
func (s *Settings) lifetime(name string) *uint32 {
	switch name {
	case "server.default-lease-time":
		return &s.Valid
	case "server.preferred-lifetime":
		return &s.Preferred
	case "dhcp-renewal-time":
		return &s.T1
	case "dhcp-rebinding-time":
		return &s.T2
	}
	return nil
}

// serversOwn reports whether an option belongs to the protocol's machinery (RFC 9915 §21). A host's statements must
// not write a second server identifier or an address of their own.
func serversOwn(code uint16) bool {
	return code <= 20 && code != 17 || // identifiers, IAs, status, relaying, authentication, reconfigure; not 17, vendor
		code == 25 || code == 26 || // IA_PD, IA Prefix
		code >= 43 && code <= 48 || // echo request, leasequery
		code == 66 || code == 79 || code == 135 // relay agents' options
}

// set is a list of statements and a group that some hosts have in common.
type set struct {
	key        string // in sets.byKey
	refs       int
	group      string
	statements []isc.Statement
	settings   *Settings
}

// sets keeps each combination of group and statements once. Number 0 is the empty one.
type sets struct {
	all    []set
	byKey  map[string]uint32
	free   []uint32
	groups map[string][]isc.Statement
}

// add returns the number of the set of h, and counts one user of it.
func (s *sets) add(h *isc.Host) uint32 {
	if h.Group == "" && len(h.Statements) == 0 {
		return 0
	}
	key := setKey(h)
	if n, ok := s.byKey[key]; ok {
		s.all[n].refs++
		return n
	}
	if s.byKey == nil {
		s.byKey = make(map[string]uint32)
		s.all = make([]set, 1)
	}
	entry := set{key: key, refs: 1, group: strings.Clone(h.Group), statements: slices.Clone(h.Statements)}
	entry.settings = newSettings(s.groups[h.Group], entry.statements)
	n := uint32(len(s.all))
	if last := len(s.free) - 1; last >= 0 {
		n, s.free = s.free[last], s.free[:last]
		s.all[n] = entry
	} else {
		s.all = append(s.all, entry)
	}
	s.byKey[key] = n
	return n
}

// setKey names what a host says in statements. Lengths keep two statements apart from one.
func setKey(h *isc.Host) string {
	var b strings.Builder
	write := func(text string) {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(text)))
		b.Write(n[:])
		b.WriteString(text)
	}
	write(h.Group)
	for i := range h.Statements {
		write(h.Statements[i].Text)
	}
	return b.String()
}

// drop takes back one user of set n.
func (s *sets) drop(n uint32) {
	if n == 0 {
		return
	}
	if s.all[n].refs--; s.all[n].refs == 0 {
		delete(s.byKey, s.all[n].key)
		s.all[n] = set{}
		s.free = append(s.free, n)
	}
}

// setGroup changes what a group says, for the hosts that are in it and those that will be.
func (s *sets) setGroup(g *isc.Group) {
	if s.groups == nil {
		s.groups = make(map[string][]isc.Statement)
	}
	if g.Deleted {
		delete(s.groups, g.Name)
	} else {
		s.groups[g.Name] = slices.Clone(g.Statements)
	}
	for i := range s.all {
		if e := &s.all[i]; e.refs > 0 && e.group == g.Name {
			e.settings = newSettings(s.groups[g.Name], e.statements)
		}
	}
}
