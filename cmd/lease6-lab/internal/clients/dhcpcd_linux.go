package clients

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
)

const dhcpcdConf = "/etc/dhcpcd.conf"

// Dhcpcd is the client of Roy Marples, common on Debian derivatives and appliances.
func Dhcpcd() Client {
	return Client{Name: "dhcpcd", Program: "dhcpcd", Start: startDhcpcd, Release: releaseDhcpcd, Crash: crashDhcpcd}
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
	return m.Start(append([]string{"dhcpcd", "-6", "-B", "-d", "-f", dhcpcdConf}, nics...)...)
}

func releaseDhcpcd(ctx context.Context, _ *netlab.Machine, _ []string, p *netlab.Process) error {
	return insist(ctx, p, syscall.SIGALRM)
}

// crashDhcpcd ends dhcpcd without a Release. After a SIGKILL its helpers would go on and keep the port.
func crashDhcpcd(ctx context.Context, p *netlab.Process) error {
	return insist(ctx, p, syscall.SIGTERM)
}

// insist sends a signal until dhcpcd obeys. One that arrives while it runs its hooks is lost.
func insist(ctx context.Context, p *netlab.Process, signal syscall.Signal) error {
	for {
		once, cancel := context.WithTimeout(ctx, time.Second)
		err := p.Stop(once, signal)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}
