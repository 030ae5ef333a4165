package isc

// fastHost reads a host record laid out exactly as ISC lays it out, which nearly all are, without the machinery that
// the others need: it is what makes a million hosts a matter of half a second. It returns the length of the record, or
// 0 for anything else; the general reader then finds out. Both must read the same (TestFastPathAgrees, FuzzScan).
func (s *Scanner) fastHost(b []byte) int {
	rest, ok := cut(b, "host ")
	if !ok {
		return 0
	}
	n := 0
	for n < len(rest) && (isWord(rest[n]) || rest[n] == '.' || rest[n] == ':') {
		n++
	}
	name := rest[:n]
	if rest, ok = cut(rest[n:], " {\n  dynamic;\n"); !ok || n == 0 {
		return 0
	}
	s.host = Host{Pos: s.pos, Dynamic: true}
	if tail, ok := cut(rest, "  deleted;\n}\n"); ok {
		s.host.Name, s.host.Deleted = string(name), true
		return len(b) - len(tail) - 1
	}
	if rest, ok = cut(rest, "  hardware ethernet "); !ok {
		return 0
	}
	mac, rest, ok := fastMAC(s.hardware[:0], rest)
	if !ok {
		return 0
	}
	s.hardware = mac
	if rest, ok = cut(rest, ";\n  fixed-address "); !ok {
		return 0
	}
	addresses, rest, ok := fastQuads(s.addresses[:0], rest)
	if !ok || len(addresses)%16 != 0 && len(addresses) != 4 {
		return 0 // odd lengths want a diagnostic
	}
	s.addresses = addresses
	if rest, ok = cut(rest, ";\n}\n"); !ok {
		return 0
	}
	s.host.Name, s.host.HardwareType = string(name), Ethernet
	s.host.Hardware, s.host.Addresses = mac, addresses
	return len(b) - len(rest) - 1 // without the line's end, like every record
}

func cut(b []byte, prefix string) ([]byte, bool) {
	if len(b) < len(prefix) || string(b[:len(prefix)]) != prefix {
		return nil, false
	}
	return b[len(prefix):], true
}

// fastMAC reads six bytes of two digits.
func fastMAC(dst, b []byte) (mac, rest []byte, ok bool) {
	if len(b) < 17 {
		return dst, nil, false
	}
	for i := 0; i < 17; i += 3 {
		hi, ok1 := hexDigit(b[i])
		lo, ok2 := hexDigit(b[i+1])
		if !ok1 || !ok2 || i < 15 && b[i+2] != ':' {
			return dst, nil, false
		}
		dst = append(dst, hi<<4|lo)
	}
	return dst, b[17:], true
}

// fastQuads reads dotted quads up to a semicolon.
func fastQuads(dst, b []byte) (addresses, rest []byte, ok bool) {
	value, digits := 0, 0
	for i, c := range b {
		switch {
		case c >= '0' && c <= '9':
			if value = value*10 + int(c-'0'); value > 255 {
				return dst, nil, false
			}
			digits++
			continue
		case digits == 0:
			return dst, nil, false
		}
		dst = append(dst, byte(value))
		value, digits = 0, 0
		switch whole := len(dst)%4 == 0; {
		case c == '.' && !whole, c == ',' && whole:
		case c == ';' && whole:
			return dst, b[i:], true
		default:
			return dst, nil, false
		}
	}
	return dst, nil, false
}
