package isc

import (
	"fmt"
	"slices"
)

// Ethernet is the ARP hardware type of Ethernet, the only one whose hosts are served.
const Ethernet = 1

// Pos is a place in a lease file. Line and Col count from 1, Col in bytes; Offset counts bytes from 0.
type Pos struct {
	Offset    int64
	Line, Col int
}

// Severity says how much a Diagnostic costs.
type Severity uint8

const (
	// Warning: nothing was lost, but somebody should look.
	Warning Severity = iota + 1
	// Error: a record, or a part of one, is not served.
	Error
)

// String returns the severity as it is printed.
func (s Severity) String() string {
	if s == Error {
		return "error"
	}
	return "warning"
}

// Diagnostic is one thing that is wrong with a lease file: where, what was found, what was done about it. Without a
// line it concerns the host as a whole.
type Diagnostic struct {
	File     string
	Pos      Pos
	Severity Severity
	Code     string // stable, for scripts: "bad-address", "torn-record", …
	Host     string // name of the host concerned, "" if none
	Found    string // what was found
	Done     string // what was done
}

// String writes the diagnostic on one line, in the form that editors jump to.
func (d Diagnostic) String() string {
	host := ""
	if d.Host != "" {
		host = fmt.Sprintf(" host %q:", d.Host)
	}
	at := d.File
	if d.Pos.Line > 0 {
		at = fmt.Sprintf("%s:%d:%d", d.File, d.Pos.Line, d.Pos.Col)
	}
	return fmt.Sprintf("%s: %s:%s %s; %s [%s]", at, d.Severity, host, d.Found, d.Done, d.Code)
}

// Statement is an executable statement or option of a host or a group, such as
//
//	supersede dhcp6.name-servers = 20:01:0d:b8:…;
//
// Text is kept byte for byte, whatever it says, and never executed.
type Statement struct {
	Text  string // verbatim, from the first word through the semicolon or closing brace, without indentation
	Name  string // option or parameter name, "dhcp6.name-servers", "server.default-lease-time"; "" if not understood
	Value []byte // the value as wire bytes when it is a constant we can evaluate (hex, text, numbers, addresses, concat of those), else nil
}

// Host is one host record of a lease file.
type Host struct {
	Name         string
	Pos          Pos    // of the word "host"
	Dynamic      bool   // "dynamic;" was there
	Deleted      bool   // "deleted;": cancels every earlier record of the name
	HardwareType uint16 // ARP hardware type, Ethernet = 1; 0 if none was given
	Hardware     []byte // link-layer address, nil if none
	UID          []byte // client identifier, nil if none
	// Addresses holds the bytes of all fixed addresses one behind the other, as ISC keeps them:
	// 16 for one IPv6 address, 4 for an IPv4 address sent by mistake, longer for several.
	Addresses  []byte
	Group      string // name of the group it belongs to, "" if none
	Statements []Statement
	Damaged    bool // a part of the record could not be read; there is a Diagnostic about it
}

// Clone returns a copy of h that shares no memory with it.
func (h *Host) Clone() *Host {
	c := *h
	c.Hardware = slices.Clone(h.Hardware)
	c.UID = slices.Clone(h.UID)
	c.Addresses = slices.Clone(h.Addresses)
	c.Statements = slices.Clone(h.Statements)
	return &c
}

// Group is one group record: statements that hosts share.
type Group struct {
	Name       string
	Pos        Pos
	Deleted    bool
	Statements []Statement
}
