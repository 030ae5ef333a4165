package clients

import (
	"context"
	"fmt"
	"strings"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
)

const dhcpcdConf = "/etc/dhcpcd.conf"

// Dhcpcd is the client of Roy Marples, common on Debian derivatives and appliances.
func Dhcpcd() Client {
	return Client{Name: "dhcpcd", Program: "dhcpcd", Start: startDhcpcd, Release: releaseDhcpcd}
}

func startDhcpcd(ctx context.Context, m *netlab.Machine, nics []string, id Identity) (*netlab.Process, error) {
	duid := "duid\n"
	if id.LinkLayer {
		duid = "duid ll\n"
	}
	// Without nodev it waits for udev for ever. Without router solicitations it starts DHCPv6 at once.
	conf := duid + "nodev\nipv6only\nnoipv4\nnoipv6rs\nnoarp\nnohook resolv.conf, hostname\nallowinterfaces " + strings.Join(nics, " ") + "\n" +
		eachNIC(nics, func(i int, nic string) string { return fmt.Sprintf("interface %s\nia_na %d\n", nic, i+1) })
	if err := m.WriteFile(dhcpcdConf, []byte(conf), 0o644); err != nil {
		return nil, err
	}
	if _, err := m.Run(ctx, "find", "/var/lib/dhcpcd", "-type", "f", "-delete"); err != nil {
		return nil, err
	}
	if id.DUID != nil {
		if err := m.WriteFile("/var/lib/dhcpcd/duid", []byte(colons(id.DUID)+"\n"), 0o644); err != nil {
			return nil, err
		}
	}
	return m.Start(dhcpcdArgs(nics, "-B", "-d")...)
}

func releaseDhcpcd(ctx context.Context, m *netlab.Machine, nics []string, _ *netlab.Process) error {
	_, err := m.Run(ctx, dhcpcdArgs(nics, "-k")...)
	return err
}

// dhcpcdArgs is a command line. All must name the same NICs: they decide where the pid file is.
func dhcpcdArgs(nics []string, more ...string) []string {
	return append(append([]string{"dhcpcd", "-6", "-f", dhcpcdConf}, more...), nics...)
}
