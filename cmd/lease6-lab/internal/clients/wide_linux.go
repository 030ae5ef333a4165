package clients

import (
	"context"
	"encoding/binary"
	"fmt"
	"syscall"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
)

// Wide is dhcp6c of WIDE-DHCPv6. It has one DUID for all NICs, and gives its addresses back when it ends.
func Wide() Client {
	return Client{Name: "wide-dhcpv6", Program: "dhcp6c", Start: startWide, Crash: kill, Release: releaseBySignal(syscall.SIGTERM)}
}

func startWide(ctx context.Context, m *netlab.Machine, nics []string, id Identity) (*netlab.Process, error) {
	for _, nic := range nics {
		if err := m.AwaitLinkLocal(ctx, nic); err != nil {
			return nil, err
		}
	}
	const conf = "/etc/wide-dhcpv6/dhcp6c.conf"
	text := eachNIC(nics, func(i int, nic string) string {
		return fmt.Sprintf("interface %s { send ia-na %d; };\nid-assoc na %d { };\n", nic, i, i)
	})
	if err := m.WriteFile(conf, []byte(text), 0o644); err != nil {
		return nil, err
	}
	if _, err := m.Run(ctx, "sh", "-c", "mkdir -p /var/lib/dhcpv6 && rm -f /var/lib/dhcpv6/*"); err != nil {
		return nil, err
	}
	duid, err := wideDUID(m, nics, id)
	if err != nil {
		return nil, err
	}
	if duid != nil {
		// Its length stands before it, in the byte order of the host.
		state := append(binary.NativeEndian.AppendUint16(nil, uint16(len(duid))), duid...)
		if err := m.WriteFile("/var/lib/dhcpv6/dhcp6c_duid", state, 0o644); err != nil {
			return nil, err
		}
	}
	return m.Start(append([]string{"dhcp6c", "-f", "-D", "-c", conf, "-p", "/run/dhcp6c.pid"}, nics...)...)
}

// wideDUID is the DUID to put into the client's file. It has no DUID-LL of its own making.
func wideDUID(m *netlab.Machine, nics []string, id Identity) ([]byte, error) {
	if !id.LinkLayer {
		return id.DUID, nil
	}
	mac, err := m.MAC(nics[0])
	if err != nil {
		return nil, err
	}
	return append([]byte{0, 3, 0, 1}, mac...), nil
}
