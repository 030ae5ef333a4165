package churn

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench"
)

// Command is the command that changes things under load.
func Command() *cobra.Command {
	var o Options
	var programs bench.Programs
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "churn",
		Short: "See whether clients notice changes of leases and configuration",
		Long: `churn puts half of what lease6d can take on it, first while nothing changes, then while leases are appended to its lease
file, its configuration is reloaded and its lease file replaced, and compares. At last every client must get its
address, also those whose leases were added.

Exit status: 0 if no answer was wrong or missing, else 1.`,
		Example: `  lease6-lab churn
  lease6-lab churn --hosts 1000000 --duration 60s`,
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
	fl.IntVar(&o.Hosts, "hosts", 100000, "leases at the beginning")
	fl.IntVar(&o.Leases, "leases", 1000, "leases added a second")
	fl.DurationVar(&o.Reload, "reload", 0, "time between two reloads (default 1s)")
	fl.DurationVar(&o.Duration, "duration", 0, "length of each run (default 10s)")
	fl.Float64Var(&o.Rate, "rate", 0, "exchanges a second (default half of what lease6d can)")
	fl.BoolVar(&asJSON, "json", false, "print the report as JSON")
	programs.Add(cmd)
	return cmd
}
