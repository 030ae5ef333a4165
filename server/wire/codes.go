package wire

// Message types of RFC 9915 §7.3.
const (
	Solicit            = 1
	Advertise          = 2
	Request            = 3
	Confirm            = 4
	Renew              = 5
	Rebind             = 6
	Reply              = 7
	Release            = 8
	Decline            = 9
	Reconfigure        = 10
	InformationRequest = 11
	RelayForward       = 12
	RelayReply         = 13
)

// Option codes that the server itself reads or writes; those it only hands out need no names here.
const (
	OptClientID      = 1   // RFC 9915 §21.2
	OptServerID      = 2   // §21.3
	OptIANA          = 3   // §21.4
	OptIATA          = 4   // RFC 8415 §21.5, gone from RFC 9915
	OptIAAddr        = 5   // RFC 9915 §21.6
	OptORO           = 6   // §21.7
	OptPreference    = 7   // §21.8
	OptElapsedTime   = 8   // §21.9
	OptRelayMessage  = 9   // §21.10
	OptStatusCode    = 13  // §21.13
	OptRapidCommit   = 14  // §21.14
	OptInterfaceID   = 18  // §21.18
	OptReconfAccept  = 20  // §21.20
	OptIAPD          = 25  // §21.21
	OptInfoRefresh   = 32  // §21.23
	OptEchoRequest   = 43  // RFC 4994
	OptClientLinkLay = 79  // RFC 6939
	OptSolMaxRT      = 82  // RFC 9915 §21.24
	OptInfMaxRT      = 83  // §21.25
	OptRelayPort     = 135 // RFC 8357
)

// Status codes of RFC 9915 §21.13.
const (
	StatusSuccess       = 0
	StatusUnspecFail    = 1
	StatusNoAddrsAvail  = 2
	StatusNoBinding     = 3
	StatusNotOnLink     = 4
	StatusNoPrefixAvail = 6
)

// UDP ports of RFC 9915 §7.2.
const (
	ClientPort = 546
	ServerPort = 547
)

// MaxRelays is how deep Relay-forward messages may be nested. RFC 9915 §19.1.2 bounds relays to HOP_COUNT_LIMIT 8,
// not servers; ISC, Kea and dnsmasq all answer 32.
const MaxRelays = 32

// MaxDUID is the longest DUID: 128 bytes behind the type (RFC 9915 §11.1).
const MaxDUID = 130
