package soak

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench"
)

// Command is the command that keeps lease6d busy.
func Command() *cobra.Command {
	var o Options
	var programs bench.Programs
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "Keep lease6d at its limit for a while and see whether it grows",
		Long: `soak asks lease6d for as much as it can answer, through relays and directly in turns, by mixed exchanges, while leases
come and go by appending to the lease file, the file is replaced and a changed configuration is put into force again and
again. Memory, goroutines and descriptors are looked at all the time; those of the last third must not exceed those of the
second. At last every client must get its address.

It needs root and changes nothing outside its own namespaces and temporary directory.

Exit status: 0 if no answer was wrong, no exchange lost and everything stayed flat, else 1.`,
		Example: `  lease6-lab soak
  lease6-lab soak --time 8h --hosts 1000000 --sample 1m`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Programs, err = programs.Find(); err != nil {
				return err
			}
			o.Progress = cmd.ErrOrStderr()
			report, err := Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(report)
			} else {
				err = report.WriteText(cmd.OutOrStdout())
			}
			if err != nil {
				return err
			}
			return report.verdict()
		},
	}
	fl := cmd.Flags()
	fl.DurationVar(&o.Time, "time", 0, "length (default 10m)")
	fl.IntVar(&o.Hosts, "hosts", 100000, "leases that stay")
	fl.IntVar(&o.Leases, "leases", 100, "leases that come or go a second")
	fl.DurationVar(&o.Replace, "replace", 0, "time between two replacements of the lease file (default 1m)")
	fl.DurationVar(&o.Reload, "reload", 0, "time between two changes of the configuration (default 10s)")
	fl.DurationVar(&o.Sample, "sample", 0, "time between two looks at lease6d, and length of a turn (default 10s)")
	fl.BoolVar(&asJSON, "json", false, "print the report as JSON")
	programs.Add(cmd)
	return cmd
}
