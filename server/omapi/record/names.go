package record

import (
	"fmt"
	"strings"

	"github.com/lease6/lease6/leases/isc"
)

// escaped begins the stored name of a host whose real name ISC dhcpd could write but not read back: Abiquo's names
// with colons, such as 00:50:56:00:00:18_host. Such names are stored as x--00--50--56--00--00--18_host, which ISC
// reads; clients see only the real one. Behind the prefix «--» is a colon and «-2d» the byte 0x2d.
const escaped = "x--"

// StoredName returns the name under which a host is stored.
func StoredName(name string) string {
	if isc.ISCReadsName(name) && !strings.HasPrefix(name, escaped) {
		return name
	}
	b := []byte(escaped)
	for i := range len(name) {
		switch c := name[i]; {
		case c == ':':
			b = append(b, "--"...)
		case c != '-' && isc.ISCReadsName("x"+string(rune(c))):
			b = append(b, c)
		default:
			b = fmt.Appendf(b, "-%02x", c)
		}
	}
	return string(b)
}

// RealName returns the real name of a host. Names of other origin than StoredName are what they are.
func RealName(stored string) string {
	rest, ok := strings.CutPrefix(stored, escaped)
	if !ok {
		return stored
	}
	var b []byte
	for i := 0; i < len(rest); i++ {
		var c byte
		switch {
		case rest[i] != '-':
			b = append(b, rest[i])
		case strings.HasPrefix(rest[i:], "--"):
			b = append(b, ':')
			i++
		case i+2 < len(rest):
			if _, err := fmt.Sscanf(rest[i+1:i+3], "%02x", &c); err != nil {
				return stored
			}
			b = append(b, c)
			i += 2
		default:
			return stored
		}
	}
	if name := string(b); StoredName(name) == stored {
		return name
	}
	return stored
}
