package leases

import (
	"fmt"
	"iter"
	"slices"

	"github.com/lease6/lease6/leases/isc"
)

// longestName is as long as an entry can count; ISC's own limit is 1,024.
const longestName = 65_535

// conflict is what a new host met in the index.
type conflict uint8

const (
	replacedName conflict = 1 << iota // a live host of the same name, which it replaced
	sharedMAC                         // another host of the same MAC with an address in the same /64
	sharedAddr                        // another host with the same IPv6 address
)

// put adds a host, or replaces the one of its name. What the host shares memory with is not kept. other is a host that
// it is in conflict with, 0 if none.
func (ix *Index) put(h *isc.Host) (found conflict, other ID) {
	if id := ix.FindName(h.Name); id != 0 {
		found = replacedName
		ix.remove(id)
	}
	id := ix.allocate()
	e := entry{name: uint32(len(ix.names)), nameLen: uint16(len(h.Name)), flags: flagLive}
	ix.names = append(ix.names, h.Name...)
	if h.Dynamic {
		e.flags |= flagDynamic
	}
	if h.HardwareType == isc.Ethernet && len(h.Hardware) == 6 {
		e.flags |= flagMAC
		e.mac = MAC(h.Hardware).Key()
	}
	if len(h.Addresses) >= 16 {
		e.flags |= flagAddr
		e.addr = [16]byte(h.Addresses)
	}
	if !fitsEntry(h, e.flags) {
		e.flags |= flagRare
	}
	e.set = ix.sets.add(h)
	ix.entries[id] = e
	ix.live++
	ix.byName.insert(ix.tagName(h.Name), id)
	if e.flags&flagRare != 0 {
		ix.putRare(id, h)
	}
	more, with := ix.link(id)
	return found | more, with
}

// fitsEntry reports whether an entry says everything about h.
func fitsEntry(h *isc.Host, flags uint16) bool {
	return h.UID == nil && (len(h.Hardware) == 0 && h.HardwareType == 0 || flags&flagMAC != 0) &&
		(len(h.Addresses) == 0 || len(h.Addresses) == 16)
}

func (ix *Index) putRare(id ID, h *isc.Host) {
	if ix.rare == nil {
		ix.rare, ix.more, ix.keys = make(map[ID]*isc.Host), make(map[[16]byte][]ID), make(map[string][]ID)
	}
	c := h.Clone()
	c.Damaged, c.Pos = false, isc.Pos{}
	ix.rare[id] = c
	for a := range moreAddresses(c) {
		ix.more[a] = append(ix.more[a], id)
	}
	for key := range rareKeys(c) {
		ix.keys[key] = append(ix.keys[key], id)
	}
}

// moreAddresses are the addresses of a host beyond the first, without the padding of Abiquo's client.
func moreAddresses(h *isc.Host) iter.Seq[[16]byte] {
	return func(yield func([16]byte) bool) {
		for i := 1; 16*(i+1) <= len(h.Addresses); i++ {
			if a := [16]byte(h.Addresses[16*i:]); a != [16]byte{} && !yield(a) {
				return
			}
		}
	}
}

// rareKeys are what a host is found by, beside name, MAC and address.
func rareKeys(h *isc.Host) iter.Seq[string] {
	return func(yield func(string) bool) {
		if h.UID != nil && !yield(uidKey(h.UID)) {
			return
		}
		if len(h.Hardware) > 0 && (h.HardwareType != isc.Ethernet || len(h.Hardware) != 6) {
			yield(hardwareKey(h.HardwareType, h.Hardware))
		}
	}
}

func uidKey(uid []byte) string { return "u" + string(uid) }

func hardwareKey(kind uint16, address []byte) string {
	return "h" + string([]byte{byte(kind >> 8), byte(kind)}) + string(address)
}

// link enters a host into the tables of MACs and addresses, as the newest.
func (ix *Index) link(id ID) (found conflict, other ID) {
	e := &ix.entries[id]
	if e.flags&flagMAC != 0 {
		tag := ix.tagMAC(e.mac)
		if e.olderMAC = ix.FindMAC(e.mac); e.olderMAC == 0 {
			ix.byMAC.insert(tag, id)
		} else {
			ix.byMAC.replace(tag, e.olderMAC, id)
			if o := &ix.entries[e.olderMAC]; e.flags&o.flags&flagAddr != 0 && [8]byte(o.addr[:]) == [8]byte(e.addr[:]) {
				found, other = found|sharedMAC, e.olderMAC
			}
		}
	}
	if e.flags&flagAddr != 0 {
		tag := ix.tagAddr(&e.addr)
		if e.olderAddr = ix.findFirst(&e.addr); e.olderAddr == 0 {
			ix.byAddr.insert(tag, id)
		} else {
			ix.byAddr.replace(tag, e.olderAddr, id)
			found, other = found|sharedAddr, e.olderAddr
		}
	}
	return found, other
}

// remove takes a host out.
func (ix *Index) remove(id ID) {
	e := &ix.entries[id]
	ix.byName.remove(ix.tagName(string(ix.name(id))), id)
	if e.flags&flagMAC != 0 {
		tag := ix.tagMAC(e.mac)
		switch newest := ix.FindMAC(e.mac); {
		case newest != id:
			for newest != 0 && ix.entries[newest].olderMAC != id {
				newest = ix.entries[newest].olderMAC
			}
			ix.entries[newest].olderMAC = e.olderMAC
		case e.olderMAC != 0:
			ix.byMAC.replace(tag, id, e.olderMAC)
		default:
			ix.byMAC.remove(tag, id)
		}
	}
	if e.flags&flagAddr != 0 {
		ix.unlinkAddr(id, e)
	}
	if e.flags&flagRare != 0 {
		ix.removeRare(id)
	}
	ix.sets.drop(e.set)
	ix.unused += int(e.nameLen)
	*e = entry{}
	ix.dead++
	ix.live--
}

func (ix *Index) unlinkAddr(id ID, e *entry) {
	tag := ix.tagAddr(&e.addr)
	switch newest := ix.findFirst(&e.addr); {
	case newest != id:
		for newest != 0 && ix.entries[newest].olderAddr != id {
			newest = ix.entries[newest].olderAddr
		}
		ix.entries[newest].olderAddr = e.olderAddr
	case e.olderAddr != 0:
		ix.byAddr.replace(tag, id, e.olderAddr)
	default:
		ix.byAddr.remove(tag, id)
	}
}

func (ix *Index) removeRare(id ID) {
	h := ix.rare[id]
	delete(ix.rare, id)
	for a := range moreAddresses(h) {
		removeID(ix.more, a, id)
	}
	for key := range rareKeys(h) {
		removeID(ix.keys, key, id)
	}
}

// removeID takes id out of the list under key.
func removeID[K comparable](lists map[K][]ID, key K, id ID) {
	left := slices.DeleteFunc(lists[key], func(o ID) bool { return o == id })
	if len(left) == 0 {
		delete(lists, key)
	} else {
		lists[key] = left
	}
}

// allocate makes room for an entry, behind all others: the order of IDs is that of age, and must stay so.
func (ix *Index) allocate() ID {
	ix.entries = append(ix.entries, entry{})
	return ID(len(ix.entries) - 1)
}

// crowded reports whether so much of the index is garbage that it should be copied.
func (ix *Index) crowded() bool {
	return ix.dead > 4096 && ix.dead > ix.live || ix.unused > 1<<20 && ix.unused > len(ix.names)/2
}

// compact returns a copy without garbage, in the same order.
func (ix *Index) compact() *Index {
	c := newIndex(ix.live)
	c.duid = ix.duid
	c.sets.groups = ix.sets.groups
	for id := range ix.All() {
		h := ix.Host(id)
		c.put(&h)
	}
	return c
}

// Check returns what is wrong with the index itself, nil if nothing is: tests call it after every change.
func (ix *Index) Check() (wrong []error) {
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf("leases: "+format, args...)) }
	live := 0
	for id := range ix.All() {
		live++
		e := &ix.entries[id]
		if got := ix.FindName(ix.Name(id)); got != id {
			bad("host %q is %d, found by name is %d", ix.Name(id), id, got)
		}
		if e.flags&flagMAC != 0 && !ix.reaches(ix.FindMAC(e.mac), id, ix.NextMAC) {
			bad("host %q is not found by its MAC %v", ix.Name(id), macOf(e.mac))
		}
		if e.flags&flagAddr != 0 && !ix.reaches(ix.findFirst(&e.addr), id, func(o ID) ID { return ix.entries[o].olderAddr }) {
			bad("host %q is not found by its address %x", ix.Name(id), e.addr)
		}
		if (ix.rare[id] != nil) != (e.flags&flagRare != 0) {
			bad("host %q: rare %v, flags %x", ix.Name(id), ix.rare[id], e.flags)
		}
		if h := ix.rare[id]; h != nil {
			for key := range rareKeys(h) {
				if !slices.Contains(ix.keys[key], id) {
					bad("host %q is not found by its key %q", h.Name, key)
				}
			}
		}
		if e.set != 0 && ix.sets.all[e.set].refs == 0 {
			bad("host %q uses set %d, which nobody uses", ix.Name(id), e.set)
		}
	}
	if live != ix.live || live+ix.dead+1 != len(ix.entries) || ix.byName.used != live {
		bad("%d hosts, counted %d, %d dead of %d entries, %d names", live, ix.live, ix.dead, len(ix.entries), ix.byName.used)
	}
	return wrong
}

// reaches reports whether id is in the chain that begins at from, and whether that chain ends.
func (ix *Index) reaches(from, id ID, next func(ID) ID) (found bool) {
	for n := 0; from != 0 && n <= len(ix.entries); n++ {
		found = found || from == id
		from = next(from)
	}
	return found && from == 0
}
