package omapi

// objectKind says what a handle stands for.
type objectKind uint8

const (
	hostKind objectKind = iota + 1
	groupKind
	keyKind
)

// reference is an object by the name under which it is stored. It stays what it is whatever happens to the object.
type reference struct {
	kind objectKind
	name string
}

// maxHandles is how many objects a connection has in its hands; opening more loses the oldest. They cost some 100
// bytes each.
const maxHandles = 4096

// handles are the numbers that a connection has for objects. They are nobody else's, and none is used twice.
type handles struct {
	last     uint32
	byHandle map[uint32]reference
	byObject map[reference]uint32
}

func newHandles() handles {
	return handles{byHandle: make(map[uint32]reference), byObject: make(map[reference]uint32)}
}

// of returns the handle of an object, a new one if it has none.
func (h *handles) of(r reference) uint32 {
	if n, ok := h.byObject[r]; ok {
		return n
	}
	h.last++
	if old := h.last - maxHandles; h.last > maxHandles && h.byHandle[old].kind != keyKind {
		h.drop(h.byHandle[old])
	}
	h.byHandle[h.last], h.byObject[r] = r, h.last
	return h.last
}

// drop forgets an object that was deleted.
func (h *handles) drop(r reference) {
	if n, ok := h.byObject[r]; ok {
		delete(h.byObject, r)
		delete(h.byHandle, n)
	}
}
