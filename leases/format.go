package leases

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/lease6/lease6/leases/isc"
)

// FormatOptions are what Format can do without.
type FormatOptions struct {
	File string // name for diagnostics
	// ISCNames gives hosts whose names ISC dhcpd cannot read back, such as Abiquo's with colons, a name that it can.
	ISCNames bool
}

// Format reads a lease file and writes its canonical text: header, groups, live hosts in the order of the file,
// server-duid once, and the records that are not served (ia-na, IPv4 leases, unknown statements) as they stood. It is
// what ISC dhcpd writes at its start, apart from the order of the hosts.
func Format(w io.Writer, r io.Reader, o FormatOptions) ([]isc.Diagnostic, error) {
	f := formatter{w: w, o: o}
	l := newLoader(LoadOptions{File: o.File})
	s := isc.NewScanner(r, isc.Options{File: o.File})
	for s.Scan() {
		f.keep(s)
		l.record(recordOf(s))
	}
	l.diagnostics = append(l.diagnostics, s.Diagnostics()...)
	if err := s.Err(); err != nil {
		return l.diagnostics, err
	}
	f.write(l)
	if f.err != nil {
		return l.diagnostics, fmt.Errorf("write leases: %w", f.err)
	}
	return l.diagnostics, nil
}

// formatter remembers what is no host.
type formatter struct {
	w   io.Writer
	o   FormatOptions
	err error // the first of w

	head   []string // statements of one line: authoring-byte-order and unknown ones
	blocks []string // ia-na and other records with a block
	groups []isc.Group
	static []string // hosts declared in dhcpd6.conf and deleted over OMAPI; ISC must go on knowing that
}

func (f *formatter) keep(s *isc.Scanner) {
	switch s.Kind() {
	case isc.KindVerbatim:
		text := string(bytes.TrimSpace(s.Text()))
		if strings.HasSuffix(text, "}") {
			f.blocks = append(f.blocks, text)
		} else if !slices.Contains(f.head, text) {
			f.head = append(f.head, text)
		}
	case isc.KindGroup:
		g := *s.Group()
		g.Statements = slices.Clone(g.Statements)
		f.groups = slices.DeleteFunc(f.groups, func(old isc.Group) bool { return old.Name == g.Name })
		if !g.Deleted { // ISC's own parser refuses the deleted form
			f.groups = append(f.groups, g)
		}
	case isc.KindHost:
		h := s.Host()
		f.static = slices.DeleteFunc(f.static, func(name string) bool { return name == h.Name })
		if h.Deleted && !h.Dynamic {
			f.static = append(f.static, strings.Clone(h.Name))
		}
	}
}

const fileHead = `# The format of this file is documented in the dhcpd.leases(5) manual page.
# This lease file was written by lease6

`

func (f *formatter) write(l *loader) {
	f.print(fileHead)
	if len(f.head) > 0 {
		f.print(strings.Join(f.head, "\n") + "\n\n")
	}
	var b []byte
	for i := range f.groups {
		b = isc.AppendGroup(b, &f.groups[i])
	}
	for _, name := range f.static {
		b = isc.AppendHost(b, &isc.Host{Name: name, Deleted: true})
	}
	for id := range l.ix.All() {
		h := l.ix.Host(id)
		f.rename(l, &h)
		if b = isc.AppendHost(b, &h); len(b) > 1<<16 {
			f.print(string(b))
			b = b[:0]
		}
	}
	if l.ix.duid != nil {
		b = isc.AppendServerDUID(b, l.ix.duid)
	}
	f.print(string(b))
	for _, text := range f.blocks {
		f.print(text + "\n\n")
	}
}

func (f *formatter) print(text string) {
	if f.err == nil {
		_, f.err = io.WriteString(f.w, text)
	}
}

// rename gives a host a name that ISC can read, if that is wanted, and tells; or warns that ISC cannot.
func (f *formatter) rename(l *loader, h *isc.Host) {
	if isc.ISCReadsName(h.Name) {
		return
	}
	if !f.o.ISCNames {
		l.warn(h, isc.Warning, "isc-name", "a name that ISC dhcpd writes and cannot read back", "kept; lease6 reads it, ISC would lose the host")
		return
	}
	base := readableName(h.Name)
	name := base
	for n := 2; l.ix.FindName(name) != 0; n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	l.warn(h, isc.Warning, "isc-name", "a name that ISC dhcpd writes and cannot read back", fmt.Sprintf("written as %q", name))
	h.Name = name
}

// readableName replaces what ISC cannot read in a name. Colons go away as Abiquo leaves them away.
func readableName(name string) string {
	const longest = 1000
	clean := strings.Map(func(r rune) rune {
		switch {
		case r == ':':
			return -1
		case r < 0x80 && isc.ISCReadsName("x"+string(r)):
			return r
		}
		return '-'
	}, name)
	clean = clean[:min(len(clean), longest)]
	if !isc.ISCReadsName(clean) {
		clean = "h" + clean
	}
	return clean
}
