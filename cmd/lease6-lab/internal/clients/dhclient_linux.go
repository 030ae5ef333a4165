package clients

import (
	"context"
	"fmt"
	"strings"
	"syscall"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
)

// dhclientHook tells dhclient of duplicate addresses, as the scripts of ISC and Red Hat do and that of Debian does not:
// status 3 makes it send a Decline. The kernel deletes an address that fails, if it has a lifetime.
const dhclientHook = `if [ -n "$new_ip6_address" ]; then
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		now=$(ip -6 -o address show dev "$interface" to "$new_ip6_address/128")
		case $now in
		"" | *dadfailed*) exit 3 ;;
		*tentative*) sleep 0.1 ;;
		*) break ;;
		esac
	done
fi
`

const (
	dhclientConf   = "/etc/dhcp/dhclient6.conf"
	dhclientLeases = "/var/lib/dhcp/dhclient6.leases"
	dhclientPid    = "/run/dhclient6.pid"
)

// Dhclient is the client of ISC. One process serves all NICs, with one DUID.
func Dhclient() Client { return dhclient("dhclient", "") }

// DhclientPerNIC is Dhclient configured to send each NIC's own DUID-LL, whatever DUID is in its lease file.
func DhclientPerNIC() Client {
	// "hardware" begins with the hardware type, so that only the first three bytes stand before it.
	return dhclient("dhclient per NIC", "send dhcp6.client-id = concat(00:03:00, hardware);\n")
}

// Claimant is a Dhclient whose configuration says any DUID that its user likes.
func Claimant(duid []byte) Client {
	return dhclient("dhclient", "send dhcp6.client-id "+colons(duid)+";\n")
}

func dhclient(name, conf string) Client {
	// dhclient does not wait for link-local addresses longer than a blink, and fails.
	start := func(ctx context.Context, m *netlab.Machine, nics []string, id Identity) (*netlab.Process, error) {
		for _, nic := range nics {
			if err := m.AwaitLinkLocal(ctx, nic); err != nil {
				return nil, err
			}
		}
		if err := m.WriteFile(dhclientConf, []byte(conf), 0o644); err != nil {
			return nil, err
		}
		if err := m.WriteFile("/etc/dhcp/dhclient-exit-hooks.d/duplicate", []byte(dhclientHook), 0o644); err != nil {
			return nil, err
		}
		leases := ""
		if id.DUID != nil {
			leases = "default-duid " + octalQuoted(id.DUID) + ";\n"
		}
		if err := m.WriteFile(dhclientLeases, []byte(leases), 0o644); err != nil {
			return nil, err
		}
		args := dhclientArgs("-d", "-v")
		if id.LinkLayer {
			args = append(args, "-D", "LL")
		}
		return m.Start(append(args, nics...)...)
	}
	release := func(ctx context.Context, m *netlab.Machine, nics []string, p *netlab.Process) error {
		// The second process reads the lease from the file; the first must not get hold of the answer.
		if err := p.Stop(ctx, syscall.SIGKILL); err != nil {
			return err
		}
		_, err := m.Run(ctx, append(dhclientArgs("-r", "-v"), nics...)...)
		return err
	}
	return Client{Name: name, Program: "dhclient", Start: start, Crash: kill, Release: release}
}

func dhclientArgs(more ...string) []string {
	return append([]string{"dhclient", "-6", "-cf", dhclientConf, "-lf", dhclientLeases, "-pf", dhclientPid}, more...)
}

// octalQuoted writes bytes as strings in ISC lease files: printable bytes as they are, others in octal.
func octalQuoted(b []byte) string {
	var s strings.Builder
	s.WriteByte('"')
	for _, c := range b {
		switch {
		case c == '"' || c == '\\':
			s.WriteByte('\\')
			s.WriteByte(c)
		case c >= ' ' && c <= '~':
			s.WriteByte(c)
		default:
			fmt.Fprintf(&s, "\\%03o", c)
		}
	}
	s.WriteByte('"')
	return s.String()
}
