package leases

import (
	"fmt"
	"io"
	"strings"

	"github.com/lease6/lease6/leases/isc"
)

// LoadOptions are what Load can do without.
type LoadOptions struct {
	File string // name for diagnostics
	Size int64  // of the file in bytes, if known: room is made for its hosts at once
}

// Load reads a lease file into an index of its own. Whatever is wrong with the file is a diagnostic; the error is the
// reader's.
func Load(r io.Reader, o LoadOptions) (*Index, []isc.Diagnostic, error) {
	l := newLoader(o)
	s := isc.NewScanner(r, isc.Options{File: o.File})
	err := l.read(s)
	return l.finish(), l.diagnostics, err
}

// hostBytes is about the size of a host's record as Abiquo and ISC write it.
const hostBytes = 126

// loader builds an index from records.
type loader struct {
	ix          *Index
	file        string
	diagnostics []isc.Diagnostic
	deleted     map[string]struct{} // names that were cancelled and did not come back; nil = not remembered
}

func newLoader(o LoadOptions) *loader {
	const most = 64 << 20 // hosts; a sparse file must not take the memory
	return &loader{ix: newIndex(int(min(o.Size/hostBytes, most))), file: o.File}
}

// read takes all records of s.
func (l *loader) read(s *isc.Scanner) error {
	for s.Scan() {
		l.record(recordOf(s))
	}
	l.diagnostics = append(l.diagnostics, s.Diagnostics()...)
	return s.Err()
}

// record is one record that means something to an index.
type record struct {
	kind  isc.Kind
	host  *isc.Host
	group *isc.Group
	duid  []byte
}

// recordOf returns the record that s has found. It is overwritten by the next Scan.
func recordOf(s *isc.Scanner) record {
	return record{kind: s.Kind(), host: s.Host(), group: s.Group(), duid: s.DUID()}
}

// keep makes a record that lasts.
func (r record) keep() record {
	switch r.kind {
	case isc.KindHost:
		r.host = r.host.Clone()
	case isc.KindGroup:
		g := *r.group
		r.group = &g
	}
	return r
}

// record takes a record. It returns what changed, with Kind 0 if nothing did.
func (l *loader) record(r record) Change {
	switch r.kind {
	case isc.KindHost:
		return l.host(r.host)
	case isc.KindGroup:
		l.ix.sets.setGroup(r.group)
	case isc.KindServerDUID:
		l.ix.duid = append([]byte(nil), r.duid...)
	}
	return Change{}
}

func (l *loader) host(h *isc.Host) Change {
	if h.Deleted {
		if l.deleted != nil {
			l.deleted[h.Name] = struct{}{}
		}
		if id := l.ix.FindName(h.Name); id != 0 {
			l.ix.remove(id)
			return Change{Kind: Deleted, Name: strings.Clone(h.Name)}
		}
		return Change{}
	}
	if len(h.Name) > longestName {
		l.warn(h, isc.Error, "long-name", fmt.Sprintf("a name of %d bytes", len(h.Name)), "the host is left out")
		return Change{}
	}
	if h.Damaged && (len(h.Hardware) == 0 || len(h.Addresses) < 16) {
		if l.ix.FindName(h.Name) != 0 {
			l.warn(h, isc.Warning, "earlier-kept", "a damaged record of a host that was there before", "the earlier record stays in force")
		}
		return Change{}
	}
	found, other := l.ix.put(h)
	delete(l.deleted, h.Name)
	if found != 0 {
		l.conflict(h, found, other)
	}
	return Change{Kind: Put, Name: h.Name}
}

// conflict says what a host met.
func (l *loader) conflict(h *isc.Host, found conflict, other ID) {
	if found&replacedName != 0 {
		l.warn(h, isc.Warning, "duplicate-name", "a second record of the name, not deleted in between", "replaces the first")
	}
	if found&sharedMAC != 0 {
		l.warn(h, isc.Warning, "duplicate-mac", fmt.Sprintf("the MAC of host %q, with an address in the same /64", l.ix.Name(other)),
			"both kept, the newer is served")
	}
	if found&sharedAddr != 0 {
		l.warn(h, isc.Warning, "duplicate-address", fmt.Sprintf("the address of host %q", l.ix.Name(other)), "both kept and served")
	}
}

func (l *loader) warn(h *isc.Host, sev isc.Severity, code, found, done string) {
	const most = 10_000 // as the Scanner
	if len(l.diagnostics) < most {
		l.diagnostics = append(l.diagnostics, isc.Diagnostic{
			File: l.file, Pos: h.Pos, Severity: sev, Code: code, Host: strings.Clone(h.Name), Found: found, Done: done,
		})
	}
}

// finish returns the index, without the garbage that a file of many changes leaves behind.
func (l *loader) finish() *Index {
	if l.ix.crowded() {
		l.ix = l.ix.compact()
	}
	l.ix.hugePages()
	return l.ix
}
