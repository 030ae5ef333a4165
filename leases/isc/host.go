package isc

import (
	"bytes"
	"fmt"
	"strconv"
)

// hostRecord reads «host NAME { … }», however it is laid out and as far as it is sound.
func (s *Scanner) hostRecord(c *cursor) Kind {
	begin := c.i
	c.i += len("host")
	name, ok := c.head("host")
	if c.more {
		return 0
	}
	if !ok {
		return c.headless(begin, "host")
	}
	p := s.position(begin)
	s.host = Host{Name: name, Pos: p, Hardware: s.hardware[:0], Addresses: s.addresses[:0], UID: s.uid[:0]}
	h := &s.host
	end := c.body(name, func(text []byte, at int, sound bool) { s.hostStatement(c, h, text, at, sound) })
	if c.more {
		return 0
	}
	s.judge(c, h, begin, end)
	s.hardware, s.addresses, s.uid = h.Hardware, h.Addresses, h.UID
	if len(h.Hardware) == 0 {
		h.Hardware = nil
	}
	if len(h.Addresses) == 0 {
		h.Addresses = nil
	}
	if len(h.UID) == 0 {
		h.UID = nil
	}
	return KindHost
}

func (s *Scanner) groupRecord(c *cursor) Kind {
	begin := c.i
	c.i += len("group")
	name, ok := c.head("group")
	if c.more {
		return 0
	}
	if !ok {
		return c.headless(begin, "group")
	}
	s.group = Group{Name: name, Pos: s.position(begin)}
	g := &s.group
	c.body(name, func(text []byte, at int, sound bool) {
		switch word := string(firstWord(text)); {
		case !sound, !wholeStrings(text):
			c.problem(at, Error, "torn-statement", name, "group statement "+quote(text)+" without its end", "left out")
		case word == "dynamic":
		case word == "deleted":
			g.Deleted = true
		default:
			g.Statements = append(g.Statements, newStatement(text))
		}
	})
	if c.more {
		return 0
	}
	return KindGroup
}

// headless passes over a record keyword that no name and brace follow.
func (c *cursor) headless(begin int, word string) Kind {
	for c.i < len(c.b) && (c.i == begin || isWord(c.b[c.i-1]) || !c.startsRecord()) {
		c.i++
	}
	if c.atEnd() && c.more {
		return 0
	}
	c.problem(begin, Error, "torn-record", "", quote(c.b[begin:min(c.i, begin+40)])+", a "+word+" cut in its name", "left out")
	return 0
}

// head reads a record's name and opening brace. ISC writes names raw, whatever they contain, so the whole line up to
// a brace at its end is the name: «host a b {», «host semi;colon {», «host 00:50:56:00:00:18_host {». Only where the
// line goes on behind the brace does the name end at the first blank.
func (c *cursor) head(word string) (name string, ok bool) {
	line := c.b[c.i:]
	if n := bytes.IndexByte(line, '\n'); n >= 0 {
		line = line[:n]
	} else if !c.eof {
		c.more = true
		return "", false
	}
	if len(line) == 0 || line[0] != ' ' && line[0] != '\t' {
		return "", false
	}
	trimmed := bytes.TrimRight(line, " \t\r")
	if n := len(trimmed); n > 1 && trimmed[n-1] == '{' && bytes.IndexByte(trimmed, '}') < 0 {
		raw := bytes.Trim(trimmed[:n-1], " \t")
		if text, ok := unquote(raw); ok {
			raw = text
		}
		if len(raw) > 0 {
			c.i += n
			return string(raw), true
		}
	}
	return c.tokenHead(word, line)
}

// tokenHead reads a name that ends at a blank or brace, and the brace, which may stand on a later line or be missing.
func (c *cursor) tokenHead(word string, line []byte) (name string, ok bool) {
	rest := bytes.TrimLeft(line, " \t")
	c.i += len(line) - len(rest)
	n := bytes.IndexAny(rest, " \t\r{;}")
	if len(rest) > 0 && rest[0] == '"' {
		q := cursor{b: rest, eof: true}
		q.quoted()
		n = q.i + 1
	}
	if n < 0 {
		n = len(rest)
	}
	raw := rest[:n]
	if text, ok := unquote(raw); ok {
		raw = text
	}
	if len(raw) == 0 || raw[0] == '"' {
		return "", false
	}
	begin := c.i
	c.i += n
	c.space()
	if c.atEnd() {
		return "", false
	}
	if c.b[c.i] == '{' {
		c.i++
		return string(raw), true
	}
	if startsStatement(c.b[c.i:]) {
		c.problem(begin, Warning, "missing-brace", string(raw), "no opening brace behind the name of the "+word, "read as if it were there")
		return string(raw), true
	}
	return "", false
}

// bodyEnd says how a record ended.
type bodyEnd uint8

const (
	bodyWhole bodyEnd = iota + 1 // with its closing brace
	bodyOpen                     // between two statements, without a closing brace
	bodyTorn                     // within a statement
)

// body reads statements up to the record's closing brace and hands each to take, with its offset and whether its end
// was where it should be.
func (c *cursor) body(name string, take func(text []byte, at int, sound bool)) bodyEnd {
	for {
		c.space()
		begin := c.i
		switch {
		case c.more, c.atEnd():
			return bodyOpen
		case c.b[c.i] == '}':
			c.i++
			return bodyWhole
		case c.b[c.i] == ';':
			c.i++
			continue
		case c.startsRecord():
			return bodyOpen
		}
		text, end := c.statement()
		if c.more {
			return bodyTorn
		}
		text = bytes.TrimRight(text, " \t\r\n")
		switch end {
		case endSemicolon, endBlock:
			take(text, begin, true)
		case endLine, endBrace:
			c.problem(begin, Warning, "missing-semicolon", name, "no semicolon behind "+quote(text), "read as if it were there")
			take(text, begin, true)
		default:
			take(text, begin, false)
			return bodyTorn
		}
	}
}

// judge says what is left of a host that did not end as it should, and what cannot be served of one that did.
func (s *Scanner) judge(c *cursor, h *Host, begin int, end bodyEnd) {
	switch complete := h.Deleted || len(h.Hardware) > 0 && len(h.Addresses) > 0; {
	case end == bodyTorn:
		h.Damaged = true
	case end == bodyOpen && complete:
		c.problem(c.i, Warning, "missing-brace", h.Name, "no closing brace", "read as if it were there")
	case end == bodyOpen:
		h.Damaged = true
		c.problem(begin, Error, "torn-record", h.Name, "the record was cut before its address", "left out")
	}
	if n := len(h.Hardware); h.HardwareType == Ethernet && n > 0 && n != 6 {
		c.problem(begin, Warning, "odd-hardware", h.Name, fmt.Sprintf("an Ethernet address of %d bytes", n), "kept, not served")
	}
	switch n := len(h.Addresses); {
	case n%16 == 0 || n == 4:
	case n < 16:
		c.problem(begin, Warning, "odd-address", h.Name, fmt.Sprintf("an address of %d bytes", n), "kept, not served")
	default:
		c.problem(begin, Warning, "odd-address", h.Name, fmt.Sprintf("%d bytes of addresses", n), "all kept, every whole 16 bytes served")
	}
}

// hostStatement takes one statement of a host. What was cut is not guessed at.
func (s *Scanner) hostStatement(c *cursor, h *Host, text []byte, at int, sound bool) {
	if !sound {
		c.problem(at, Error, "torn-statement", h.Name, quote(text)+", a statement without its end", "left out")
		return
	}
	word := firstWord(text)
	rest := bytes.TrimLeft(text[len(word):], " \t\r\n")
	bad := func(code, done string) {
		h.Damaged = true
		c.problem(at, Error, code, h.Name, quote(text), done)
	}
	switch string(word) {
	case "dynamic":
		h.Dynamic = true
	case "deleted":
		h.Deleted = true
	case "hardware":
		t, mac, ok := parseHardware(stripComments(rest), h.Hardware[:0])
		if !ok {
			bad("bad-hardware", "the host has no MAC and is not served")
			return
		}
		h.HardwareType, h.Hardware = t, mac
	case "fixed-address", "fixed-address6":
		all, ok := appendAddresses(h.Addresses, stripComments(rest))
		if !ok {
			bad("bad-address", "this address is not served")
			return
		}
		h.Addresses = all
	case "uid":
		value, ok := evaluate(rest)
		if !ok {
			bad("bad-uid", "the host has no client identifier")
			return
		}
		h.UID = append(h.UID[:0], value...)
	case "group":
		name, ok := unquote(rest)
		if !ok {
			name = rest
		}
		h.Group = string(name)
	default:
		if !wholeStrings(text) {
			bad("torn-string", "left out")
			return
		}
		h.Statements = append(h.Statements, newStatement(text))
	}
}

// wholeStrings reports whether every string that a statement begins also ends.
func wholeStrings(text []byte) bool {
	for c := (cursor{b: text, eof: true}); c.i < len(c.b); c.i++ {
		switch c.b[c.i] {
		case '"':
			begin := c.i
			if c.quoted(); c.i == begin || c.i >= len(c.b) || c.b[c.i] != '"' {
				return false
			}
		case '#':
			n := bytes.IndexByte(c.b[c.i:], '\n')
			if n < 0 {
				return false // its end would be taken for part of the comment
			}
			c.i += n
		}
	}
	return true
}

func firstWord(text []byte) []byte {
	n := 0
	for n < len(text) && isWord(text[n]) {
		n++
	}
	return text[:n]
}

// stripComments removes comments from a statement that has no strings.
func stripComments(text []byte) []byte {
	if bytes.IndexByte(text, '#') < 0 {
		return text
	}
	var out []byte
	for line := range bytes.Lines(text) {
		if n := bytes.IndexByte(line, '#'); n >= 0 {
			line = append(line[:n:n], '\n')
		}
		out = append(out, line...)
	}
	return out
}

// quote shows a piece of a file in a diagnostic: on one line, not too long, without control characters.
func quote(text []byte) string {
	const most = 60
	cut := ""
	if len(text) > most {
		text, cut = text[:most], "…"
	}
	return strconv.QuoteToASCII(string(bytes.Join(bytes.Fields(text), []byte(" ")))) + cut
}
