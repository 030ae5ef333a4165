package isc

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// hardwareTypes are the names that ISC has for ARP hardware types.
var hardwareTypes = []struct {
	name string
	code uint16
}{{"ethernet", Ethernet}, {"token-ring", 6}, {"fddi", 8}, {"infiniband", 32}}

// parseHardware reads «ethernet 52:54:00:00:00:01», «unknown-7 …», also with short or no colons.
func parseHardware(text []byte, dst []byte) (kind uint16, mac []byte, ok bool) {
	f := bytes.Fields(text)
	if len(f) != 2 {
		return 0, nil, false
	}
	name := string(f[0])
	for _, t := range hardwareTypes {
		if t.name == name {
			kind, ok = t.code, true
		}
	}
	if n, found := strings.CutPrefix(name, "unknown-"); found {
		v, err := strconv.ParseUint(n, 10, 16)
		kind, ok = uint16(v), err == nil
	}
	if !ok {
		return 0, nil, false
	}
	mac, ok = appendHex(dst, f[1])
	return kind, mac, ok && len(mac) > 0 && len(mac) <= 20
}

// ParseMAC reads a link-layer address: hexadecimal bytes of one or two digits with colons or hyphens between them, or
// twelve digits without, also in groups of four with dots.
func ParseMAC(text string) ([]byte, error) {
	clean := strings.NewReplacer("-", ":").Replace(text)
	if strings.Count(clean, ".") == 2 && len(clean) == 14 {
		clean = strings.ReplaceAll(clean, ".", "")
	}
	b, ok := appendHex(nil, []byte(clean))
	if !ok || len(b) == 0 {
		return nil, fmt.Errorf("%q is not a MAC: want the form 52:54:00:12:34:56", text)
	}
	return b, nil
}

// appendHex reads «52:54:0:1» or «52540001».
func appendHex(dst, text []byte) ([]byte, bool) {
	if bytes.IndexByte(text, ':') < 0 && len(text) > 2 {
		if len(text)%2 != 0 {
			return dst, false
		}
		for ; len(text) > 0; text = text[2:] {
			hi, ok1 := hexDigit(text[0])
			lo, ok2 := hexDigit(text[1])
			if !ok1 || !ok2 {
				return dst, false
			}
			dst = append(dst, hi<<4|lo)
		}
		return dst, true
	}
	value, digits := byte(0), 0
	for i := 0; i <= len(text); i++ {
		if i == len(text) || text[i] == ':' {
			if digits == 0 || digits > 2 {
				return dst, false
			}
			dst = append(dst, value)
			value, digits = 0, 0
			continue
		}
		d, ok := hexDigit(text[i])
		if !ok {
			return dst, false
		}
		value, digits = value<<4|d, digits+1
	}
	return dst, true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
