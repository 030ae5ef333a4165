package isc

import (
	"strconv"
	"strings"
)

// form is how an option's value is written in a statement.
type form uint8

const (
	formBytes form = iota
	formAddresses
	formDomains
	formUint8
	formUint32
)

// options6 are the DHCPv6 options by the names that ISC gives them (dhcp-options(5), «dhcp6.»).
var options6 = map[string]struct {
	code uint16
	form form
}{
	"preference": {7, formUint8}, "unicast": {12, formAddresses}, "vendor-opts": {17, formBytes},
	"sip-servers-names": {21, formDomains}, "sip-servers-addresses": {22, formAddresses},
	"name-servers": {23, formAddresses}, "domain-search": {24, formDomains},
	"nis-servers": {27, formAddresses}, "nisp-servers": {28, formAddresses},
	"nis-domain-name": {29, formDomains}, "nisp-domain-name": {30, formDomains},
	"sntp-servers": {31, formAddresses}, "info-refresh-time": {32, formUint32},
	"bcms-server-d": {33, formDomains}, "bcms-server-a": {34, formAddresses},
	"geoconf-civic": {36, formBytes}, "pana-agent": {40, formAddresses},
	"new-posix-timezone": {41, formBytes}, "new-tzdb-timezone": {42, formBytes},
	"mip6-hnidf": {49, formDomains}, "mip6-vdinf": {50, formBytes}, "v6-lost": {51, formDomains},
	"capwap-ac-v6": {52, formAddresses}, "ntp-server": {56, formBytes}, "ntp-servers": {56, formBytes},
	"v6-access-domain": {57, formDomains}, "sip-ua-cs-list": {58, formDomains},
	"bootfile-url": {59, formBytes}, "bootfile-param": {60, formBytes},
	"aftr-name": {64, formDomains}, "erp-local-domain-name": {65, formDomains},
	"rdnss-selection": {74, formBytes}, "v6-prefix64": {113, formBytes},
	"solmax-rt": {82, formUint32}, "inf-max-rt": {83, formUint32},
}

// OptionCode returns the DHCPv6 code of an option by ISC's name for it, also «dhcp6.unknown-200».
func OptionCode(name string) (code uint16, ok bool) {
	name, ok = strings.CutPrefix(name, "dhcp6.")
	if !ok {
		return 0, false
	}
	if o, known := options6[name]; known {
		return o.code, true
	}
	n, ok := strings.CutPrefix(name, "unknown-")
	v, err := strconv.ParseUint(n, 10, 16)
	return uint16(v), ok && err == nil
}

// parameters32 are server parameters in seconds.
var parameters32 = map[string]bool{
	"server.default-lease-time": true, "server.max-lease-time": true, "server.min-lease-time": true,
	"server.preferred-lifetime": true, "dhcp-renewal-time": true, "dhcp-rebinding-time": true,
}

func formOf(name string) form {
	if parameters32[name] {
		return formUint32
	}
	if option, ok := strings.CutPrefix(name, "dhcp6."); ok {
		return options6[option].form
	}
	return formBytes
}

// WellFormed reports whether value can be the value of the option of this name, as far as its form is known: clients
// drop an answer with a list of name servers that is not a multiple of 16 bytes long.
func WellFormed(name string, value []byte) bool {
	switch formOf(name) {
	case formAddresses:
		return len(value) > 0 && len(value)%16 == 0
	case formDomains:
		return domainsWellFormed(value)
	case formUint8:
		return len(value) == 1
	case formUint32:
		return len(value) == 4
	}
	return true
}

// domainsWellFormed reports whether b is a list of uncompressed domain names (RFC 9915 §10).
func domainsWellFormed(b []byte) bool {
	if len(b) == 0 || b[len(b)-1] != 0 {
		return false
	}
	for length := 0; len(b) > 0; {
		n := int(b[0])
		if n > 63 || n >= len(b) {
			return false
		}
		if length += n + 1; length > 255 {
			return false
		}
		if n == 0 {
			length = 0
		}
		b = b[n+1:]
	}
	return true
}
