package isc

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
)

// Kind says what a record is.
type Kind uint8

const (
	KindHost       Kind = iota + 1
	KindGroup           // statements shared by hosts
	KindServerDUID      // server-duid "…";
	KindVerbatim        // ia-na, ia-ta, ia-pd, IPv4 lease and whatever else is not ours to serve: kept as text
)

// Options are what a Scanner can do without.
type Options struct {
	File  string // name for diagnostics
	Start Pos    // place of the reader's first byte in the file; zero = the beginning
	// Partial says that somebody may still be writing: an incomplete last record is left alone, without a diagnostic,
	// and Tail tells where it begins.
	Partial bool
}

const (
	minBuffer      = 256 << 10
	maxRecord      = 16 << 20 // a longer record is garbage
	maxDiagnostics = 10_000   // kept between two calls of Diagnostics; a file of garbage must not fill the memory
)

// Scanner reads the records of a lease file, one after the other, in a buffer of bounded size.
type Scanner struct {
	r   io.Reader
	o   Options
	buf []byte
	at  int  // first byte of buf not yet consumed
	eof bool // nothing comes behind buf
	err error
	pos Pos // of buf[at]

	kind  Kind
	host  Host
	group Group
	duid  []byte
	text  []byte

	hardware, addresses, uid []byte // memory of host
	diagnostics              []Diagnostic
	suppressed               int
}

// NewScanner returns a Scanner that reads r.
func NewScanner(r io.Reader, o Options) *Scanner {
	if o.Start.Line == 0 {
		o.Start.Line, o.Start.Col = 1, 1
	}
	return &Scanner{r: r, o: o, pos: o.Start}
}

// Kind tells what Scan has found.
func (s *Scanner) Kind() Kind { return s.kind }

// Host returns the host record found by Scan. It is overwritten by the next Scan.
func (s *Scanner) Host() *Host { return &s.host }

// Group returns the group record found by Scan. It is overwritten by the next Scan.
func (s *Scanner) Group() *Group { return &s.group }

// DUID returns the server DUID found by Scan.
func (s *Scanner) DUID() []byte { return s.duid }

// Text returns the record found by Scan, byte for byte. It is overwritten by the next Scan.
func (s *Scanner) Text() []byte { return s.text }

// Tail returns the place behind the last record. With Options.Partial the next Scanner starts there.
func (s *Scanner) Tail() Pos { return s.pos }

// Err returns the first error of the reader, other than io.EOF.
func (s *Scanner) Err() error { return s.err }

// Diagnostics returns what was found wrong since the last call.
func (s *Scanner) Diagnostics() []Diagnostic {
	all := s.diagnostics
	if s.suppressed > 0 {
		all = append(all, Diagnostic{
			File: s.o.File, Pos: s.pos, Severity: Error, Code: "too-many",
			Found: strconv.Itoa(s.suppressed) + " more problems", Done: "not listed",
		})
	}
	s.diagnostics, s.suppressed = nil, 0
	return all
}

func (s *Scanner) report(at int, sev Severity, code, host, found, done string) {
	if len(s.diagnostics) >= maxDiagnostics {
		s.suppressed++
		return
	}
	s.diagnostics = append(s.diagnostics, Diagnostic{
		File: s.o.File, Pos: s.position(at), Severity: sev, Code: code, Host: host, Found: found, Done: done,
	})
}

// position is the place of the byte at offset n behind the one to be read next.
func (s *Scanner) position(n int) Pos {
	p := s.pos
	advance(&p, s.buf[s.at:s.at+n])
	return p
}

// advance moves a place over text.
func advance(p *Pos, text []byte) {
	p.Offset += int64(len(text))
	if lines := bytes.Count(text, []byte{'\n'}); lines > 0 {
		p.Line += lines
		p.Col = len(text) - bytes.LastIndexByte(text, '\n')
		return
	}
	p.Col += len(text)
}

// consume passes over n bytes.
func (s *Scanner) consume(n int) {
	advance(&s.pos, s.buf[s.at:s.at+n])
	s.at += n
}

// fill reads more. It returns false if there is no more, or no room for a longer record.
func (s *Scanner) fill() bool {
	if s.eof {
		return false
	}
	if s.at > 0 {
		s.buf = s.buf[:copy(s.buf, s.buf[s.at:])]
		s.at = 0
	}
	if len(s.buf) == cap(s.buf) {
		least := minBuffer
		if known, ok := s.r.(interface{ Len() int }); ok {
			least = min(least, known.Len()+1) // bytes in memory; one more, to read its end
		}
		grown := make([]byte, len(s.buf), max(least, 2*cap(s.buf)))
		copy(grown, s.buf)
		s.buf = grown
	}
	for range 100 {
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if err != nil {
			s.eof = true
			if err != io.EOF {
				s.err = fmt.Errorf("read leases %s: %w", s.o.File, err)
			}
		}
		if n > 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
	s.eof, s.err = true, fmt.Errorf("read leases %s: %w", s.o.File, io.ErrNoProgress)
	return false
}

// Scan moves to the next record. It returns false at the end of the file.
func (s *Scanner) Scan() bool {
	for {
		b := s.buf[s.at:]
		if n := s.fastHost(b); n > 0 {
			s.found(KindHost, n)
			return true
		}
		// What is partly written has no end yet, so its end is not the end of the file.
		c := cursor{b: b, eof: s.eof && !s.o.Partial}
		kind := s.record(&c)
		if c.more {
			// The record goes on behind the buffer. Begin again with more of it, unless it is absurdly long.
			if len(b) < maxRecord && s.fill() {
				continue
			}
			if len(b) < maxRecord && s.o.Partial {
				break
			}
			c = cursor{b: s.buf[s.at:], eof: true}
			kind = s.record(&c)
		}
		if c.i == 0 {
			break
		}
		s.flush(&c)
		if kind == 0 {
			s.consume(c.i)
			continue
		}
		s.found(kind, c.i)
		return true
	}
	return false
}

// found ends a record of n bytes.
func (s *Scanner) found(kind Kind, n int) {
	s.kind = kind
	s.text = s.buf[s.at : s.at+n]
	s.consume(n)
}

// flush reports what was found wrong on the way of c.
func (s *Scanner) flush(c *cursor) {
	for _, p := range c.problems {
		s.report(p.at, p.severity, p.code, p.host, p.found, p.done)
	}
}

// record reads one record at the cursor; 0 if there was only something to be passed over.
func (s *Scanner) record(c *cursor) Kind {
	if s.pos.Offset == 0 && bytes.HasPrefix(c.b, []byte("\xef\xbb\xbf")) {
		c.i = 3
		c.problem(0, Warning, "byte-order-mark", "", "a UTF-8 byte order mark", "ignored")
		return 0
	}
	c.space()
	if c.i > 0 || c.i == len(c.b) {
		// Space is passed over by itself, so that a record's text and position begin with the record.
		c.more = c.i == 0 && !c.eof
		return 0
	}
	word := c.word()
	if c.more {
		return 0
	}
	switch string(word) {
	case "host":
		return s.hostRecord(c)
	case "group":
		return s.groupRecord(c)
	case "server-duid":
		return s.serverDUID(c)
	case "ia-na", "ia-ta", "ia-pd", "lease", "class", "subclass", "failover", "authoring-byte-order":
		return c.verbatim(string(word))
	}
	return c.garbage()
}

func (s *Scanner) serverDUID(c *cursor) Kind {
	begin := c.i
	c.i += len("server-duid")
	text, ending := c.statement()
	value, ok := evaluate(text)
	switch {
	case c.more:
		return 0
	case ending != endSemicolon || !ok || len(value) == 0:
		c.problem(begin, Error, "bad-server-duid", "", "server-duid "+quote(text), "ignored")
		return 0
	}
	s.duid = value
	return KindServerDUID
}
