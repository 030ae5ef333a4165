package isc

import (
	"bytes"
	"strconv"
)

// AppendHost appends the record of h as ISC writes it: dynamic, hardware, uid, fixed-address, group, statements, in
// this order. A deleted host has no more than its name. What the Scanner reads back is h.
func AppendHost(dst []byte, h *Host) []byte {
	dst = append(dst, "host "...)
	dst = appendName(dst, h.Name)
	dst = append(dst, " {\n"...)
	if h.Dynamic {
		dst = append(dst, "  dynamic;\n"...)
	}
	if h.Deleted {
		return append(dst, "  deleted;\n}\n"...)
	}
	if len(h.Hardware) > 0 {
		dst = append(dst, "  hardware "...)
		dst = appendHardwareType(dst, h.HardwareType)
		dst = append(dst, ' ')
		dst = appendColons(dst, h.Hardware)
		dst = append(dst, ";\n"...)
	}
	if h.UID != nil {
		dst = append(dst, "  uid "...)
		if len(h.UID) > 0 && (!isPrintable(h.UID) || bytes.ContainsAny(h.UID, "\"\\\t")) {
			dst = appendColons(dst, h.UID)
		} else {
			dst = appendQuoted(dst, h.UID)
		}
		dst = append(dst, ";\n"...)
	}
	if len(h.Addresses) > 0 {
		dst = append(dst, "  fixed-address "...)
		dst = AppendQuads(dst, h.Addresses)
		dst = append(dst, ";\n"...)
	}
	if h.Group != "" {
		dst = append(dst, "  group "...)
		dst = appendQuoted(dst, []byte(h.Group))
		dst = append(dst, ";\n"...)
	}
	return appendStatements(dst, h.Statements)
}

// AppendGroup appends the record of g as ISC writes it.
func AppendGroup(dst []byte, g *Group) []byte {
	dst = append(dst, "group "...)
	dst = appendName(dst, g.Name)
	dst = append(dst, " {\n  dynamic;\n"...)
	if g.Deleted {
		return append(dst, "  deleted;\n}\n"...)
	}
	return appendStatements(dst, g.Statements)
}

func appendStatements(dst []byte, statements []Statement) []byte {
	for i := range statements {
		dst = append(dst, "        "...)
		dst = append(dst, statements[i].Text...)
		dst = append(dst, '\n')
	}
	return append(dst, "}\n"...)
}

// AppendServerDUID appends the record of the server's DUID as ISC writes it.
func AppendServerDUID(dst, duid []byte) []byte {
	dst = append(dst, "server-duid "...)
	dst = appendQuoted(dst, duid)
	return append(dst, ";\n\n"...)
}

// appendName writes a name as ISC does, raw, if the Scanner reads it back from that, and quoted if not.
func appendName(dst []byte, name string) []byte {
	if ISCReadsName(name) {
		return append(dst, name...)
	}
	c := cursor{b: []byte(" " + name + " {\n"), eof: true}
	if got, ok := c.head("host"); ok && got == name && isPrintable([]byte(name)) {
		return append(dst, name...)
	}
	return appendQuoted(dst, []byte(name))
}

// ISCReadsName reports whether ISC dhcpd finds a host of this name again in a lease file. It loses all others at its
// next restart, together with a record or two behind them.
func ISCReadsName(name string) bool {
	const longest = 1024
	if len(name) == 0 || len(name) > longest || name[0] == '_' || name[0] == '.' {
		return false
	}
	for i := range len(name) {
		if c := name[i]; !isWord(c) && c != '.' {
			return false
		}
	}
	return true
}

func appendHardwareType(dst []byte, code uint16) []byte {
	for _, t := range hardwareTypes {
		if t.code == code {
			return append(dst, t.name...)
		}
	}
	return strconv.AppendUint(append(dst, "unknown-"...), uint64(code), 10)
}

func appendColons(dst, b []byte) []byte {
	const digits = "0123456789abcdef"
	for i, c := range b {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, digits[c>>4], digits[c&15])
	}
	return dst
}

// Equal reports whether two hosts say the same. Where they stand in the file does not matter.
func (h *Host) Equal(o *Host) bool {
	if h.Name != o.Name || h.Dynamic != o.Dynamic || h.Deleted != o.Deleted || h.HardwareType != o.HardwareType ||
		!bytes.Equal(h.Hardware, o.Hardware) || !bytes.Equal(h.UID, o.UID) || !bytes.Equal(h.Addresses, o.Addresses) ||
		h.Group != o.Group || len(h.Statements) != len(o.Statements) {
		return false
	}
	for i := range h.Statements {
		if h.Statements[i].Text != o.Statements[i].Text {
			return false
		}
	}
	return true
}
