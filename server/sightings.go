package server

import (
	"sort"
	"sync"
	"time"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/server/wire"
)

// Kind says what is worth remembering about a client.
type Kind uint8

const (
	UnknownClient    Kind = iota + 1 // it has no lease on its link
	IdentityMismatch                 // its DUID claims another MAC than its NIC has
)

// String names the kind as it appears in logs.
func (k Kind) String() string {
	if k == IdentityMismatch {
		return "identity mismatch"
	}
	return "unknown client"
}

// Sighting is one client that an operator may want to know about.
type Sighting struct {
	Kind        Kind
	MAC         leases.MAC // zero if no source told one
	Claimed     leases.MAC // IdentityMismatch: the MAC in its DUID
	DUID        []byte     // of its last message
	Link        string
	First, Last time.Time
	Count       uint64 // messages
}

const (
	sightSets = 128
	sightWays = 8 // sightSets × sightWays clients are remembered by each worker
)

// sightings is a worker's bounded memory of such clients: a hash table of small sets, in each of which the client not
// seen for longest makes room. Nothing is allocated after the start, whoever floods us with MACs.
type sightings struct {
	// mu is held by the worker for one entry at a time, and only for clients that are not served as they should be;
	// it gives up rather than wait for a reader.
	mu   sync.Mutex
	sets [sightSets][sightWays]sighting
}

type sighting struct {
	kind         Kind
	mac, claimed leases.MAC
	link         string
	duidLen      uint8
	duid         [wire.MaxDUID]byte
	first, last  int64 // Unix nanoseconds
	count        uint64
}

// note remembers what an outcome says about its client.
func (s *sightings) note(kind Kind, out *outcome, duid []byte, now int64) {
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	link := ""
	if out.link != nil {
		link = out.link.name
	}
	e := s.slot(kind, out, link, duid)
	if e.count == 0 {
		e.kind, e.mac, e.link, e.first = kind, out.mac, link, now
	}
	e.claimed = out.claimed
	e.duidLen = uint8(copy(e.duid[:], duid))
	e.last = now
	e.count++
}

// slot finds the client's entry, or empties the one to be given up for it. Clients without a MAC are told apart by DUID.
func (s *sightings) slot(kind Kind, out *outcome, link string, duid []byte) *sighting {
	h := (out.mac.Key() + uint64(kind)) * 0x9e3779b97f4a7c15
	if !out.hasMAC {
		for _, c := range duid {
			h = (h ^ uint64(c)) * 0x100000001b3
		}
	}
	set := &s.sets[h>>32%sightSets]
	oldest := &set[0]
	for i := range set {
		e := &set[i]
		if e.count != 0 && e.kind == kind && e.mac == out.mac && e.link == link &&
			(out.hasMAC || string(e.duid[:e.duidLen]) == string(duid)) {
			return e
		}
		if e.last < oldest.last {
			oldest = e
		}
	}
	*oldest = sighting{}
	return oldest
}

// each calls fn for every entry.
func (s *sightings) each(fn func(*sighting)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.sets {
		for j := range s.sets[i] {
			if e := &s.sets[i][j]; e.count != 0 {
				fn(e)
			}
		}
	}
}

func (e *sighting) export() Sighting {
	return Sighting{
		Kind: e.kind, MAC: e.mac, Claimed: e.claimed, Link: e.link,
		DUID:  append([]byte(nil), e.duid[:e.duidLen]...),
		First: time.Unix(0, e.first), Last: time.Unix(0, e.last), Count: e.count,
	}
}

// sightingKey tells clients apart: by MAC on a link, and those without a MAC by DUID.
type sightingKey struct {
	kind Kind
	mac  leases.MAC
	link string
	duid string
}

func (s *Sighting) key() sightingKey {
	k := sightingKey{kind: s.Kind, mac: s.MAC, link: s.Link}
	if s.MAC == (leases.MAC{}) {
		k.duid = string(s.DUID)
	}
	return k
}

// mergeSightings joins what several workers saw of one client and puts the latest first.
func mergeSightings(all []Sighting) []Sighting {
	at := make(map[sightingKey]int)
	merged := all[:0:0]
	for _, s := range all {
		k := s.key()
		i, seen := at[k]
		if !seen {
			at[k] = len(merged)
			merged = append(merged, s)
			continue
		}
		m := &merged[i]
		m.Count += s.Count
		if s.First.Before(m.First) {
			m.First = s.First
		}
		if s.Last.After(m.Last) {
			m.Last, m.DUID, m.Claimed = s.Last, s.DUID, s.Claimed
		}
	}
	sort.SliceStable(merged, func(i, j int) bool { return merged[i].Last.After(merged[j].Last) })
	return merged
}
