package main

import (
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lease6/lease6/cmd/lease6/internal/show"
	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/leases/isc"
)

// filter chooses hosts; its zero value chooses all.
type filter struct {
	mac     *leases.MAC
	name    string
	address netip.Addr
	network netip.Prefix
}

func leasesListCommand() *cobra.Command {
	var mac, name, address, network string
	var asJSON bool
	c := &cobra.Command{
		Use:   "list FILE",
		Short: "List the hosts of a lease file",
		Long: `list prints the live hosts of a lease file, one a line, in the order of the file. "-" reads standard input.

Exit status: 0, or 1 if a filter was given and no host matches, or 2 if the file cannot be read.`,
		Example: `  lease6 leases list dhcpd6.leases --mac 52:54:00:12:34:56
  lease6 leases list dhcpd6.leases --name '005056*_host'
  lease6 leases list dhcpd6.leases --address 2001:db8:1::10
  lease6 leases list dhcpd6.leases --network 2001:db8:1::/64 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := parseFilter(mac, name, address, network)
			if err != nil {
				return err
			}
			ix, _, err := show.Load(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			rows := f.rows(ix)
			if asJSON {
				err = show.JSON(cmd.OutOrStdout(), rows)
			} else {
				err = printRows(cmd.OutOrStdout(), rows)
			}
			if err == nil && len(rows) == 0 && f != (filter{}) {
				return show.Warning
			}
			return err
		},
	}
	c.Flags().StringVar(&mac, "mac", "", "only hosts of this MAC (any common form)")
	c.Flags().StringVar(&name, "name", "", "only hosts of this name; * and ? match as in a shell")
	c.Flags().StringVar(&address, "address", "", "only hosts with this address")
	c.Flags().StringVar(&network, "network", "", "only hosts with an address in this prefix")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func parseFilter(mac, name, address, network string) (f filter, err error) {
	if mac != "" {
		m, err := leases.ParseMAC(mac)
		if err != nil {
			return f, fmt.Errorf("--mac %q: %w", mac, err)
		}
		f.mac = &m
	}
	if name != "" {
		if _, err := filepath.Match(name, ""); err != nil {
			return f, fmt.Errorf("--name %q: %w", name, err)
		}
		f.name = name
	}
	if address != "" {
		if f.address, err = netip.ParseAddr(address); err != nil {
			return f, fmt.Errorf("--address: %w", err)
		}
	}
	if network != "" {
		if f.network, err = netip.ParsePrefix(network); err != nil {
			return f, fmt.Errorf("--network: %w", err)
		}
	}
	return f, nil
}

// row is one host as list shows it.
type row struct {
	Name       string       `json:"name"`
	MAC        string       `json:"mac"`
	Addresses  []netip.Addr `json:"addresses"`
	Group      string       `json:"group,omitempty"`
	Statements []string     `json:"statements,omitempty"`
	Hardware   uint16       `json:"hardware_type"`
}

func (f *filter) rows(ix *leases.Index) []row {
	rows := []row{}
	for id := range ix.All() {
		h := ix.Host(id)
		r := row{Name: h.Name, MAC: show.Hex(h.Hardware), Addresses: show.Addresses(h.Addresses), Group: h.Group, Hardware: h.HardwareType}
		for _, s := range h.Statements {
			r.Statements = append(r.Statements, s.Text)
		}
		if f.matches(&h, r.Addresses) {
			rows = append(rows, r)
		}
	}
	return rows
}

func (f *filter) matches(h *isc.Host, addrs []netip.Addr) bool {
	if f.mac != nil && string(h.Hardware) != string(f.mac[:]) {
		return false
	}
	if f.name != "" {
		// The pattern was checked by parseFilter.
		if ok, _ := filepath.Match(f.name, h.Name); !ok && f.name != h.Name {
			return false
		}
	}
	if f.address.IsValid() && !contains(addrs, func(a netip.Addr) bool { return a == f.address }) {
		return false
	}
	return !f.network.IsValid() || contains(addrs, f.network.Contains)
}

func contains(addrs []netip.Addr, ok func(netip.Addr) bool) bool {
	for _, a := range addrs {
		if ok(a) {
			return true
		}
	}
	return false
}

func printRows(w io.Writer, rows []row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tMAC\tADDRESS")
	for _, r := range rows {
		text := make([]string, len(r.Addresses))
		for i, a := range r.Addresses {
			text[i] = a.String()
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", show.Printable(r.Name), show.Dash(r.MAC), show.Dash(strings.Join(text, " ")))
	}
	return t.Flush()
}

// addresses returns the IPv6 addresses of a host.
func addresses(ix *leases.Index, id leases.ID) []netip.Addr {
	var all []netip.Addr
	for i := 0; ; i++ {
		a, ok := ix.Addr(id, i)
		if !ok {
			return all
		}
		all = append(all, netip.AddrFrom16(a))
	}
}

func hasMAC(ix *leases.Index, id leases.ID) bool {
	h := ix.Host(id)
	return h.HardwareType == isc.Ethernet && len(h.Hardware) == 6
}
