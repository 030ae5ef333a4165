package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/peers"
)

// flags are what the command line says.
type flags struct {
	modes, exchanges []string
	programs         Programs
	buildCoreDHCP    bool
	quiet            bool
	json, svg        string
}

// Command is the command that measures servers side by side.
func Command() *cobra.Command {
	var f flags
	o := Options{}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure lease6d beside a ceiling without logic and other DHCPv6 servers",
		Long: `bench starts servers on the same reservations, each on one CPU and in network namespaces of its own, and puts the same
load on one after the other from another CPU, round after round. Every answer is checked. It prints a table; --json and
--svg write the same for programs and for a README.

A server that is not installed, or does not start in time, is left out and named. The default takes some four minutes.
It needs root and changes nothing outside its own namespaces and temporary directory.

Exit status: 0 if lease6d and the ceiling ran and gave no wrong answer, else 1.`,
		Example: `  lease6-lab bench
  lease6-lab bench --sizes 1000,100000,1000000 --rounds 9 --json bench.json --svg bench.svg
  lease6-lab bench --servers ceiling,lease6d --modes direct --exchanges sarr,rapid,renew,information,mixed`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd, o) },
	}
	fl := cmd.Flags()
	fl.IntSliceVar(&o.Sizes, "sizes", []int{1000, 100000}, "numbers of reservations")
	fl.StringSliceVar(&f.modes, "modes", []string{"relayed"}, "relayed, direct")
	fl.StringSliceVar(&f.exchanges, "exchanges", []string{"sarr"}, "sarr, rapid, renew, information, mixed")
	fl.StringSliceVar(&o.Servers, "servers", peers.Names(), "servers to measure, in this order")
	fl.IntVar(&o.Window, "window", 64, "exchanges in flight")
	fl.IntVar(&o.Relays, "relays", 1, "relays that the load comes from")
	fl.IntVar(&o.Rounds, "rounds", 5, "rounds")
	fl.DurationVar(&o.Round, "round", 2*time.Second, "length of a round")
	fl.StringVar(&f.json, "json", "", "write the report to this file as JSON")
	fl.StringVar(&f.svg, "svg", "", "write the report to this file as a plot")
	fl.BoolVar(&f.buildCoreDHCP, "build-coredhcp", false, "build CoreDHCP for this run; needs Go and the network")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "print the table only")
	f.programs.Add(cmd)
	return cmd
}

// Programs is where the programs of servers are, beside those in the PATH.
type Programs struct {
	paths map[string]string
}

// Add adds the flag that sets them to a command.
func (p *Programs) Add(cmd *cobra.Command) {
	cmd.Flags().StringToStringVar(&p.paths, "program", nil, "program of a server, as in lease6d=./lease6d; may be repeated (default: beside this program, else in the PATH)")
}

// Find returns them, with this program as the ceiling and what is installed beside it.
func (p *Programs) Find() (map[string]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("bench: this program: %w", err)
	}
	found := map[string]string{"ceiling": self}
	for _, name := range []string{"lease6d", "coredhcp"} {
		if beside := filepath.Join(filepath.Dir(self), name); isProgram(beside) {
			found[name] = beside
		}
	}
	for name, path := range p.paths {
		if _, err := peers.Find(name, map[string]string{name: path}); err != nil {
			return nil, err
		}
		found[name] = path
	}
	return found, nil
}

func isProgram(path string) bool {
	_, err := exec.LookPath(path)
	return err == nil
}

func (f *flags) run(cmd *cobra.Command, o Options) (err error) {
	if o.Programs, err = f.programs.Find(); err != nil {
		return err
	}
	for _, name := range f.modes {
		mode, err := guest.ParseMode(name)
		if err != nil {
			return err
		}
		o.Modes = append(o.Modes, mode)
	}
	for _, name := range f.exchanges {
		exchange, err := load.ParseExchange(name)
		if err != nil {
			return err
		}
		o.Exchanges = append(o.Exchanges, exchange)
	}
	if !f.quiet {
		o.Progress = cmd.ErrOrStderr()
	}
	if f.buildCoreDHCP {
		dir, err := os.MkdirTemp("", "lease6-coredhcp-")
		if err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		defer os.RemoveAll(dir)
		if o.Programs["coredhcp"], err = peers.BuildCoreDHCP(cmd.Context(), dir); err != nil {
			return err
		}
	}
	return f.measure(cmd.Context(), cmd.OutOrStdout(), o)
}

// measure runs the benchmark and writes what came of it.
func (f *flags) measure(ctx context.Context, w io.Writer, o Options) error {
	report, err := Run(ctx, o)
	if err != nil {
		return err
	}
	if err := report.WriteText(w); err != nil {
		return err
	}
	for path, fn := range map[string]func(io.Writer) error{f.json: report.WriteJSON, f.svg: report.WriteSVG} {
		if path == "" {
			continue
		}
		if err := writeFile(path, fn); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	return report.verdict()
}

// verdict is an error if lease6d or the ceiling did not do as they should.
func (r *Report) verdict() error {
	for _, name := range []string{"ceiling", "lease6d"} {
		if n := r.Wrong(name); n > 0 {
			return fmt.Errorf("bench: %s gave %d wrong answers", name, n)
		}
		for i := range r.Cases {
			for _, s := range r.Cases[i].Servers {
				if s.Name == name && s.Failed != "" {
					return fmt.Errorf("bench: %s: %s", name, s.Failed)
				}
			}
		}
	}
	return nil
}

func writeFile(path string, fn func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := fn(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
