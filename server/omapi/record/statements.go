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
	_, text, _ := strings.Cut(strings.TrimSuffix(st.Text, ";"), st.Name)
	text = strings.TrimSpace(text)
	list := addresses(text)
	listed := func(names string) bool { return st.Name != "" && strings.Contains(names, " "+st.Name+" ") }
	if _, ok := isc.OptionCode(st.Name); st.Value != nil && (ok || listed(parameters)) {
		if !bytes.Equal(bytes.Join(list, nil), st.Value) {
			list = [][]byte{st.Value}
		}
		return written(word, st.Name, st.Value, list), isc.WellFormed(st.Name, st.Value)
	}
	if !listed(options4) {
		return isc.Statement{}, false
	}
	// How wide a number or a truth value is only the option's type tells, which ISC knows: it stays as it is.
	if _, err := strconv.ParseInt(text, 10, 64); err == nil || slices.Contains([]string{"true", "false", "on", "off"}, text) {
		return isc.Statement{Text: "option " + st.Name + " " + text + ";", Name: st.Name}, true
	}
	if st.Value != nil {
		list = [][]byte{st.Value}
	}
	if list == nil || st.Value == nil && slices.ContainsFunc(list, func(a []byte) bool { return len(a) != 4 }) {
		return isc.Statement{}, false
	}
	return written(word, st.Name, bytes.Join(list, nil), list), true
}

// addresses reads addresses with commas between them; nil if they are none.
func addresses(text string) (list [][]byte) {
	for part := range strings.SplitSeq(text, ",") {
		a, err := netip.ParseAddr(strings.TrimSpace(part))
		if err != nil {
			return nil
		}
		list = append(list, a.AsSlice())
	}
	return list
}

// written makes the statement that sets an option, laid out as ISC does: a list of addresses as nested concat(),
// printable values as strings, others as bytes.
func written(word, name string, value []byte, list [][]byte) isc.Statement {
	const most = 4 // of a list; beyond that ISC's own text leaves the right margin, and bytes are as good
	if len(list) > most {
		list = [][]byte{value}
	}
	l := layout{text: []byte(word + " " + name + " = ")}
	l.column = len(l.text) + 8 // the file's own indent
	l.concat(list, margin)
	return isc.Statement{Text: string(l.text) + ";", Name: name, Value: value}
}

const (
	width  = 79 // of a line
	margin = 16 // of a line that goes on with the one above
)

// layout breaks lines as ISC does.
type layout struct {
	text   []byte
	column int
}

// put writes a word, on the next line if it does not fit. A blank that does not fit is a new line.
func (l *layout) put(word string, indent int) {
	if l.column+len(word) > width {
		l.text = append(append(l.text, '\n'), strings.Repeat(" ", indent)...)
		l.column = indent
		if word == " " {
			return
		}
	}
	l.text = append(l.text, word...)
	l.column += len(word)
}

// concat writes values as ISC does that joins two at a time. A colon and a byte are words of which either may be the
// first on a line.
func (l *layout) concat(list [][]byte, indent int) {
	if last := len(list) - 1; last > 0 {
		for _, word := range []string{"concat", " ", "("} {
			l.put(word, indent)
		}
		inner := l.column
		l.concat(list[:last], inner)
		l.put(",", inner)
		l.put(" ", inner)
		l.concat(list[last:], inner)
		l.put(")", indent)
		return
	}
	value := list[0]
	if printable(value) {
		l.text = append(append(append(l.text, '"'), value...), '"')
		l.column += len(value) + 2
		return
	}
	for i := range value {
		if i > 0 {
			l.put(":", indent)
		}
		l.put(hex.EncodeToString(value[i:i+1]), indent)
	}
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
