// Package demo shows lease6d at work: a datacenter of network namespaces with real DHCPv6 clients and relays, among
// them the cases that other servers get wrong. It tells what happens as it happens, and judges every NIC by the address
// that the kernel shows on it.
package demo

import (
	"errors"
	"io"
	"time"
)

// ErrWrong says that a NIC did not have the address that it should have, or had one that it should not.
var ErrWrong = errors.New("demo: not every verdict is right")

// Options say how the demo runs.
type Options struct {
	Server   string        // path of lease6d
	Leases   string        // lease file to serve; "" writes one
	Stay     bool          // keep the datacenter until the context ends
	Color    bool          // use ANSI colours
	Patience time.Duration // how long the NICs have to come to what they should be; 0 = 25 s
	Out      io.Writer     // where the story goes
}
