package clients

import (
	"context"
	"syscall"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
)

// Dibbler is dibbler-client. It has one DUID for all NICs, and gives its addresses back when it ends.
func Dibbler() Client {
	return Client{Name: "dibbler", Program: "dibbler-client", Start: startDibbler, Crash: kill, Release: releaseBySignal(syscall.SIGINT)}
}

func startDibbler(ctx context.Context, m *netlab.Machine, nics []string, id Identity) (*netlab.Process, error) {
	// It does not start on a NIC without a link-local address.
	for _, nic := range nics {
		if err := m.AwaitLinkLocal(ctx, nic); err != nil {
			return nil, err
		}
	}
	conf := "log-level 7\nlog-mode short\n"
	if id.LinkLayer {
		conf += "duid-type duid-ll\n"
	}
	conf += eachNIC(nics, func(_ int, nic string) string { return "iface " + nic + " {\n ia\n}\n" })
	if err := m.WriteFile("/etc/dibbler/client.conf", []byte(conf), 0o644); err != nil {
		return nil, err
	}
	if _, err := m.Run(ctx, "sh", "-c", "mkdir -p /var/lib/dibbler /var/log/dibbler && rm -f /var/lib/dibbler/*"); err != nil {
		return nil, err
	}
	if id.DUID != nil {
		if err := m.WriteFile("/var/lib/dibbler/client-duid", []byte(colons(id.DUID)), 0o644); err != nil {
			return nil, err
		}
	}
	return m.Start("dibbler-client", "run")
}
