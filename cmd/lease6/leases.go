package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

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

// load reads a lease file, or standard input if its name is "-".
func load(name string, stdin io.Reader) (*leases.Index, []isc.Diagnostic, error) {
	o := leases.LoadOptions{File: displayName(name)}
	if info, err := os.Stat(name); err == nil {
		o.Size = info.Size()
	}
	in, err := open(name, stdin)
	if err != nil {
		return nil, nil, err
	}
	defer in.Close()
	return leases.Load(in, o)
}

// displayName is what a file is called in messages.
func displayName(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}

// open opens a file, or standard input if its name is "-".
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

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
