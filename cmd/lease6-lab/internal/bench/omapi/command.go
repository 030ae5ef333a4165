package omapi

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench"
)

// Command is the command that measures OMAPI.
func Command() *cobra.Command {
	var o Options
	var programs bench.Programs
	var file string
	var quiet bool
	cmd := &cobra.Command{
		Use:   "omapi",
		Short: "Measure leases being managed over OMAPI, beside ISC dhcpd",
		Long: `omapi starts lease6d and the real dhcpd -6 on the same lease file, each in network namespaces of its own, and has leases
created, changed, looked up and deleted: on one connection, on 64, and on one with eight requests ahead of the replies,
in rounds in which the servers take turns. Then many connections at the same time, and how long after the reply a new
lease is served to its client, at each number of leases.

dhcpd is left out of what takes it too long, and of everything if it is not installed. The default takes some two
minutes. It needs root and changes nothing outside its own namespaces and temporary directory, on whose disk it depends.

Exit status: 0 if lease6d served every new lease in its first answer, and every open connection, else 1.`,
		Example: `  lease6-lab omapi
  lease6-lab omapi --rounds 25 --json omapi.json
  lease6-lab omapi --sizes 1000,1000000 --isc-most 1000000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
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
			if file != "" {
				if err := report.save(file); err != nil {
					return err
				}
			}
			return report.verdict()
		},
	}
	fl := cmd.Flags()
	fl.IntVar(&o.Hosts, "hosts", 1000, "leases that are there while rates are taken")
	fl.IntVar(&o.Rounds, "rounds", 9, "rounds")
	fl.DurationVar(&o.Round, "round", 500*time.Millisecond, "time for each operation in a round")
	fl.IntSliceVar(&o.Sizes, "sizes", []int{1000, 1000000}, "numbers of leases at which a new one must be served at once")
	fl.IntVar(&o.Samples, "samples", 1000, "new leases at each of them; 0 is not to look")
	fl.IntVar(&o.ISCMost, "isc-most", 10000, "do not start dhcpd with more leases than that: it takes minutes for a million")
	fl.IntVar(&o.Open, "open", 500, "connections at the same time; 0 is not to try")
	fl.StringVar(&file, "json", "", "write the report to this file as JSON")
	fl.BoolVarP(&quiet, "quiet", "q", false, "print the tables only")
	programs.Add(cmd)
	return cmd
}
