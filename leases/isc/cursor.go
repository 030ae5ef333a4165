package isc

import (
	"bytes"
	"strings"
)

// cursor walks over the bytes of one record. When it comes to the end of bytes that are not the end of the file it
// sets more, and whatever it returned has no meaning.
type cursor struct {
	b        []byte
	i        int
	eof      bool // the file ends with b
	more     bool // ran into the end of b, and the file goes on
	problems []problem
}

// problem is a diagnostic whose place is still an offset into the record.
type problem struct {
	at                      int
	severity                Severity
	code, host, found, done string
}

func (c *cursor) problem(at int, sev Severity, code, host, found, done string) {
	c.problems = append(c.problems, problem{at, sev, code, host, found, done})
}

// atEnd reports whether there is nothing to read at the cursor, and notes whether more is needed to know.
func (c *cursor) atEnd() bool {
	if c.i < len(c.b) {
		return false
	}
	c.more = c.more || !c.eof
	return true
}

// space passes over blanks, comments and NULs. File systems leave runs of NULs where a crash cut an append.
func (c *cursor) space() {
	for c.i < len(c.b) {
		switch c.b[c.i] {
		case ' ', '\t', '\n', '\r', '\f', '\v':
			c.i++
		case 0:
			begin := c.i
			for c.i < len(c.b) && c.b[c.i] == 0 {
				c.i++
			}
			if c.i == len(c.b) && !c.eof {
				c.i, c.more = begin, true // one run is one problem, however it is read
				return
			}
			c.problem(begin, Warning, "nul-bytes", "", "a run of NUL bytes", "ignored")
		case '#':
			n := bytes.IndexByte(c.b[c.i:], '\n')
			if n < 0 && !c.eof {
				c.more = true // stay at the comment until it is whole
				return
			}
			if n < 0 {
				n = len(c.b) - c.i - 1
			}
			c.i += n + 1
		default:
			return
		}
	}
}

// word returns the keyword at the cursor without moving.
func (c *cursor) word() []byte {
	n := c.i
	for n < len(c.b) && isWord(c.b[n]) {
		n++
	}
	if n == len(c.b) && !c.eof {
		c.more = true
	}
	return c.b[c.i:n]
}

func isWord(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '_'
}

// ending says how a statement ended.
type ending uint8

const (
	endSemicolon ending = iota + 1
	endBlock            // with the closing brace of its own block
	endBrace            // before the brace that closes the record around it: its semicolon is missing
	endLine             // at the end of a line, because the next line begins another: its semicolon is missing
	endRecord           // where another record begins
	endFile             // with the file
)

// statement reads to the end of the statement at the cursor and passes over it, its semicolon or closing brace included.
// The text it returns is without semicolon. Where the end is not where it should be, ending tells what was met instead;
// the cursor then stands there.
func (c *cursor) statement() (text []byte, _ ending) {
	begin, depth := c.i, 0
	for ; c.i < len(c.b); c.i++ {
		switch ch := c.b[c.i]; ch {
		case '"':
			c.quoted()
		case '#':
			if n := bytes.IndexByte(c.b[c.i:], '\n'); n >= 0 {
				c.i += n - 1
			} else {
				c.i = len(c.b) - 1
			}
		case ';':
			if depth == 0 {
				c.i++
				return c.b[begin : c.i-1], endSemicolon
			}
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return c.b[begin:c.i], endBrace
			}
			if depth--; depth == 0 && !c.elseFollows() {
				c.i++
				return c.b[begin:c.i], endBlock
			}
		case '\n':
			if depth == 0 && c.i > begin && startsStatement(c.b[c.i+1:]) {
				return c.b[begin:c.i], endLine
			}
		case 'h', 'g', 'i', 'l', 's':
			if c.i > begin && !isWord(c.b[c.i-1]) && c.startsRecord() {
				return c.b[begin:c.i], endRecord
			}
		}
	}
	c.atEnd()
	return c.b[begin:], endFile
}

// quoted moves to the closing quote of the string at the cursor. ISC writes no string over two lines, so a line's end
// ends a string that was cut.
func (c *cursor) quoted() {
	for c.i++; c.i < len(c.b); c.i++ {
		switch c.b[c.i] {
		case '\\':
			c.i++
		case '"':
			return
		case '\n':
			c.i--
			return
		}
	}
	c.i = len(c.b) - 1
}

// elseFollows reports whether the block that closes at the cursor is continued.
func (c *cursor) elseFollows() bool {
	rest := bytes.TrimLeft(c.b[c.i+1:], " \t\r\n")
	return bytes.HasPrefix(rest, []byte("else")) || bytes.HasPrefix(rest, []byte("elsif"))
}

// startsStatement reports whether a line begins with a statement that hosts have. It tells a missing semicolon from a
// statement that goes on on the next line.
func startsStatement(line []byte) bool {
	line = bytes.TrimLeft(line, " \t")
	for _, w := range []string{
		"dynamic", "deleted", "hardware", "fixed-address", "fixed-address6", "uid", "group", "supersede", "option",
	} {
		if len(line) > len(w) && string(line[:len(w)]) == w && strings.IndexByte(" \t;", line[len(w)]) >= 0 {
			return true
		}
	}
	return false
}

// recordWords begin a record: the last one a record of one line, the others one with a block.
var recordWords = [...]string{"host", "group", "ia-na", "ia-ta", "ia-pd", "lease", "server-duid"}

// longestHead is how much of a line is looked at to tell a record's head.
const longestHead = 2048

// startsRecord reports whether a whole record head, such as «host vm-5 {», stands at the cursor. It is how the reader
// finds its way again in a damaged file, so it must not fire inside a sound statement: «group "g";» has no brace. Of a
// line that goes on behind the bytes there are nothing can be said: then more is set.
func (c *cursor) startsRecord() bool {
	line := c.b[c.i:min(len(c.b), c.i+longestHead)]
	if n := bytes.IndexByte(line, '\n'); n >= 0 {
		line = line[:n]
	} else if !c.eof && len(line) < longestHead && couldStartRecord(line) {
		c.more = true
		return false
	}
	for _, w := range recordWords {
		rest, ok := bytes.CutPrefix(line, []byte(w))
		if !ok || len(rest) == 0 || rest[0] != ' ' && rest[0] != '\t' {
			continue
		}
		if w == "server-duid" {
			return bytes.IndexByte(rest, ';') > 1
		}
		return headEnds(rest)
	}
	return false
}

// couldStartRecord reports whether a line that is not yet whole may become a record's head.
func couldStartRecord(line []byte) bool {
	for _, w := range recordWords {
		n := min(len(w), len(line))
		if string(line[:n]) == w[:n] && (len(line) <= len(w) || line[len(w)] == ' ' || line[len(w)] == '\t') {
			return true
		}
	}
	return false
}

// headEnds reports whether a name and an opening brace stand in rest.
func headEnds(rest []byte) bool {
	name := false
	for c := (cursor{b: rest, eof: true}); c.i < len(c.b); c.i++ {
		switch c.b[c.i] {
		case '"':
			c.quoted()
			name = true
		case '{':
			return name
		case ';', '}', '=', ',':
			return false
		case ' ', '\t', '\r':
		default:
			name = true
		}
	}
	return false
}

// verbatim passes over a record that is kept as text.
func (c *cursor) verbatim(word string) Kind {
	begin := c.i
	c.i += len(word)
	switch _, ending := c.statement(); {
	case c.more:
		return 0
	case ending == endSemicolon || ending == endBlock:
		return KindVerbatim
	case ending == endBrace:
		c.i++
	}
	c.problem(begin, Error, "torn-record", "", "a record "+word+" that does not end", "left out; it is not served anyway")
	return 0
}

// garbage passes over what is no record: a statement of its own line is kept as it is, anything else is skipped up to
// the next record.
func (c *cursor) garbage() Kind {
	begin := c.i
	if c.b[c.i] == '}' {
		c.i++
		c.problem(begin, Warning, "stray-brace", "", "a closing brace without a record", "ignored")
		return 0
	}
	line := c.b[c.i:]
	if n := bytes.IndexByte(line, '\n'); n >= 0 {
		line = line[:n]
	} else if !c.eof {
		c.more = true
		return 0
	}
	line = bytes.TrimRight(line, " \t\r")
	if isWord(line[0]) && line[len(line)-1] == ';' && bytes.IndexByte(line, ';') == len(line)-1 && isPrintable(line) {
		c.i += len(line)
		c.problem(begin, Warning, "unknown-statement", "", "statement "+quote(line), "kept as it is, not executed")
		return KindVerbatim
	}
	for c.i++; c.i < len(c.b); c.i++ {
		if !isWord(c.b[c.i-1]) && c.startsRecord() {
			break
		}
	}
	if c.atEnd() && c.more {
		return 0
	}
	c.problem(begin, Error, "garbage", "", quote(bytes.TrimSpace(c.b[begin:c.i])), "skipped up to the next record")
	return 0
}

func isPrintable(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c > '~' {
			return false
		}
	}
	return true
}
