package hotplug

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench"
)

// Command is the command that lets interfaces come and go.
func Command() *cobra.Command {
	var o Options
	var programs bench.Programs
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "interfaces",
		Short: "Let a thousand interfaces come and go under lease6d",
		Long: `interfaces has one lease6d serve interfaces with one VM behind each: VLANs, or pairs of veth where the kernel has no
VLANs. Interfaces are deleted and made again while VMs on others are served, and every answer is checked: it must be that
VM's, on its interface, with its address. It reports from when on a new interface is served, what became of the exchanges
of the others, and what lease6d used and holds.

It needs root and changes nothing outside its own namespaces and temporary directory.

Exit status: 0 if no answer was wrong or missing and nothing was left behind, else 1.`,
		Example: `  lease6-lab interfaces
  lease6-lab interfaces --interfaces 4000 --rate 20 --time 5m`,
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
	fl.IntVar(&o.Interfaces, "interfaces", 1000, "interfaces, 2 to 4094")
	fl.Float64Var(&o.Rate, "rate", 50, "interfaces deleted and made again a second")
	fl.DurationVar(&o.Time, "time", 0, "for how long they come and go (default 1m)")
	fl.IntVar(&o.Sample, "sample", 100, "interfaces that stay and are served meanwhile, at most half of all")
	fl.Float64Var(&o.Exchanges, "exchanges", 500, "exchanges a second on those that stay")
	fl.BoolVar(&asJSON, "json", false, "print the report as JSON")
	programs.Add(cmd)
	return cmd
}
