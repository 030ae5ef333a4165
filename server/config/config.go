package config

import (
	"net/netip"
	"time"
)

// DefaultStateDir is where the server's state is kept unless the configuration says otherwise.
const DefaultStateDir = "/var/lib/lease6d"

// Config is what lease6d is told. Everything in it is parsed and checked; nothing needs parsing again.
type Config struct {
	Leases  Leases
	Server  Static
	OMAPI   OMAPI
	Dynamic Dynamic
}

// Leases says where the leases come from.
type Leases struct {
	File string // ISC lease file
}

// OMAPI says who may create, change and delete leases over OMAPI, and from where. It needs a restart to change.
type OMAPI struct {
	Listen   []netip.AddrPort // none: OMAPI is not served, and somebody else writes the lease file
	Allow    []netip.Prefix   // of clients; none = everybody who can reach the address
	KeyFile  string           // file with the key that must sign requests; "" = none need be signed
	ISCCodes bool             // answer with ISC's own result codes, which end Abiquo's client
}

// Static needs a restart to change.
type Static struct {
	Workers      int    // packet workers of each kind (direct, relayed); 0 = one per CPU
	ReceiveBytes int    // receive buffer of each socket in bytes
	DUID         []byte // server DUID given in the file; nil = state file, else the lease file's server-duid, else made new
	DUIDFile     string // where the server DUID is kept
}

// Dynamic may change at run time (SIGHUP).
type Dynamic struct {
	Interfaces []string // names or path.Match patterns ("bond0.*") of directly attached interfaces to serve
	// Relays are the addresses of relays that are believed; none = those that do not look like clients. See answer.
	Relays   []netip.Prefix
	Links    []Link // in file order; never empty (without any, one catch-all link ::/0 is made)
	Identity Identity
	Unknown  Unknown
	Unicast  bool // answer clients that send to our unicast address (RFC 9915 dropped Server Unicast)
}

// Link is one network link (RFC 9915 §4.1): where it is attached and what its clients are told.
type Link struct {
	Name           string
	Prefixes       []netip.Prefix // on-link prefixes; ::/0 makes the link a catch-all
	Interfaces     []string       // patterns of interfaces directly attached to the link
	RelayAddresses []netip.Prefix // link-addresses of relays on this link that lie outside Prefixes
	InterfaceIDs   [][]byte       // values of the Interface-ID option that relays use for this link
	Settings
}

// Settings is what the clients of a link are told, already merged with the global settings.
type Settings struct {
	Preferred, Valid time.Duration // whole seconds; Preferred ≤ Valid
	T1, T2           time.Duration // whole seconds; T1 ≤ T2 ≤ Preferred
	RapidCommit      bool
	Preference       uint8    // RFC 9915 §21.8; 0 = the option is not sent
	Options          []Option // sorted by code, one per code
}

// Option is a DHCPv6 option ready to send. The value is in wire format, without code and length.
type Option struct {
	Code uint16
	Data []byte
}

// Source is a place where a client's MAC can be found (design: identity).
type Source uint8

// Sources in the order of trust. The first two are authoritative: nothing that the client says overrides them.
const (
	SourceOption79 Source = iota + 1 // Client Link-Layer Address of the innermost relay, RFC 6939
	SourceFrame                      // Ethernet source address, directly attached clients
	SourceEUI64                      // link-local address formed from the MAC
	SourceDUID                       // DUID-LL or DUID-LLT of hardware type 1
)

// String returns the source's name in the file.
func (s Source) String() string {
	switch s {
	case SourceOption79:
		return "option-79"
	case SourceFrame:
		return "frame"
	case SourceEUI64:
		return "eui-64"
	case SourceDUID:
		return "duid"
	}
	return "none"
}

// Identity says how a client's MAC is found.
type Identity struct {
	Order      []Source // sources to use, in this order
	OnMismatch Mismatch
}

// Mismatch says what to do with a client whose DUID claims another MAC than an authoritative source.
type Mismatch uint8

const (
	MismatchServe Mismatch = iota + 1 // serve the lease of the authoritative MAC (default)
	MismatchDrop                      // do not answer
)

// String returns the choice's name in the file.
func (m Mismatch) String() string {
	if m == MismatchDrop {
		return "drop"
	}
	return "serve"
}

// Unknown says what a client without a lease hears.
type Unknown uint8

const (
	UnknownRefuse Unknown = iota + 1 // NoAddrsAvail (default)
	UnknownIgnore                    // silence
)

// String returns the choice's name in the file.
func (u Unknown) String() string {
	if u == UnknownIgnore {
		return "ignore"
	}
	return "refuse"
}
