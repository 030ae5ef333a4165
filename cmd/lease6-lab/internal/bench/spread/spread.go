package spread

import (
	"fmt"
	"io"
	"regexp"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
)

// Options say what is sent. Mode is relayed unless said otherwise.
type Options struct {
	Mode      guest.Mode
	Relays    int // 0 is 1
	Exchanges int // 0 is 20,000
	Programs  map[string]string
}

// Worker is what one worker has received.
type Worker struct {
	Name     string `json:"name"`
	Received uint64 `json:"received"`
	Drops    uint64 `json:"drops"`
}

// Report is what came of it.
type Report struct {
	Mode    string      `json:"mode"`
	Relays  int         `json:"relays"`
	Workers []Worker    `json:"workers"`
	Load    load.Result `json:"load"`
}

// socketLine is what lease6d logs of a socket when it is asked by SIGUSR1.
const socketLine = `msg="socket (%s/\d+)" stats="\{Received:(\d+) .*?KernelDrops:(\d+) `

// parseWorkers finds the workers of a mode in the log.
func parseWorkers(log, mode string) (workers []Worker) {
	for _, m := range regexp.MustCompile(fmt.Sprintf(socketLine, mode)).FindAllStringSubmatch(log, -1) {
		received, _ := strconv.ParseUint(m[2], 10, 64)
		drops, _ := strconv.ParseUint(m[3], 10, 64)
		workers = append(workers, Worker{m[1], received, drops})
	}
	return workers
}

// share is the part of all that a worker has received.
func (r *Report) share(w Worker) float64 {
	var all uint64
	for _, x := range r.Workers {
		all += x.Received
	}
	return float64(w.Received) / float64(max(all, 1))
}

// WriteText writes the report as a table.
func (r *Report) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "%s, %d relays: %s\n", r.Mode, r.Relays, &r.Load)
	for _, x := range r.Workers {
		if _, err := fmt.Fprintf(w, "  %-10s received %8d  %5.1f %%  dropped %d\n", x.Name, x.Received, 100*r.share(x), x.Drops); err != nil {
			return fmt.Errorf("spread: %w", err)
		}
	}
	return nil
}

// verdict is an error if a worker has less than half of its fair share.
func (r *Report) verdict() error {
	if r.Load.Wrong+r.Load.Unanswered > 0 {
		return fmt.Errorf("spread: %d wrong answers, %d clients without one", r.Load.Wrong, r.Load.Unanswered)
	}
	for _, w := range r.Workers {
		if r.share(w) < 0.5/float64(len(r.Workers)) {
			return fmt.Errorf("spread: worker %s received %.1f %% of all", w.Name, 100*r.share(w))
		}
	}
	return nil
}

// Command is the command that shows how work is spread.
func Command() *cobra.Command {
	var o Options
	var mode string
	var programs bench.Programs
	cmd := &cobra.Command{
		Use:   "spread",
		Short: "Show how lease6d's workers share what one relay sends",
		Long: `spread starts lease6d with a worker for each CPU, sends it exchanges from one relay, and shows what each worker received.

Exit status: 0 if every worker has at least half of its fair share, else 1.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Mode, err = guest.ParseMode(mode); err != nil {
				return err
			}
			if o.Programs, err = programs.Find(); err != nil {
				return err
			}
			report, err := Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			if err := report.WriteText(cmd.OutOrStdout()); err != nil {
				return err
			}
			return report.verdict()
		},
	}
	cmd.Flags().StringVar(&mode, "mode", guest.Relayed.String(), "relayed or direct")
	cmd.Flags().IntVar(&o.Relays, "relays", 1, "relays that it comes from")
	cmd.Flags().IntVar(&o.Exchanges, "exchanges", 20000, "exchanges")
	programs.Add(cmd)
	return cmd
}
