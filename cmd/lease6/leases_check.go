package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/lease6/lease6/cmd/lease6/internal/show"
	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/leases/isc"
)

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
			ix, diagnostics, err := show.Load(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			s := summarize(show.FileName(args[0]), ix, diagnostics)
			if asJSON {
				err = show.JSON(cmd.OutOrStdout(), checkReport{Summary: s, Diagnostics: jsonDiagnostics(diagnostics)})
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
	s.count(diagnostics)
	return s
}

func (s *checkSummary) count(diagnostics []isc.Diagnostic) {
	for _, d := range diagnostics {
		if d.Severity == isc.Error {
			s.Errors++
		} else {
			s.Warnings++
		}
	}
}

func (s *checkSummary) status() error {
	switch {
	case s.Errors > 0:
		return show.Error
	case s.Warnings > 0:
		return show.Warning
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
	_, err := fmt.Fprintf(w, "%s: %s, %d served with %s, %d not served; %s, %s\n", s.File, show.Count(s.Hosts, "host"), s.Served,
		show.Count(s.Addresses, "address"), s.NotServed, show.Count(s.Errors, "error"), show.Count(s.Warnings, "warning"))
	return err
}

// tell prints diagnostics and returns the exit status for the worst.
func tell(w io.Writer, diagnostics []isc.Diagnostic) error {
	for _, d := range diagnostics {
		fmt.Fprintln(w, d)
	}
	var s checkSummary
	s.count(diagnostics)
	return s.status()
}
