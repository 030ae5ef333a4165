package leases

import (
	"encoding/binary"
	"hash/maphash"
	"iter"
	"math/bits"
	"math/rand/v2"

	"github.com/lease6/lease6/leases/isc"
)

// ID names a host of an Index for as long as the host is not changed: of two hosts, the newer has the higher one. 0 is
// no host.
type ID uint32

// Index holds hosts by MAC, name and address. Reading it allocates nothing, except Host, which is not for the packet
// path. Reading and writing exclude each other; a Store sees to that.
type Index struct {
	entries []entry // by ID; entry 0 is nobody
	names   []byte  // of all hosts, one behind the other
	unused  int     // bytes of names that no host uses any more
	dead    int     // entries without a host
	live    int

	byMAC, byName, byAddr table
	seedMAC               uint64
	seedName              maphash.Seed // names come over the network: nobody may choose which ones collide

	sets sets
	rare map[ID]*isc.Host  // hosts that an entry cannot hold
	more map[[16]byte][]ID // second and further addresses
	keys map[string][]ID   // client identifiers, and link-layer addresses that are not Ethernet's: see rareKeys

	duid []byte // server-duid of the file; nil if none
}

// entry is one host: what the packet path reads stands in one cache line.
type entry struct {
	mac       uint64   // key; the MAC counts only with flagMAC
	addr      [16]byte // first IPv6 address, with flagAddr
	name      uint32   // offset in names
	nameLen   uint16
	flags     uint16
	olderMAC  ID // next older host of the same MAC
	olderAddr ID // next older host of the same first address
	set       uint32
}

const (
	flagLive    = 1 << iota
	flagMAC     // has an Ethernet MAC
	flagAddr    // has an IPv6 address
	flagDynamic // "dynamic;" stood in its record
	flagRare    // has more than an entry holds: see Index.rare
)

// newIndex makes an index with room for n hosts.
func newIndex(n int) *Index {
	return &Index{
		// Slack, so that the first lease that is added does not copy them all while packets wait.
		entries: make([]entry, 1, n+n/8+1024),
		names:   make([]byte, 0, 17*(n+n/8+1024)), // of Abiquo's «525400123456_host»
		byMAC:   newTable(n), byName: newTable(n), byAddr: newTable(n),
		seedMAC: rand.Uint64(), seedName: maphash.MakeSeed(),
	}
}

// Len returns the number of hosts.
func (ix *Index) Len() int { return ix.live }

// ServerDUID returns the last server-duid of the file, nil if there was none.
func (ix *Index) ServerDUID() []byte { return ix.duid }

// FindMAC returns the newest host of a MAC, 0 if there is none.
func (ix *Index) FindMAC(key uint64) ID {
	tag := ix.tagMAC(key)
	for id, place := ix.byMAC.next(tag, tag); id != 0; id, place = ix.byMAC.next(place, tag) {
		if ix.entries[id].mac == key {
			return id
		}
	}
	return 0
}

// NextMAC returns the next older host of the same MAC, 0 if there is none.
func (ix *Index) NextMAC(id ID) ID { return ix.entries[id].olderMAC }

// FindName returns the host of a name, 0 if there is none.
func (ix *Index) FindName(name string) ID {
	tag := ix.tagName(name)
	for id, place := ix.byName.next(tag, tag); id != 0; id, place = ix.byName.next(place, tag) {
		if string(ix.name(id)) == name {
			return id
		}
	}
	return 0
}

// FindAddr returns the newest host that has an IPv6 address, 0 if there is none.
func (ix *Index) FindAddr(addr [16]byte) ID {
	id := ix.findFirst(&addr)
	if len(ix.more) > 0 {
		for _, other := range ix.more[addr] {
			id = max(id, other)
		}
	}
	return id
}

// findFirst returns the newest host whose first address this is.
func (ix *Index) findFirst(addr *[16]byte) ID {
	tag := ix.tagAddr(addr)
	for id, place := ix.byAddr.next(tag, tag); id != 0; id, place = ix.byAddr.next(place, tag) {
		if ix.entries[id].addr == *addr {
			return id
		}
	}
	return 0
}

// FindUID returns a host with a client identifier ("uid" in its record), 0 if there is none.
func (ix *Index) FindUID(uid []byte) ID { return ix.findRare(uidKey(uid)) }

// FindHardware returns the newest host with a link-layer address of an ARP hardware type.
func (ix *Index) FindHardware(kind uint16, address []byte) ID {
	if kind == isc.Ethernet && len(address) == 6 {
		return ix.FindMAC(MAC(address).Key())
	}
	return ix.findRare(hardwareKey(kind, address))
}

func (ix *Index) findRare(key string) ID {
	all := ix.keys[key]
	if len(all) == 0 {
		return 0
	}
	return all[len(all)-1]
}

// Key returns the key of a host's MAC; 0 if it has no Ethernet MAC.
func (ix *Index) Key(id ID) uint64 {
	if ix.entries[id].flags&flagMAC == 0 {
		return 0
	}
	return ix.entries[id].mac
}

// Addr returns IPv6 address number i of a host, from 0.
func (ix *Index) Addr(id ID, i int) (addr [16]byte, ok bool) {
	e := &ix.entries[id]
	switch {
	case e.flags&flagAddr == 0:
		return addr, false
	case i == 0:
		return e.addr, true
	case e.flags&flagRare == 0:
		return addr, false
	}
	all := ix.rare[id].Addresses
	if 16*(i+1) > len(all) {
		return addr, false
	}
	return [16]byte(all[16*i:]), true
}

// Settings returns what the statements of a host and its group say; nil if nothing. They must not be changed.
func (ix *Index) Settings(id ID) *Settings {
	if n := ix.entries[id].set; n != 0 {
		return ix.sets.all[n].settings
	}
	return nil
}

// Name returns the name of a host.
func (ix *Index) Name(id ID) string { return string(ix.name(id)) }

func (ix *Index) name(id ID) []byte {
	e := &ix.entries[id]
	return ix.names[e.name : uint64(e.name)+uint64(e.nameLen)]
}

// Host returns a copy of a host's record. Its place in the file is not kept.
func (ix *Index) Host(id ID) isc.Host {
	e := &ix.entries[id]
	if e.flags&flagRare != 0 {
		return *ix.rare[id].Clone()
	}
	h := isc.Host{Name: ix.Name(id), Dynamic: e.flags&flagDynamic != 0}
	if e.flags&flagMAC != 0 {
		mac := macOf(e.mac)
		h.HardwareType, h.Hardware = isc.Ethernet, mac[:]
	}
	if e.flags&flagAddr != 0 {
		addr := e.addr
		h.Addresses = addr[:]
	}
	if e.set != 0 {
		s := &ix.sets.all[e.set]
		h.Group, h.Statements = s.group, append([]isc.Statement(nil), s.statements...)
	}
	return h
}

// Group returns a group of statements by name.
func (ix *Index) Group(name string) (isc.Group, bool) {
	statements, ok := ix.sets.groups[name]
	return isc.Group{Name: name, Statements: append([]isc.Statement(nil), statements...)}, ok
}

// All visits the hosts. In an index that was just loaded they come in the order of the file.
func (ix *Index) All() iter.Seq[ID] {
	return func(yield func(ID) bool) {
		for id := range ix.entries {
			if ix.entries[id].flags&flagLive != 0 && !yield(ID(id)) {
				return
			}
		}
	}
}

func (ix *Index) tagMAC(key uint64) uint32 { return mix(key ^ ix.seedMAC) }

func (ix *Index) tagName(name string) uint32 { return uint32(maphash.String(ix.seedName, name)) }

func (ix *Index) tagAddr(addr *[16]byte) uint32 {
	return mix(binary.BigEndian.Uint64(addr[:8])*0x9e3779b97f4a7c15 ^ binary.BigEndian.Uint64(addr[8:]) ^ ix.seedMAC)
}

// mix spreads a number over 32 bits.
func mix(x uint64) uint32 {
	hi, lo := bits.Mul64(x, 0xa0761d6478bd642f)
	x = hi ^ lo
	return uint32(x ^ x>>32)
}
