package isc

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
)

// newStatement keeps a statement's text, and its name and value if it sets an option or a parameter to a constant.
// Everything else (execute, if, append to what is not known here, expressions over the packet) is text.
func newStatement(text []byte) Statement {
	s := Statement{Text: string(text)}
	if last := text[len(text)-1]; last != '}' {
		s.Text += ";"
	}
	text = stripOutside(text)
	word := string(firstWord(text))
	rest := bytes.TrimSpace(text[len(word):])
	switch word {
	case "supersede", "default":
		name, value, ok := bytes.Cut(rest, []byte{'='})
		if !ok {
			name, value = cutField(rest)
		}
		s.set(string(bytes.TrimSpace(name)), value, ok)
	case "option":
		name, value := cutField(rest)
		value, ok := bytes.CutPrefix(bytes.TrimSpace(value), []byte{'='})
		s.set(string(name), value, ok)
	case "default-lease-time", "max-lease-time", "min-lease-time", "preferred-lifetime":
		s.set("server."+word, rest, false)
	}
	return s
}

// stripOutside removes comments that stand outside strings.
func stripOutside(text []byte) []byte {
	if bytes.IndexByte(text, '#') < 0 {
		return text
	}
	var out []byte
	for c := (cursor{b: text, eof: true}); c.i < len(c.b); c.i++ {
		switch c.b[c.i] {
		case '"':
			begin := c.i
			c.quoted()
			out = append(out, c.b[begin:min(c.i+1, len(c.b))]...)
		case '#':
			n := bytes.IndexByte(c.b[c.i:], '\n')
			if n < 0 {
				return out
			}
			c.i += n
			out = append(out, '\n')
		default:
			out = append(out, c.b[c.i])
		}
	}
	return out
}

func cutField(b []byte) (field, rest []byte) {
	if n := bytes.IndexAny(b, " \t\r\n="); n >= 0 {
		return b[:n], b[n:]
	}
	return b, nil
}

// set gives the statement its name, and its value in wire format if that can be told from the text alone. Behind an
// equals sign stands an expression, in which «10» is one hexadecimal byte; elsewhere it is a number.
func (s *Statement) set(name string, text []byte, expression bool) {
	text = bytes.TrimSpace(text)
	s.Name = name
	if expression {
		if value, ok := evaluate(text); ok {
			s.Value = value
			return
		}
	}
	if value, ok := typedValue(name, text); ok {
		s.Value = value
	}
}

// typedValue reads a value as the type of its option demands; hexadecimal bytes, concat() and strings are the same for
// every option, and the only ones for options of unknown type.
func typedValue(name string, text []byte) ([]byte, bool) {
	switch form := formOf(name); form {
	case formAddresses:
		if value, ok := addressList(text); ok {
			return value, true
		}
	case formDomains:
		if value, ok := domainList(text); ok {
			return value, true
		}
	case formBytes:
		if !strings.HasPrefix(name, "dhcp6.") && !bytes.ContainsAny(text, ":\"(") {
			return nil, false // a number of an option that we do not know the type of
		}
	case formUint8, formUint32:
		if n, err := strconv.ParseUint(string(text), 10, 32); err == nil && (form == formUint32 || n < 256) {
			if form == formUint8 {
				return []byte{byte(n)}, true
			}
			return binary.BigEndian.AppendUint32(nil, uint32(n)), true
		}
		if string(text) == "infinite" && form == formUint32 {
			return []byte{255, 255, 255, 255}, true
		}
	}
	return evaluate(text)
}

// evaluate reads a constant: hexadecimal bytes with colons, wrapped or not, a string, or concat() of constants.
func evaluate(text []byte) ([]byte, bool) {
	text = bytes.TrimSpace(text)
	if s, ok := unquote(text); ok {
		return s, true
	}
	if inner, ok := bytes.CutPrefix(text, []byte("concat")); ok {
		inner = bytes.TrimSpace(inner)
		if len(inner) < 2 || inner[0] != '(' || inner[len(inner)-1] != ')' {
			return nil, false
		}
		return concat(inner[1 : len(inner)-1])
	}
	joined := bytes.Join(bytes.Fields(text), nil)
	if bytes.IndexByte(joined, ':') < 0 && len(joined) > 2 {
		return nil, false // a word, not bytes
	}
	value, ok := appendHex(nil, joined)
	return value, ok
}

// concat evaluates the arguments of concat().
func concat(text []byte) (value []byte, ok bool) {
	for len(text) > 0 {
		arg, rest := cutArgument(text)
		v, ok := evaluate(arg)
		if !ok {
			return nil, false
		}
		value, text = append(value, v...), rest
	}
	return value, true
}

// cutArgument splits text at the first comma that stands outside strings and parentheses.
func cutArgument(text []byte) (arg, rest []byte) {
	depth := 0
	for c := (cursor{b: text, eof: true}); c.i < len(c.b); c.i++ {
		switch c.b[c.i] {
		case '"':
			c.quoted()
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				return text[:c.i], text[c.i+1:]
			}
		}
	}
	return text, nil
}

// addressList reads IPv6 addresses in their own notation.
func addressList(text []byte) (value []byte, ok bool) {
	for part := range bytes.SplitSeq(text, []byte{','}) {
		a, err := netip.ParseAddr(string(bytes.TrimSpace(part)))
		if err != nil || !a.Is6() || a.Zone() != "" {
			return nil, false
		}
		value = append(value, a.AsSlice()...)
	}
	return value, true
}

// domainList reads quoted domain names into wire format (RFC 1035 §3.1, uncompressed as RFC 9915 §10 wants them).
func domainList(text []byte) (value []byte, ok bool) {
	for len(text) > 0 {
		arg, rest := cutArgument(text)
		name, ok := unquote(bytes.TrimSpace(arg))
		if !ok || len(name) == 0 || len(name) > 253 || bytes.IndexByte(name, 0) >= 0 {
			return nil, false
		}
		for label := range strings.SplitSeq(strings.TrimSuffix(string(name), "."), ".") {
			if len(label) == 0 || len(label) > 63 {
				return nil, false
			}
			value = append(append(value, byte(len(label))), label...)
		}
		value, text = append(value, 0), rest
	}
	// A string that is wire format already is bytes, not names.
	return value, len(value) > 0
}

// unquote reads a string with ISC's escapes: \ooo, \xhh, \n \r \t \b, and any other character for itself.
func unquote(text []byte) ([]byte, bool) {
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return nil, false
	}
	out := make([]byte, 0, len(text)-2)
	for i := 1; i < len(text)-1; i++ {
		c := text[i]
		if c == '"' {
			return nil, false // two strings, not one
		}
		if c != '\\' {
			out = append(out, c)
			continue
		}
		if i++; i == len(text)-1 {
			return nil, false // the closing quote is escaped
		}
		value, n := unescape(text[i : len(text)-1])
		out = append(out, value)
		i += n - 1
	}
	return out, true
}

// unescape reads what follows a backslash and returns how many bytes that took.
func unescape(text []byte) (value byte, n int) {
	switch c := text[0]; {
	case c >= '0' && c <= '7':
		v := 0
		for n < 3 && n < len(text) && text[n] >= '0' && text[n] <= '7' {
			v = v<<3 | int(text[n]-'0')
			n++
		}
		return byte(v), n
	case c == 'x' && len(text) >= 3:
		hi, ok1 := hexDigit(text[1])
		lo, ok2 := hexDigit(text[2])
		if ok1 && ok2 {
			return hi<<4 | lo, 3
		}
	case c == 'n':
		return '\n', 1
	case c == 'r':
		return '\r', 1
	case c == 't':
		return '\t', 1
	case c == 'b':
		return '\b', 1
	}
	return text[0], 1
}

// appendQuoted writes a string as ISC does: printable ASCII as it is, quote and backslash escaped, the rest in octal.
func appendQuoted(dst, text []byte) []byte {
	dst = append(dst, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c >= ' ' && c <= '~':
			dst = append(dst, c)
		default:
			dst = append(dst, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		}
	}
	return append(dst, '"')
}
