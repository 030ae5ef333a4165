package isc

import (
	"bytes"
	"net/netip"
	"strconv"
)

// appendAddresses reads the addresses of a fixed-address statement behind those in dst: dotted quads as ISC writes
// them, four for an IPv6 address, or IPv6 addresses in their own notation, with commas between them. An IPv4 address
// stays behind all IPv6 addresses, so that these can be told apart by 16 bytes.
func appendAddresses(dst, text []byte) ([]byte, bool) {
	var v4 []byte
	if len(dst)%16 == 4 {
		v4 = bytes.Clone(dst[len(dst)-4:])
		dst = dst[:len(dst)-4]
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return append(dst, v4...), true // «fixed-address ;» is what ISC writes for a value of no bytes
	}
	for part := range bytes.SplitSeq(text, []byte{','}) {
		part = bytes.TrimSpace(part)
		if bytes.IndexByte(part, ':') >= 0 {
			a, err := netip.ParseAddr(string(part))
			if err != nil || a.Zone() != "" {
				return nil, false
			}
			b := a.As16()
			dst = append(dst, b[:]...)
			continue
		}
		var ok bool
		if dst, ok = appendQuad(dst, part); !ok {
			return nil, false
		}
	}
	return append(dst, v4...), true
}

// appendQuad reads one dotted quad. Blanks may stand around its dots, where a line was wrapped.
func appendQuad(dst, text []byte) ([]byte, bool) {
	if f := bytes.Fields(text); len(f) > 1 {
		for i := 1; i < len(f); i++ {
			if last, first := f[i-1][len(f[i-1])-1], f[i][0]; last != '.' && first != '.' {
				return nil, false // two numbers, not one
			}
		}
		text = bytes.Join(f, nil)
	}
	value, digits, dots := 0, 0, 0
	for _, c := range text {
		switch {
		case c >= '0' && c <= '9':
			if value = value*10 + int(c-'0'); value > 255 {
				return nil, false
			}
			digits++
		case c == '.' && digits > 0:
			dst = append(dst, byte(value))
			value, digits, dots = 0, 0, dots+1
		default:
			return nil, false
		}
	}
	if digits == 0 || dots != 3 {
		return nil, false
	}
	return append(dst, byte(value)), true
}

// AppendQuads writes address bytes as ISC does: dotted quads with commas and no blanks between them. ISC drops what is
// left over behind the last four bytes.
func AppendQuads(dst, addresses []byte) []byte {
	for i := 0; i+4 <= len(addresses); i += 4 {
		if i > 0 {
			dst = append(dst, ',')
		}
		for j, b := range addresses[i : i+4] {
			if j > 0 {
				dst = append(dst, '.')
			}
			dst = strconv.AppendUint(dst, uint64(b), 10)
		}
	}
	return dst
}
