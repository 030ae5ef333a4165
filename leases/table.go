package leases

// table is a hash table from a 32-bit tag, part of a key's hash, to IDs. The keys themselves stand in the entries: the
// caller compares. Open addressing with linear probing; a slot holds the tag in its high half and the ID in its low
// half, so that a look-up touches one cache line of the table and then, nearly always, only the right entry, and so
// that growing needs no keys. The zero table is empty.
type table struct {
	slots []uint64 // a power of two of them; 0 = free
	used  int
}

const minSlots = 16

// newTable makes a table with room for n IDs.
func newTable(n int) table {
	size := minSlots
	for size*3 < n*4 {
		size *= 2
	}
	return table{slots: make([]uint64, size)}
}

// next finds the first slot at or behind place whose tag matches, and returns its ID and the place behind it; 0 if
// there is none. A search begins at place tag.
func (t *table) next(place, tag uint32) (ID, uint32) {
	if len(t.slots) == 0 {
		return 0, 0
	}
	for mask := uint32(len(t.slots) - 1); ; place++ {
		s := t.slots[place&mask]
		if s == 0 {
			return 0, 0
		}
		if uint32(s>>32) == tag {
			return ID(s), place + 1
		}
	}
}

// insert adds id under tag.
func (t *table) insert(tag uint32, id ID) {
	if (t.used+1)*4 > len(t.slots)*3 {
		t.grow()
	}
	t.place(uint64(tag)<<32 | uint64(id))
	t.used++
}

func (t *table) place(slot uint64) {
	mask := uint32(len(t.slots) - 1)
	i := uint32(slot>>32) & mask
	for t.slots[i] != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = slot
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]uint64, max(minSlots, 2*len(old)))
	for _, s := range old {
		if s != 0 {
			t.place(s)
		}
	}
}

// find returns the slot of id under tag; it must be there.
func (t *table) find(tag uint32, id ID) uint32 {
	mask := uint32(len(t.slots) - 1)
	want := uint64(tag)<<32 | uint64(id)
	i := tag & mask
	for t.slots[i] != want {
		if t.slots[i] == 0 {
			panic("leases: an ID is missing from its table")
		}
		i = (i + 1) & mask
	}
	return i
}

// replace puts id in the place of old.
func (t *table) replace(tag uint32, old, id ID) {
	t.slots[t.find(tag, old)] = uint64(tag)<<32 | uint64(id)
}

// remove takes id out. Slots behind it move up where that keeps them reachable, so that no tombstones gather.
func (t *table) remove(tag uint32, id ID) {
	mask := uint32(len(t.slots) - 1)
	hole := t.find(tag, id)
	t.used--
	for i := (hole + 1) & mask; t.slots[i] != 0; i = (i + 1) & mask {
		home := uint32(t.slots[i]>>32) & mask
		// The slot may move to the hole unless its home lies behind the hole, on the way to where it is.
		if (i-home)&mask >= (i-hole)&mask {
			t.slots[hole] = t.slots[i]
			hole = i
		}
	}
	t.slots[hole] = 0
}
