package record

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lease6/lease6/leases/isc"
	"github.com/lease6/lease6/server/omapi/codec"
)

// maxStatements bounds the text of a host's or a group's statements.
const maxStatements = 8 << 10

// parameters are settings in seconds.
const parameters = " server.default-lease-time server.max-lease-time server.min-lease-time server.preferred-lifetime" +
	" dhcp-renewal-time dhcp-rebinding-time "

// options4 are the options of DHCPv4 that ISC dhcpd knows without being told. Hosts that have them were meant for an
// IPv4 server; they are kept.
const options4 = " subnet-mask time-offset routers time-servers ien116-name-servers" +
	" domain-name-servers log-servers cookie-servers lpr-servers impress-servers resource-location-servers host-name" +
	" boot-size merit-dump domain-name swap-server root-path extensions-path ip-forwarding non-local-source-routing" +
	" max-dgram-reassembly default-ip-ttl path-mtu-aging-timeout interface-mtu all-subnets-local broadcast-address" +
	" perform-mask-discovery mask-supplier router-discovery router-solicitation-address trailer-encapsulation" +
	" arp-cache-timeout ieee802-3-encapsulation default-tcp-ttl tcp-keepalive-interval tcp-keepalive-garbage nis-domain" +
	" nis-servers ntp-servers netbios-name-servers netbios-dd-server netbios-node-type netbios-scope font-servers" +
	" x-display-manager nisplus-domain nisplus-servers tftp-server-name bootfile-name smtp-server pop-server nntp-server" +
	" www-server finger-server irc-server domain-search "

// ParseStatements reads statements as clients send them. Every one of them sets an option to a constant: ISC dhcpd
// runs what execute() names, and evaluates expressions, when the host asks for an address; so whoever may go back to
// it is not given such a file.
func ParseStatements(text []byte) ([]isc.Statement, *codec.Refusal) {
	if len(text) > maxStatements {
		return nil, codec.Refuse(codec.InvalidArgument, "more than %d bytes of statements", maxStatements)
	}
	record := slices.Concat([]byte("group x {\n"), text, []byte("\n;}\n"))
	s := isc.NewScanner(bytes.NewReader(record), isc.Options{})
	var all []isc.Statement
	if s.Scan() && s.Kind() == isc.KindGroup && !s.Group().Deleted {
		all = slices.Clone(s.Group().Statements)
	} else {
		return nil, codec.Refuse(codec.ParseError, "these are no statements")
	}
	if s.Scan() || len(s.Diagnostics()) > 0 {
		return nil, codec.Refuse(codec.ParseError, "these statements are not complete")
	}
	for i := range all {
		canonical, ok := constant(&all[i])
		if !ok {
			return nil, codec.Refuse(codec.ParseError, "not understood, or not a constant: %.80q", all[i].Text)
		}
		all[i] = canonical
	}
	return all, nil
}

// constant returns a statement as ISC writes it, if it sets an option that ISC knows to a constant.
func constant(st *isc.Statement) (isc.Statement, bool) {
	word := "supersede"
	if strings.HasPrefix(st.Text, "default ") {
		word = "default"
	}
	listed := func(names string) bool { return st.Name != "" && strings.Contains(names, " "+st.Name+" ") }
	if _, ok := isc.OptionCode(st.Name); st.Value != nil && (ok || listed(parameters)) {
		return written(word, st.Name, st.Value), isc.WellFormed(st.Name, st.Value)
	}
	if !listed(options4) {
		return isc.Statement{}, false
	}
	_, text, _ := strings.Cut(strings.TrimSuffix(st.Text, ";"), st.Name)
	text = strings.TrimSpace(text)
	// How wide a number or a truth value is only the option's type tells, which ISC knows: it stays as it is.
	if _, err := strconv.ParseInt(text, 10, 64); err == nil || slices.Contains([]string{"true", "false", "on", "off"}, text) {
		return isc.Statement{Text: "option " + st.Name + " " + text + ";", Name: st.Name}, true
	}
	if st.Value != nil {
		return written(word, st.Name, st.Value), true
	}
	value := addresses4(text)
	return written(word, st.Name, value), value != nil
}

// addresses4 reads IPv4 addresses with commas between them.
func addresses4(text string) (value []byte) {
	for part := range strings.SplitSeq(text, ",") {
		a, err := netip.ParseAddr(strings.TrimSpace(part))
		if err != nil || !a.Is4() {
			return nil
		}
		value = append(value, a.AsSlice()...)
	}
	return value
}

// written makes the statement that sets an option, laid out as ISC does: printable values as strings, others as bytes,
// where a colon and a byte are words of which either may be the first on a line that would else be longer than 79.
func written(word, name string, value []byte) isc.Statement {
	const width, indent = 79, "                "
	text := []byte(word + " " + name + " = ")
	if printable(value) {
		text = append(append(append(text, '"'), value...), `";`...)
		return isc.Statement{Text: string(text), Name: name, Value: value}
	}
	column := len(text) + 8 // the file's own indent
	put := func(word string) {
		if column+len(word) > width {
			text = append(append(text, '\n'), indent...)
			column = len(indent)
		}
		text = append(text, word...)
		column += len(word)
	}
	for i := range value {
		if i > 0 {
			put(":")
		}
		put(hex.EncodeToString(value[i : i+1]))
	}
	return isc.Statement{Text: string(text) + ";", Name: name, Value: value}
}

// printable reports whether a value is text that needs no escapes.
func printable(value []byte) bool {
	for _, c := range value {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
