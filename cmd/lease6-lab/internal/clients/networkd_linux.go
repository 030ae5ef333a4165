package clients

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
)

// Networkd is systemd-networkd. By default its DUID is made from the machine id: one for all NICs, and one for all
// clones of a template.
func Networkd() Client {
	return Client{Name: "systemd-networkd", Program: "/lib/systemd/systemd-networkd", Start: startNetworkd, Crash: kill}
}

func startNetworkd(ctx context.Context, m *netlab.Machine, nics []string, id Identity) (*netlab.Process, error) {
	duid := ""
	switch {
	case id.LinkLayer:
		duid = "DUIDType=link-layer\n"
	case len(id.DUID) > 2:
		duid = fmt.Sprintf("DUIDType=%s\nDUIDRawData=%s\n", networkdType(id.DUID), colons(id.DUID[2:]))
	}
	for _, nic := range nics {
		// WithoutRA: the lab has no router that would tell it to use DHCPv6.
		conf := "[Match]\nName=" + nic + "\n[Network]\nDHCP=ipv6\nIPv6AcceptRA=no\nLinkLocalAddressing=ipv6\nKeepConfiguration=no\n" +
			"[DHCPv6]\nWithoutRA=solicit\n" + duid
		if err := m.WriteFile("/run/systemd/network/10-"+nic+".network", []byte(conf), 0o644); err != nil {
			return nil, err
		}
	}
	if _, err := m.Run(ctx, "install", "-d", "-o", "systemd-network", "-g", "systemd-network",
		"/run/systemd/netif", "/run/systemd/netif/links", "/run/systemd/netif/leases", "/run/systemd/netif/lldp"); err != nil {
		return nil, err
	}
	return m.Start("/lib/systemd/systemd-networkd")
}

// networkdType names the type of a DUID as systemd.network(5) wants it.
func networkdType(duid []byte) string {
	switch t := binary.BigEndian.Uint16(duid); t {
	case 1:
		return "link-layer-time"
	case 2:
		return "vendor"
	case 3:
		return "link-layer"
	case 4:
		return "uuid"
	default:
		return fmt.Sprint(t)
	}
}
