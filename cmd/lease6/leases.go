package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/leases/isc"
)

func leasesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "leases",
		Short: "Check, list and format an ISC lease file",
		Example: `  lease6 leases check /var/lib/dhcp/dhcpd6.leases
  lease6 leases list /var/lib/dhcp/dhcpd6.leases --network 2001:db8:1::/64
  lease6 leases fmt /var/lib/dhcp/dhcpd6.leases > clean.leases`,
	}
	c.AddCommand(leasesCheckCommand(), leasesListCommand(), leasesFmtCommand())
	return c
}

func leasesCheckCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "check FILE",
		Short: "Say what is wrong with a lease file, and what lease6d makes of it",
		Long: `check reads a lease file as lease6d does and prints every problem with its place, what was found and what is
done about it, and a summary. "-" reads standard input.

Exit status: 0 nothing to say, 1 warnings only, 2 something is not served or the file cannot be read.`,
		Example: `  lease6 leases check /var/lib/dhcp/dhcpd6.leases
  lease6 leases check --json - < dhcpd6.leases | jq .summary`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ix, diagnostics, err := load(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			s := summarize(args[0], ix, diagnostics)
			if asJSON {
				err = writeJSON(cmd.OutOrStdout(), checkReport{Summary: s, Diagnostics: jsonDiagnostics(diagnostics)})
			} else {
				err = printCheck(cmd.OutOrStdout(), s, diagnostics)
			}
			if err != nil {
				return err
			}
			return s.status()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// load reads a lease file, or standard input if its name is "-".
func load(name string, stdin io.Reader) (*leases.Index, []isc.Diagnostic, error) {
	if name == "-" {
		return leases.Load(stdin, leases.LoadOptions{File: "standard input"})
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, fmt.Errorf("read leases: %w", err)
	}
	defer f.Close()
	return leases.Load(f, leases.LoadOptions{File: name})
}

// checkSummary is what check says at the end.
type checkSummary struct {
	File      string `json:"file"`
	Hosts     int    `json:"hosts"`
	Served    int    `json:"served"`     // hosts with an Ethernet MAC and an IPv6 address
	Addresses int    `json:"addresses"`  // IPv6 addresses of served hosts
	NotServed int    `json:"not_served"` // hosts without a MAC or without an IPv6 address
	Warnings  int    `json:"warnings"`
	Errors    int    `json:"errors"`
}

func summarize(name string, ix *leases.Index, diagnostics []isc.Diagnostic) checkSummary {
	s := checkSummary{File: name, Hosts: ix.Len()}
	for id := range ix.All() {
		n := len(addresses(ix, id))
		if n == 0 || !hasMAC(ix, id) {
			s.NotServed++
			continue
		}
		s.Served++
		s.Addresses += n
	}
	for _, d := range diagnostics {
		if d.Severity == isc.Error {
			s.Errors++
		} else {
			s.Warnings++
		}
	}
	return s
}

func (s *checkSummary) status() error {
	switch {
	case s.Errors > 0:
		return exitStatus(exitError)
	case s.Warnings > 0:
		return exitStatus(exitWarning)
	}
	return nil
}

type checkReport struct {
	Summary     checkSummary     `json:"summary"`
	Diagnostics []jsonDiagnostic `json:"diagnostics"`
}

type jsonDiagnostic struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Host     string `json:"host,omitempty"`
	Found    string `json:"found"`
	Done     string `json:"done"`
}

func jsonDiagnostics(diagnostics []isc.Diagnostic) []jsonDiagnostic {
	all := make([]jsonDiagnostic, 0, len(diagnostics))
	for _, d := range diagnostics {
		all = append(all, jsonDiagnostic{d.File, d.Pos.Line, d.Pos.Col, d.Severity.String(), d.Code, d.Host, d.Found, d.Done})
	}
	return all
}

func printCheck(w io.Writer, s checkSummary, diagnostics []isc.Diagnostic) error {
	for _, d := range diagnostics {
		if _, err := fmt.Fprintln(w, d); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s: %d hosts, %d served with %d addresses, %d not served; %d errors, %d warnings\n",
		s.File, s.Hosts, s.Served, s.Addresses, s.NotServed, s.Errors, s.Warnings)
	return err
}

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
			ix, _, err := load(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			rows := f.rows(ix)
			if asJSON {
				err = writeJSON(cmd.OutOrStdout(), rows)
			} else {
				err = printRows(cmd.OutOrStdout(), rows)
			}
			if err == nil && len(rows) == 0 && f != (filter{}) {
				return exitStatus(exitWarning)
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
	Name      string       `json:"name"`
	MAC       string       `json:"mac"`
	Addresses []netip.Addr `json:"addresses"`
	Group     string       `json:"group,omitempty"`
	Hardware  uint16       `json:"hardware_type"`
}

func (f *filter) rows(ix *leases.Index) []row {
	rows := []row{}
	for id := range ix.All() {
		h := ix.Host(id)
		r := row{Name: h.Name, MAC: formatHardware(h.Hardware), Addresses: hostAddresses(h.Addresses), Group: h.Group, Hardware: h.HardwareType}
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
		fmt.Fprintf(t, "%s\t%s\t%s\n", printable(r.Name), dash(r.MAC), dash(strings.Join(text, " ")))
	}
	return t.Flush()
}

// printable keeps control characters of a hostile file off the terminal.
func printable(s string) string {
	if q := fmt.Sprintf("%q", s); q != `"`+s+`"` {
		return q
	}
	return s
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
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

// hostAddresses reads the bytes of all fixed addresses of a host: 4 bytes are an IPv4 address sent by mistake.
func hostAddresses(b []byte) []netip.Addr {
	all := []netip.Addr{}
	if len(b)%16 == 4 {
		all = append(all, netip.AddrFrom4([4]byte(b[len(b)-4:])))
		b = b[:len(b)-4]
	}
	for ; len(b) >= 16; b = b[16:] {
		all = append(all, netip.AddrFrom16([16]byte(b)))
	}
	return all
}

func hasMAC(ix *leases.Index, id leases.ID) bool {
	h := ix.Host(id)
	return h.HardwareType == isc.Ethernet && len(h.Hardware) == 6
}

func formatHardware(b []byte) string {
	text := hex.EncodeToString(b)
	var sb strings.Builder
	for i := 0; i < len(text); i += 2 {
		if i > 0 {
			sb.WriteByte(':')
		}
		sb.WriteString(text[i : i+2])
	}
	return sb.String()
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func leasesFmtCommand() *cobra.Command {
	var write bool
	c := &cobra.Command{
		Use:   "fmt FILE",
		Short: "Write the canonical text of a lease file",
		Long: `fmt prints a lease file the way ISC dhcpd would write it afresh: one record for each live host, in the order of
the file, statements and records that are not hosts kept as they are. What is damaged beyond reading is left out and
told on standard error. With --write the file itself is replaced, atomically, and the old one kept as FILE~; nothing is
replaced if anything would be lost. "-" reads standard input.`,
		Example: `  lease6 leases fmt dhcpd6.leases > clean.leases
  lease6 leases fmt --write dhcpd6.leases`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if write {
				return fmtInPlace(cmd, args[0])
			}
			in, err := open(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			defer in.Close()
			out := bufio.NewWriter(cmd.OutOrStdout())
			diagnostics, err := leases.Format(out, in, args[0])
			if err := errors.Join(err, out.Flush()); err != nil {
				return err
			}
			return tell(cmd.ErrOrStderr(), diagnostics)
		},
	}
	c.Flags().BoolVar(&write, "write", false, "replace the file")
	return c
}

func open(name string, stdin io.Reader) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(stdin), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read leases: %w", err)
	}
	return f, nil
}

// tell prints diagnostics and returns the exit status for the worst.
func tell(w io.Writer, diagnostics []isc.Diagnostic) error {
	var s checkSummary
	for _, d := range diagnostics {
		fmt.Fprintln(w, d)
		if d.Severity == isc.Error {
			s.Errors++
		}
	}
	return s.status()
}
