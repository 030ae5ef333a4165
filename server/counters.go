package server

import (
	"iter"
	"sync/atomic"

	"github.com/lease6/lease6/server/config"
)

// Drop is a reason not to answer a packet.
type Drop uint8

// Reasons not to answer, in the order in which they are looked for.
const (
	DropNone      Drop = iota
	DropMalformed      // lengths that lie, relays nested too deep
	DropInterface      // arrived on an interface that is not served
	DropType           // a message that servers must not answer (RFC 9915 §16)
	DropUnicast        // a client's own message to our unicast address
	DropRelay          // a relay that is not believed
	DropClientID       // Client Identifier missing or of impossible length
	DropServerID       // Server Identifier missing, not allowed, or another server's
	DropIA             // Information-request with an IA (RFC 9915 §16.12)
	DropLink           // no link is configured for where it came from
	DropSize           // the reply could outgrow its buffer
	DropMismatch       // identity.on-mismatch = "drop"
	DropUnknown        // unknown-clients = "ignore"
	DropNoAnswer       // the protocol has no answer: Confirm without knowledge of the link
	numDrops
)

var dropNames = [numDrops]string{
	"", "malformed", "interface-not-served", "message-type", "unicast", "relay-not-believed", "client-id", "server-id", "ia-in-information-request",
	"no-link", "too-big", "identity-mismatch", "unknown-client", "no-answer",
}

// String returns the reason as it appears in counters and metrics.
func (d Drop) String() string { return dropNames[d] }

// NumTypes is one more than the largest message type that is counted by itself; larger ones count as type 0.
const NumTypes = 14

// Counters is how many packets a worker, or all of them together, have seen, by what became of them.
type Counters struct {
	Received    [NumTypes]uint64              // by type of the client's message
	Answered    [NumTypes]uint64              // by type of the client's message
	Dropped     [numDrops]uint64              // by Drop
	Source      [config.SourceDUID + 1]uint64 // answered from a lease, by where its MAC was found
	Relayed     uint64                        // received inside a Relay-forward
	Unknown     uint64                        // clients without a lease on their link
	Mismatch    uint64                        // DUID claims another MAC than an authoritative source
	BadOption79 uint64                        // option 79 that is not an Ethernet address, passed over
	Declined    uint64                        // Decline of the leased address: somebody else uses it
	Trimmed     uint64                        // answers without some option, which the interface's MTU has no room for
}

// numCounters is the number of counters in the flat form.
const numCounters = 2*NumTypes + int(numDrops) + int(config.SourceDUID) + 1 + 6

// counters is a worker's own account. The worker adds to pending with plain adds; publish moves what has gathered to
// the shared, atomically read form once a batch, so that the packet path touches no shared memory.
type counters struct {
	pending Counters
	shared  [numCounters]atomic.Uint64
}

// publish makes what has gathered since the last call visible to readers.
func (c *counters) publish() {
	i := 0
	c.pending.each(func(n *uint64) {
		if *n != 0 {
			c.shared[i].Add(*n)
			*n = 0
		}
		i++
	})
}

// addTo adds the published counters to sum. Any goroutine may call it.
func (c *counters) addTo(sum *Counters) {
	i := 0
	sum.each(func(n *uint64) {
		*n += c.shared[i].Load()
		i++
	})
}

// each visits every counter in a fixed order. fn must not escape.
func (c *Counters) each(fn func(*uint64)) {
	for i := range c.Received {
		fn(&c.Received[i])
	}
	for i := range c.Answered {
		fn(&c.Answered[i])
	}
	for i := range c.Dropped {
		fn(&c.Dropped[i])
	}
	for i := range c.Source {
		fn(&c.Source[i])
	}
	fn(&c.Relayed)
	fn(&c.Unknown)
	fn(&c.Mismatch)
	fn(&c.BadOption79)
	fn(&c.Declined)
	fn(&c.Trimmed)
}

// typeIndex is where messages of type t are counted.
func typeIndex(t byte) byte {
	if t >= NumTypes {
		return 0
	}
	return t
}

// typeNames name the messages of a client (RFC 9915 §7.3); the others are counted as type 0.
var typeNames = [NumTypes]string{
	"other", "solicit", "advertise", "request", "confirm", "renew", "rebind", "reply", "release", "decline", "reconfigure",
	"information-request", "relay-forward", "relay-reply",
}

var sourceNames = [config.SourceDUID + 1]string{"none", "option-79", "frame", "eui-64", "duid"}

// All visits the counters that are not zero, by name: "received.solicit", "dropped.malformed", "source.frame".
func (c *Counters) All() iter.Seq2[string, uint64] {
	type group struct {
		prefix string
		names  []string
		counts []uint64
	}
	groups := []group{
		{"received.", typeNames[:], c.Received[:]}, {"answered.", typeNames[:], c.Answered[:]},
		{"dropped.", dropNames[:], c.Dropped[:]}, {"source.", sourceNames[:], c.Source[:]},
		{"", []string{"relayed", "unknown", "mismatch", "bad-option-79", "declined", "trimmed"},
			[]uint64{c.Relayed, c.Unknown, c.Mismatch, c.BadOption79, c.Declined, c.Trimmed}},
	}
	return func(yield func(string, uint64) bool) {
		for _, g := range groups {
			for i, n := range g.counts {
				if n != 0 && !yield(g.prefix+g.names[i], n) {
					return
				}
			}
		}
	}
}
