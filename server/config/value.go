package config

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"strings"

	"github.com/lease6/lease6/server/config/strict"
)

// parseDUID reads a DUID (RFC 9915 §11.1: a type of two bytes and 1 to 128 more).
func parseDUID(s string) ([]byte, error) {
	b, err := strict.ParseHex(s)
	if err == nil && (len(b) < 3 || len(b) > 130) {
		err = fmt.Errorf("has %d bytes; a DUID has 3 to 130 (RFC 9915 §11.1)", len(b))
	}
	return b, err
}

// parsePath reads the absolute path of a file or folder of the server.
func parsePath(s string) (string, error) {
	if !path.IsAbs(s) {
		return "", errors.New("must be an absolute path, beginning with /")
	}
	return path.Clean(s), nil
}

// parseInterface reads the name of an interface or a pattern for such.
func parseInterface(s string) (string, error) {
	switch _, err := path.Match(s, ""); {
	case err != nil:
		return "", errors.New(`bad pattern; * is any text, ? one character, [a-z] one of a range: "bond0.*"`)
	case s == "" || strings.ContainsAny(s, "/ \t\r\n"):
		return "", errors.New("not the name of an interface")
	case len(s) > 15 && !strings.ContainsAny(s, `*?[\`):
		return "", fmt.Errorf("has %d bytes; an interface's name has at most 15", len(s))
	}
	return s, nil
}

// parsePrefix reads a prefix without host bits.
func parsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		if a, err := netip.ParseAddr(s); err == nil && a.Is6() {
			p, _ := a.WithZone("").Prefix(64)
			return p, fmt.Errorf("has no length: write it as in %q", p)
		}
		return p, errors.New(`not an IPv6 prefix; write one such as "2001:db8:1::/64"`)
	}
	switch {
	case p.Addr().Is4() || p.Addr().Is4In6():
		return p, errors.New("an IPv4 prefix; lease6d serves IPv6 only: leave it out")
	case p != p.Masked():
		return p, fmt.Errorf("has bits set behind its length: write %q", p.Masked())
	case p.Addr().IsMulticast(), p.Addr().IsLinkLocalUnicast():
		return p, errors.New("no addresses are leased from there: write the prefix of the network")
	}
	return p, nil
}

// parseRelay reads a link-address of relays, or a prefix of such.
func parseRelay(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if a, ok := netip.ParseAddr(s); ok == nil && a.Zone() == "" {
		p, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	switch {
	case err != nil, p.Addr().Is4(), p.Addr().Is4In6(), p.Addr().IsMulticast(), p.Addr().IsUnspecified() && p.Bits() > 0:
		return p, errors.New("not a link-address: write the IPv6 address that the relay has towards its clients, or a prefix around it")
	case p.Bits() == 0:
		return p, errors.New(`is every relay: write prefixes = ["::/0"] for a link of all clients that no other link has`)
	case p != p.Masked():
		return p, fmt.Errorf("has bits set behind its length: write %q, or the address alone", p.Masked())
	}
	return p, nil
}

// parseAddress reads an address that a client can be told to talk to.
func parseAddress(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return a, errors.New(`not an IPv6 address; write one such as "2001:db8::53"`)
	case a.Is4() || a.Is4In6():
		return a, errors.New("an IPv4 address; DHCPv6 carries IPv6 addresses only: write the server's IPv6 address, or leave it out and let DHCPv4 tell clients")
	case a.Zone() != "":
		return a, fmt.Errorf("%%%s means something on this machine only: leave it out", a.Zone())
	case a.IsUnspecified(), a.IsLoopback():
		return a, errors.New("nothing that a client can reach: write the server's address")
	}
	return a, nil
}

// parseServer reads the address of one server.
func parseServer(s string) (netip.Addr, error) {
	a, err := parseAddress(s)
	if err == nil && a.IsMulticast() {
		err = errors.New("a multicast address: write the address of one server")
	}
	return a, err
}

// parseListen reads an address and port to listen on.
func parseListen(s string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(s)
	if err != nil || a.Port() == 0 {
		return a, errors.New(`not an address with a port; write one such as "127.0.0.1:7911" or "[::1]:7911"`)
	}
	return a, nil
}

// parseClients reads the address of a client, or a prefix of such, of either family.
func parseClients(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if a, ok := netip.ParseAddr(s); ok == nil && a.Zone() == "" {
		p, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	switch {
	case err != nil, p.Addr().Is4In6():
		return p, errors.New(`not an address or a prefix; write one such as "192.0.2.10" or "2001:db8:f::/64"`)
	case p != p.Masked():
		return p, fmt.Errorf("has bits set behind its length: write %q, or the address alone", p.Masked())
	}
	return p, nil
}

// ParseRelay reads the address of a relay that is believed, or a prefix of such.
func ParseRelay(s string) (netip.Prefix, error) {
	p, err := parseClients(s)
	if err == nil && p.Addr().Is4() {
		err = errors.New("an IPv4 address; relays of DHCPv6 send from an IPv6 address: write that")
	}
	return p, err
}
