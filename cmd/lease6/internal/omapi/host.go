package omapi

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lease6/lease6/cmd/lease6/internal/show"
	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/leases/isc"
	"github.com/lease6/lease6/server/omapi/client"
	"github.com/lease6/lease6/server/omapi/codec"
)

func createCommand() *cobra.Command {
	var s server
	var f hostFlags
	c := &cobra.Command{
		Use:   "create --server HOST --mac MAC --address ADDRESS [--name NAME]",
		Short: "Create a host",
		Long: `create creates a host and prints it as the server has it. Without --name the server makes one up.

Exit status: 0 created, 1 no such group, 2 refused, 3 could not tell.`,
		Example: `  lease6 omapi create --server 127.0.0.1 --name vm1 --mac 52-54-00-12-34-56 --address 2001:db8:1::10
  lease6 omapi create --server 127.0.0.1 --mac 525400123457 --address 2001:db8:1::11 --group dns \
      --statement 'option dhcp6.name-servers 2001:db8::53;' --statement 'default-lease-time 3600;'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := f.host("")
			if err != nil {
				return err
			}
			if h.Hardware == nil && h.Identifier == nil {
				return errors.New("a host needs --mac or --client-id, or no client can be told to be it")
			}
			return s.session(cmd, func(conn *client.Conn) error {
				created, err := conn.Create(h)
				switch {
				case client.IsNotFound(err) && h.Group != "":
					return fmt.Errorf("create host %q: is there no group %q? %w", h.Name, h.Group, err)
				case isRefusal(err, codec.AlreadyExists):
					return fmt.Errorf("create host %q: %w\n  change the host of this name with lease6 omapi update, or delete it first", h.Name, err)
				case err != nil:
					return fmt.Errorf("create host %q: %w", h.Name, err)
				}
				return s.print(cmd.OutOrStdout(), created)
			})
		},
	}
	s.flags(c)
	c.Flags().StringVar(&f.name, "name", "", "name of the host")
	f.flags(c, "")
	return c
}

func getCommand() *cobra.Command {
	var s server
	var k hostFlags
	c := &cobra.Command{
		Use:   "get --server HOST --name NAME | --mac MAC | --address ADDRESS | --client-id HEX",
		Short: "Look up a host",
		Long: `get prints the one host that all given keys name. Servers do not tell a host's group and statements; they are in the
lease file. ISC dhcpd -6 finds no host by its address.

Exit status: 0 found, 1 no such host, 2 refused, 3 could not tell.`,
		Example: `  lease6 omapi get --server 127.0.0.1 --mac 52:54:00:12:34:56
  lease6 omapi get --server 127.0.0.1 --address 2001:db8:1::10 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			by, err := k.key()
			if err != nil {
				return err
			}
			return s.session(cmd, func(conn *client.Conn) error {
				h, err := find(conn, by)
				if err != nil {
					return err
				}
				return s.print(cmd.OutOrStdout(), h)
			})
		},
	}
	s.flags(c)
	k.keyFlags(c)
	c.Flags().StringArrayVar(&k.addresses, "address", nil, "address of the host (lease6d only)")
	return c
}

func updateCommand() *cobra.Command {
	var s server
	var k, f hostFlags
	c := &cobra.Command{
		Use:   "update --server HOST (--name NAME | --mac MAC | --client-id HEX) --new-address ADDRESS",
		Short: "Change a host",
		Long: `update changes what is given as --new-… of a host, in one step, and leaves the rest. The name of a host cannot be
changed.

Exit status: 0 changed, 1 no such host, 2 refused, 3 could not tell.`,
		Example: `  lease6 omapi update --server 127.0.0.1 --name vm1 --new-address 2001:db8:1::12
  lease6 omapi update --server 127.0.0.1 --mac 52:54:00:12:34:56 --new-statement 'default-lease-time 600;'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			by, err := k.key()
			if err != nil {
				return err
			}
			h, err := f.host("new-")
			if err != nil {
				return err
			}
			if f.empty() {
				return errors.New("nothing to change: give --new-address, --new-mac, --new-client-id, --new-group or --new-statement")
			}
			return s.session(cmd, func(conn *client.Conn) error {
				old, err := find(conn, by)
				if err != nil {
					return err
				}
				err = conn.Update(old.Handle, h)
				switch {
				case isRefusal(err, codec.AlreadyExists):
					return fmt.Errorf("update host %q: %w\n  of what a host has, ISC dhcpd changes only addresses: delete the host, and create it anew", old.Name, err)
				case err != nil:
					return fmt.Errorf("update host %q: %w", old.Name, err)
				}
				changed, err := conn.Find(&client.Host{Name: old.Name})
				if err != nil {
					return fmt.Errorf("look at host %q, which is updated: %w", old.Name, err)
				}
				return s.print(cmd.OutOrStdout(), changed)
			})
		},
	}
	s.flags(c)
	k.keyFlags(c)
	f.flags(c, "new-")
	return c
}

func deleteCommand() *cobra.Command {
	var s server
	var k hostFlags
	c := &cobra.Command{
		Use:   "delete --server HOST --name NAME | --mac MAC | --client-id HEX",
		Short: "Delete a host",
		Long: `delete deletes the one host that all given keys name, and prints what it was.

Exit status: 0 deleted, 1 no such host, 2 refused, 3 could not tell.`,
		Example: `  lease6 omapi delete --server 127.0.0.1 --name vm1`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			by, err := k.key()
			if err != nil {
				return err
			}
			return s.session(cmd, func(conn *client.Conn) error {
				h, err := find(conn, by)
				if err != nil {
					return err
				}
				if err := conn.Delete(h.Handle); err != nil {
					return fmt.Errorf("delete host %q: %w", h.Name, err)
				}
				return s.print(cmd.OutOrStdout(), h)
			})
		},
	}
	s.flags(c)
	k.keyFlags(c)
	return c
}

// find finds the host that the keys name.
func find(conn *client.Conn, by *client.Host) (*client.Host, error) {
	h, err := conn.Find(by)
	switch {
	case client.IsNotFound(err) && len(by.Addresses) > 0:
		return nil, fmt.Errorf("look up host: %w\n  ISC dhcpd -6 finds no host by its address: look it up by --name or --mac there", err)
	case err != nil:
		return nil, fmt.Errorf("look up host: %w", err)
	}
	return h, nil
}

// hostFlags is what flags say about a host.
type hostFlags struct {
	name, mac, identifier, group string
	addresses, statements        []string
}

func (f *hostFlags) empty() bool {
	return f.mac == "" && f.identifier == "" && f.group == "" && len(f.addresses)+len(f.statements) == 0
}

// flags adds the flags that set what a host has.
func (f *hostFlags) flags(c *cobra.Command, prefix string) {
	c.Flags().StringVar(&f.mac, prefix+"mac", "", "MAC of the NIC (any common form)")
	c.Flags().StringArrayVar(&f.addresses, prefix+"address", nil, "address; repeat it for several")
	c.Flags().StringVar(&f.identifier, prefix+"client-id", "", "client identifier (DUID) in hexadecimal")
	c.Flags().StringVar(&f.group, prefix+"group", "", "group whose statements the host shares")
	c.Flags().StringArrayVar(&f.statements, prefix+"statement", nil, "statement such as 'option dhcp6.name-servers 2001:db8::53;'; repeat it for several")
}

// keyFlags adds the flags by which any server finds a host.
func (f *hostFlags) keyFlags(c *cobra.Command) {
	c.Flags().StringVar(&f.name, "name", "", "name of the host")
	c.Flags().StringVar(&f.mac, "mac", "", "MAC of the host (any common form)")
	c.Flags().StringVar(&f.identifier, "client-id", "", "client identifier (DUID) of the host in hexadecimal")
}

// key is what names a host.
func (f *hostFlags) key() (*client.Host, error) {
	if f.name == "" && f.empty() {
		return nil, errors.New("which host? give its --name, --mac or --client-id")
	}
	if len(f.addresses) > 1 {
		return nil, errors.New("--address: one is enough to find a host")
	}
	return f.host("")
}

// host reads the flags.
func (f *hostFlags) host(prefix string) (*client.Host, error) {
	h := &client.Host{Name: f.name, Group: f.group}
	if f.mac != "" {
		m, err := leases.ParseMAC(f.mac)
		if err != nil {
			return nil, fmt.Errorf("--%smac: %w", prefix, err)
		}
		h.Hardware, h.HardwareType = m[:], isc.Ethernet
	}
	if f.identifier != "" {
		var err error
		if h.Identifier, err = hex.DecodeString(strings.NewReplacer(":", "", "-", "", " ", "").Replace(f.identifier)); err != nil {
			return nil, fmt.Errorf("--%sclient-id %q: want hexadecimal, as in 00:03:00:01:52:54:00:12:34:56", prefix, f.identifier)
		}
	}
	for _, text := range f.addresses {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return nil, fmt.Errorf("--%saddress %q: want an address, as in 2001:db8:1::10", prefix, text)
		}
		if a.Is4() && len(f.addresses) > 1 {
			return nil, fmt.Errorf("--%saddress %s: an IPv4 address cannot be one of several", prefix, a)
		}
		h.Addresses = append(h.Addresses, a.AsSlice()...)
	}
	for _, text := range f.statements {
		if text = strings.TrimSpace(text); !strings.HasSuffix(text, ";") && !strings.HasSuffix(text, "}") {
			text += ";"
		}
		h.Statements = strings.TrimPrefix(h.Statements+"\n"+text, "\n")
	}
	return h, nil
}

// jsonHost is a host as the commands show it.
type jsonHost struct {
	Name         string       `json:"name"`
	MAC          string       `json:"mac,omitempty"`
	HardwareType uint16       `json:"hardware_type,omitempty"`
	Addresses    []netip.Addr `json:"addresses"`
	ClientID     string       `json:"client_id,omitempty"`
}

func shown(h *client.Host) jsonHost {
	return jsonHost{h.Name, show.Hex(h.Hardware), h.HardwareType, show.Addresses(h.Addresses), show.Hex(h.Identifier)}
}

// print writes a host as text or JSON.
func (s *server) print(w io.Writer, h *client.Host) error {
	v := shown(h)
	if s.json {
		return show.JSON(w, v)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "name\t%s\n", show.Printable(v.Name))
	if v.MAC != "" {
		fmt.Fprintf(t, "mac\t%s\n", v.MAC)
	}
	if v.HardwareType > isc.Ethernet {
		fmt.Fprintf(t, "hardware-type\t%d\n", v.HardwareType)
	}
	for _, a := range v.Addresses {
		fmt.Fprintf(t, "address\t%v\n", a)
	}
	if v.ClientID != "" {
		fmt.Fprintf(t, "client-id\t%s\n", v.ClientID)
	}
	return t.Flush()
}
