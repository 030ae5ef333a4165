package clients

import (
	"context"
	"encoding/hex"
	"strings"
	"syscall"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
)

// Identity is the DUID that a client shows. The zero Identity leaves it to the client's defaults.
type Identity struct {
	LinkLayer bool   // DUID-LL, made by the client's own means
	DUID      []byte // this one, as found in the image it booted from
}

// Client is a DHCPv6 client that is installed on this machine.
type Client struct {
	Name    string
	Program string // what must be installed

	// Start runs the client for the NICs as on a first boot. It does not wait for an address.
	Start func(ctx context.Context, m *netlab.Machine, nics []string, id Identity) (*netlab.Process, error)
	// Crash ends the client so that it gives nothing back.
	Crash func(ctx context.Context, p *netlab.Process) error
	// Release ends the client in the way that gives its addresses back; nil if it has none.
	Release func(ctx context.Context, m *netlab.Machine, nics []string, p *netlab.Process) error
}

// All returns every client that the lab knows.
func All() []Client {
	return []Client{Dhclient(), Dhcpcd(), Networkd(), NetworkManager(), Dibbler(), Wide()}
}

// colons writes a DUID as most clients want it: "00:03:00:01:…".
func colons(duid []byte) string {
	words := make([]string, len(duid))
	for i := range duid {
		words[i] = hex.EncodeToString(duid[i : i+1])
	}
	return strings.Join(words, ":")
}

// eachNIC writes one block of configuration for each NIC. i counts from 0.
func eachNIC(nics []string, block func(i int, nic string) string) string {
	var b strings.Builder
	for i, nic := range nics {
		b.WriteString(block(i, nic))
	}
	return b.String()
}

// kill is the Crash of clients that are one process.
func kill(ctx context.Context, p *netlab.Process) error { return p.Stop(ctx, syscall.SIGKILL) }

// releaseBySignal is the Release of clients that give addresses back whenever they are asked to end.
func releaseBySignal(signal syscall.Signal) func(context.Context, *netlab.Machine, []string, *netlab.Process) error {
	return func(ctx context.Context, _ *netlab.Machine, _ []string, p *netlab.Process) error {
		return p.Stop(ctx, signal)
	}
}
