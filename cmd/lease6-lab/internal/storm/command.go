package storm

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
)

// Command is the command that boots thousands of VMs at once.
func Command() *cobra.Command {
	var o Options
	var modes []string
	var programs bench.Programs
	var file string
	var quiet bool
	cmd := &cobra.Command{
		Use:   "storm",
		Short: "Boot thousands of VMs at once and see when the last has its address",
		Long: `storm starts a server and has every VM send its Solicit at the same moment, each from a MAC and a link-local address of
its own, on one link or behind a relay. VMs that hear nothing ask again as RFC 9915 §15 says. It reports when the last
was served, what was sent again, and how the server's neighbour table grew.

It needs root and changes nothing outside its own namespaces and temporary directory.

Exit status: 0 if lease6d and the ceiling served every VM and made no neighbours, else 1.`,
		Example: `  lease6-lab storm
  lease6-lab storm --vms 10000 --modes direct --servers ceiling,lease6d,isc-dhcpd,kea --rounds 1`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			for _, name := range modes {
				mode, err := guest.ParseMode(name)
				if err != nil {
					return err
				}
				o.Modes = append(o.Modes, mode)
			}
			if o.Programs, err = programs.Find(); err != nil {
				return err
			}
			if !quiet {
				o.Progress = cmd.ErrOrStderr()
			}
			report, err := Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			if err := report.WriteText(cmd.OutOrStdout()); err != nil {
				return err
			}
			if err := writeJSON(file, report); err != nil {
				return err
			}
			return report.verdict()
		},
	}
	fl := cmd.Flags()
	fl.IntSliceVar(&o.VMs, "vms", []int{10000, 50000}, "numbers of VMs, each 1 to 65536")
	fl.StringSliceVar(&modes, "modes", []string{"direct", "relayed"}, "relayed, direct")
	fl.StringSliceVar(&o.Servers, "servers", []string{"ceiling", "lease6d"}, "servers to try, in this order")
	fl.IntVar(&o.Rounds, "rounds", 3, "rounds")
	fl.StringVar(&file, "json", "", "write the report to this file as JSON")
	fl.BoolVarP(&quiet, "quiet", "q", false, "print the table only")
	programs.Add(cmd)
	return cmd
}

func writeJSON(path string, r *Report) error {
	if path == "" {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("storm: %w", err)
	}
	if err := r.WriteJSON(f); err != nil {
		f.Close()
		return fmt.Errorf("storm: %w", err)
	}
	return f.Close()
}
