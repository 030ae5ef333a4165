package omapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lease6/lease6/cmd/lease6/internal/show"
	"github.com/lease6/lease6/server/omapi/client"
	"github.com/lease6/lease6/server/omapi/record"
)

func listCommand() *cobra.Command {
	var s server
	var file string
	var quiet bool
	c := &cobra.Command{
		Use:   "list --server HOST (--leases FILE | NAME...)",
		Short: "Look up many hosts, and compare a server with a lease file",
		Long: `list looks up the hosts that are named, or every host of a lease file, and says whether the server has the same. OMAPI
has no request for all hosts: what the server has beyond these is not seen. "-" reads the lease file from standard input.

VERDICT is "same"; "differs", with what the server has; "missing": the server has no such host; or, for names without a
lease file, "found".

Exit status: 0 all hosts are there and the same, 1 some are missing or differ, 2 refused, 3 could not tell.`,
		Example: `  lease6 omapi list --server 127.0.0.1 --leases /var/lib/dhcp/dhcpd6.leases --differences
  lease6 omapi list --server dhcp1 --key-file omapi.key vm1 vm2 --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted, err := listed(cmd.InOrStdin(), file, args)
			if err != nil {
				return err
			}
			return s.session(cmd, func(conn *client.Conn) error {
				rows, err := compare(conn, wanted, file != "")
				if err != nil {
					return err
				}
				return s.report(cmd.OutOrStdout(), rows, quiet)
			})
		},
	}
	s.flags(c)
	c.Flags().StringVar(&file, "leases", "", "look up the hosts of this lease file")
	c.Flags().BoolVarP(&quiet, "differences", "d", false, "print only what is missing or differs")
	return c
}

// listed returns the hosts to look up: those of a file, those named, or those named of the file.
func listed(stdin io.Reader, file string, names []string) ([]client.Host, error) {
	var all []client.Host
	if file == "" {
		if len(names) == 0 {
			return nil, errors.New("which hosts? OMAPI cannot list: give --leases FILE or names")
		}
		for _, name := range names {
			all = append(all, client.Host{Name: name})
		}
		return all, nil
	}
	ix, _, err := show.Load(file, stdin)
	if err != nil {
		return nil, err
	}
	named := make(map[string]bool)
	for _, name := range names {
		named[name] = true
	}
	for id := range ix.All() {
		h := ix.Host(id)
		if name := record.RealName(h.Name); len(names) == 0 || named[name] {
			all = append(all, client.Host{Name: name, Hardware: h.Hardware, HardwareType: h.HardwareType, Identifier: h.UID, Addresses: h.Addresses})
			delete(named, name)
		}
	}
	for name := range named {
		return nil, fmt.Errorf("%s has no host %q", show.FileName(file), name)
	}
	return all, nil
}

// listRow is what list says about a host.
type listRow struct {
	jsonHost           // as the file has it, or else the server
	Verdict  string    `json:"verdict"`
	Server   *jsonHost `json:"server,omitempty"` // if it differs
}

// compare looks the hosts up one after the other.
func compare(conn *client.Conn, wanted []client.Host, file bool) ([]listRow, error) {
	rows := []listRow{}
	for i := range wanted {
		w := &wanted[i]
		row := listRow{jsonHost: shown(w)}
		got, err := conn.Find(&client.Host{Name: w.Name})
		switch {
		case client.IsNotFound(err):
			row.Verdict = "missing"
		case err != nil:
			return nil, fmt.Errorf("look up host %q: %w", w.Name, err)
		case !file:
			row = listRow{jsonHost: shown(got), Verdict: "found"}
		case bytes.Equal(got.Hardware, w.Hardware) && got.HardwareType == w.HardwareType && bytes.Equal(got.Identifier, w.Identifier) && bytes.Equal(got.Addresses, w.Addresses):
			row.Verdict = "same"
		default:
			theirs := shown(got)
			row.Verdict, row.Server = "differs", &theirs
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// report prints the rows, and returns the exit status that they amount to.
func (s *server) report(w io.Writer, rows []listRow, quiet bool) error {
	missing, differ := 0, 0
	kept := []listRow{}
	for _, r := range rows {
		switch r.Verdict {
		case "missing":
			missing++
		case "differs":
			differ++
		default:
			if quiet {
				continue
			}
		}
		kept = append(kept, r)
	}
	err := error(nil)
	if s.json {
		err = show.JSON(w, kept)
	} else {
		err = printList(w, kept)
		if err == nil {
			_, err = fmt.Fprintf(w, "%s looked up: %d missing, %d different\n", show.Count(len(rows), "host"), missing, differ)
		}
	}
	if err == nil && missing+differ > 0 {
		return show.Warning
	}
	return err
}

func printList(w io.Writer, rows []listRow) error {
	if len(rows) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tMAC\tADDRESS\tVERDICT")
	line := func(name string, h *jsonHost, verdict string) {
		var text []string
		for _, a := range h.Addresses {
			text = append(text, a.String())
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", show.Printable(name), show.Dash(h.MAC), show.Dash(strings.Join(text, " ")), verdict)
	}
	for i := range rows {
		r := &rows[i]
		line(r.Name, &r.jsonHost, r.Verdict)
		if r.Server != nil {
			line("", r.Server, "on the server")
		}
	}
	return t.Flush()
}
