package clients

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
)

const networkManagerConf = `[main]
plugins=keyfile
dhcp=internal
dns=none
rc-manager=unmanaged
auth-polkit=false
no-auto-default=*
[logging]
level=INFO
domains=ALL,DHCP6:DEBUG
[keyfile]
unmanaged-devices=none
`

// NetworkManager is NetworkManager with its internal client. By default its DUID is a DUID-UUID made from the machine
// id: one for all NICs, and one for all clones of a template.
func NetworkManager() Client {
	return Client{Name: "NetworkManager", Program: "NetworkManager", Start: startNetworkManager, Crash: kill}
}

func startNetworkManager(ctx context.Context, m *netlab.Machine, nics []string, id Identity) (*netlab.Process, error) {
	if err := systemBus(ctx, m); err != nil {
		return nil, err
	}
	if err := m.WriteFile("/etc/NetworkManager/NetworkManager.conf", []byte(networkManagerConf), 0o644); err != nil {
		return nil, err
	}
	duid := ""
	switch {
	case id.LinkLayer:
		duid = "dhcp-duid=ll\n"
	case id.DUID != nil:
		duid = "dhcp-duid=" + colons(id.DUID) + "\n"
	}
	for i, nic := range nics {
		conf := fmt.Sprintf("[connection]\nid=%s\nuuid=00000000-0000-0000-0000-%012d\ntype=ethernet\ninterface-name=%s\n"+
			"[ipv4]\nmethod=disabled\n[ipv6]\nmethod=dhcp\naddr-gen-mode=0\n%s", nic, i+1, nic, duid)
		if err := m.WriteFile("/etc/NetworkManager/system-connections/"+nic+".nmconnection", []byte(conf), 0o600); err != nil {
			return nil, err
		}
	}
	if _, err := m.Run(ctx, "mkdir", "-p", "/run/NetworkManager", "/var/lib/NetworkManager"); err != nil {
		return nil, err
	}
	return m.Start("NetworkManager", "--no-daemon")
}

// systemBus starts D-Bus, unless the machine has it already.
func systemBus(ctx context.Context, m *netlab.Machine) error {
	const socket = "/run/dbus/system_bus_socket"
	if _, err := os.Stat(m.Path(socket)); err == nil {
		return nil
	}
	if _, err := exec.LookPath("dbus-daemon"); err != nil {
		return fmt.Errorf("clients: NetworkManager needs D-Bus: %w", err)
	}
	if _, err := m.Run(ctx, "mkdir", "-p", "/run/dbus"); err != nil {
		return err
	}
	bus, err := m.Start("dbus-daemon", "--system", "--nofork", "--nopidfile")
	if err != nil {
		return err
	}
	return netlab.Await(ctx, "D-Bus on "+m.Name, func() (bool, error) {
		if bus.Ended() {
			return false, errors.New(bus.Output())
		}
		_, err := os.Stat(m.Path(socket))
		return err == nil, nil
	})
}
