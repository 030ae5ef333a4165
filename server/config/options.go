package config

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lease6/lease6/server/config/strict"
)

// mostOptionBytes bounds all options of a link together. Answers are built in 4 KiB, and what is copied from the
// client must have room too.
const mostOptionBytes = 2048

// namedOptions are the options that have a key of their own.
var namedOptions = []struct {
	key    string
	code   uint16
	encode strict.Parser[[]byte]
}{
	{"name-servers", 23, encodeAddresses(parseServer)},                   // RFC 3646 §3
	{"domain-search", 24, encodeDomains},                                 // RFC 3646 §4
	{"sntp-servers", 31, encodeAddresses(parseServer)},                   // RFC 4075 §4
	{"ntp-servers", 56, encodeTimeServers},                               // RFC 5908 §4
	{"information-refresh-time", 32, encodeSeconds(600, math.MaxUint32)}, // RFC 9915 §21.23
	{"sol-max-rt", 82, encodeSeconds(60, 86400)},                         // RFC 9915 §21.24
	{"inf-max-rt", 83, encodeSeconds(60, 86400)},                         // RFC 9915 §21.25
	{"bootfile-url", 59, strict.Text(encodeURL)},                         // RFC 5970 §3.1
	{"bootfile-params", 60, encodeParams},                                // RFC 5970 §3.2
}

// home says for a key in which other table it belongs, "" for none.
func home(key string) string {
	switch key {
	case "valid-lifetime", "preferred-lifetime", "t1", "t2", "rapid-commit", "preference", "options":
		return "[defaults] or [[link]]"
	case "custom":
		return "[defaults.options] or [link.options]"
	}
	for _, o := range namedOptions {
		if o.key == key {
			return "[defaults.options] or [link.options]"
		}
	}
	return ""
}

// reserved are the options that must not be given as custom ones, and why.
var reserved = map[int]string{
	1:   "the client's identifier comes from the client",
	2:   "the server's identifier is server.duid",
	3:   "IA_NA is made from the lease",
	4:   "IA_TA is gone from RFC 9915",
	5:   "addresses come from the leases",
	6:   "the option request is for clients to send",
	7:   "use the key preference of the link",
	8:   "the elapsed time is for clients to send",
	9:   "relay messages are made by relays and for them",
	11:  "lease6d does not authenticate messages",
	12:  "Server Unicast is gone from RFC 9915; server.unicast only says whether such clients are answered",
	13:  "status codes are made for each answer",
	14:  "use the key rapid-commit of the link",
	15:  "the user class is for clients to send",
	18:  "the Interface-ID is returned to the relay that sent it",
	19:  "lease6d sends no Reconfigure",
	20:  "lease6d sends no Reconfigure",
	25:  "lease6d delegates no prefixes",
	26:  "lease6d delegates no prefixes",
	37:  "the remote-id is for relays to send",
	38:  "the subscriber-id is for relays to send",
	43:  "the echo request is for relays to send",
	66:  "relay-supplied options are for relays to send",
	79:  "the client's link-layer address is for relays to send",
	135: "the relay port is returned to the relay that sent it",
}

// readCustom reads the options given by code.
func readCustom(t *strict.Table, data map[uint16][]byte) {
	seen := make(map[int]bool)
	for _, c := range t.Tables("custom", `write custom = [{ code = 200, hex = "01:02" }]; { code = 200, addresses = [] } removes one that is inherited`) {
		var code int
		ok := strict.Read(c, "code", optionCode, &code)
		if !c.Has("code") {
			c.Problem("has no code: write code = and the number of the option")
		}
		value, remove, given := customValue(c)
		c.Close(home)
		switch {
		case !ok || !given:
		case seen[code]:
			c.Problem("option %d is given twice: remove one", code)
		case remove:
			delete(data, uint16(code))
		default:
			data[uint16(code)] = value
		}
		seen[code] = true
	}
}

// optionCode reads the code of a custom option.
func optionCode(n *strict.Node) (int, bool) {
	code, ok := strict.Integer(1, 65535)(n)
	if !ok {
		return 0, false
	}
	if why := reserved[code]; why != "" {
		n.Problem("option %d cannot be given: %s", code, why)
		return 0, false
	}
	for _, o := range namedOptions {
		if int(o.code) == code {
			n.Problem("option %d has a key of its own: use %s", code, o.key)
			return 0, false
		}
	}
	return code, true
}

// customValue reads the one value of a custom option; the empty list of addresses removes the option.
func customValue(t *strict.Table) (value []byte, remove, ok bool) {
	given, before := 0, t.Problems()
	for _, form := range []struct {
		key   string
		parse strict.Parser[[]byte]
	}{
		{"hex", strict.Text(strict.ParseHex)},
		{"text", strict.Text(func(s string) ([]byte, error) { return []byte(s), nil })},
		{"addresses", encodeAddresses(parseAddress)},
	} {
		if strict.Read(t, form.key, form.parse, &value); t.Has(form.key) {
			given++
			remove = t.Get(form.key).EmptyList()
		}
	}
	if given != 1 {
		t.Problem("has %d values: write exactly one of hex, text and addresses", given)
	}
	return value, remove, t.Problems() == before
}

// encodeAddresses makes an encoder of addresses, one behind the other.
func encodeAddresses(parse func(string) (netip.Addr, error)) strict.Parser[[]byte] {
	return func(n *strict.Node) (b []byte, ok bool) {
		all, ok := strict.Set(strict.Text(parse))(n)
		for _, a := range all {
			b = append(b, a.AsSlice()...)
		}
		return b, ok
	}
}

// encodeDomains encodes names one behind the other (RFC 9915 §10).
func encodeDomains(n *strict.Node) (b []byte, ok bool) {
	names, ok := strict.Set(strict.Text(domainName))(n)
	return []byte(strings.Join(names, "")), ok
}

// domainName returns a domain name in wire format (RFC 1035 §3.1, not compressed: RFC 9915 §10).
func domainName(s string) (string, error) {
	var wire []byte
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		for _, c := range label {
			switch {
			case c >= utf8.RuneSelf:
				return "", errors.New(`has letters beyond ASCII: write its punycode form, whose labels begin with "xn--"`)
			case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			default:
				return "", fmt.Errorf("not a domain name: it contains %q", c)
			}
		}
		switch {
		case label == "":
			return "", errors.New("not a domain name: a label is empty")
		case len(label) > 63:
			return "", fmt.Errorf("not a domain name: a label has %d bytes, at most 63 are allowed (RFC 1035 §2.3.4)", len(label))
		case label[0] == '-' || label[len(label)-1] == '-':
			return "", fmt.Errorf("not a domain name: the label %q begins or ends with a dash", label)
		}
		wire = append(append(wire, byte(len(label))), label...)
	}
	if wire = append(wire, 0); len(wire) > 255 {
		return "", fmt.Errorf("not a domain name: it takes %d bytes, at most 255 are allowed (RFC 1035 §2.3.4)", len(wire))
	}
	return string(wire), nil
}

// encodeTimeServers encodes each server as the suboption of its kind (RFC 5908 §4.1 to §4.3).
func encodeTimeServers(n *strict.Node) (b []byte, ok bool) {
	all, ok := strict.Set(strict.Text(func(s string) (string, error) {
		suboption, value := byte(3), ""
		a, err := parseAddress(s)
		switch {
		case err == nil && a.IsMulticast():
			suboption, value = 2, string(a.AsSlice())
		case err == nil:
			suboption, value = 1, string(a.AsSlice())
		default:
			// What ends in a digit or has a colon was meant as an address: no top-level domain does.
			if strings.ContainsAny(s, ":%") || strings.TrimRight(s, "0123456789") != s {
				return "", err
			}
			if value, err = domainName(s); err != nil {
				return "", err
			}
		}
		return string([]byte{0, suboption, byte(len(value) >> 8), byte(len(value))}) + value, nil
	}))(n)
	return []byte(strings.Join(all, "")), ok
}

// encodeSeconds makes an encoder of times between two numbers of seconds.
func encodeSeconds(low, high int64) strict.Parser[[]byte] {
	parse := strict.Duration(time.Duration(low)*time.Second, time.Duration(high)*time.Second, Infinity)
	return func(n *strict.Node) ([]byte, bool) {
		d, ok := parse(n)
		return binary.BigEndian.AppendUint32(nil, Seconds(d)), ok
	}
}

func encodeURL(s string) ([]byte, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return nil, errors.New(`not a URL; write one such as "tftp://[2001:db8::1]/boot.efi"`)
	}
	return []byte(s), nil
}

// encodeParams encodes parameters of the boot file, each with its length in front.
func encodeParams(n *strict.Node) (b []byte, ok bool) {
	all, ok := strict.List(strict.Text(func(s string) (string, error) {
		if len(s) > mostOptionBytes {
			return "", fmt.Errorf("has %d bytes; at most %d are possible", len(s), mostOptionBytes)
		}
		return s, nil
	}))(n)
	for _, p := range all {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(p))), p...)
	}
	return b, ok
}
