// Command lease6-lab is the world that lease6 is tried in: network namespaces, real DHCPv6 clients and relays, and lease
// files of any size.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/lease6/lease6/cmd/internal/build"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/churn"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/endure"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/omapi"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/spread"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/ceiling"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/demo"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/generate"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/storm"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := rootCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lease6-lab:", err)
		os.Exit(1)
	}
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "lease6-lab",
		Short:         "Try lease6 with real DHCPv6 clients and relays",
		Version:       build.Version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(demoCommand(), generateCommand(), bench.Command(), storm.Command(), churn.Command(), spread.Command(), omapi.Command(), ceiling.Command())
	root.AddCommand(endure.Commands()...)
	return root
}

func demoCommand() *cobra.Command {
	var o demo.Options
	var noColor bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show lease6d giving every NIC its address",
		Long: `demo builds a datacenter of network namespaces, starts lease6d on a lease file as Abiquo writes it, and boots VMs with
real DHCPv6 clients: clones with one DUID, a VM with two NICs and one DUID, VMs behind relays with and without option 79,
tenants who claim the MAC of others, and one without a lease. It tells what happens and ends with a table.

It needs root, dhclient, dhcrelay and dnsmasq, and touches nothing outside its own namespaces and temporary directory.

Exit status: 0 if every NIC has exactly the address of its lease, else 1.`,
		Example: `  lease6-lab demo
  lease6-lab demo --stay --server ./lease6d
  lease6-lab demo --leases /var/lib/dhcp/dhcpd6.leases`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Server == "" {
				o.Server = findServer()
			}
			o.Out = cmd.OutOrStdout()
			o.Color = !noColor && isTerminal(os.Stdout)
			return demo.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.Stay, "stay", false, "keep the datacenter until ^C")
	cmd.Flags().StringVar(&o.Server, "server", "", "path of lease6d (default: beside this program, else in the PATH)")
	cmd.Flags().StringVar(&o.Leases, "leases", "", "cast the VMs with the first leases of this file (default: leases of its own)")
	cmd.Flags().BoolVar(&noColor, "no-color", os.Getenv("NO_COLOR") != "", "use no colours")
	return cmd
}

func generateCommand() *cobra.Command {
	var hosts int
	var o generate.Options
	cmd := &cobra.Command{
		Use:   "generate --hosts N",
		Short: "Write a lease file of any size to standard output",
		Long: `generate writes a lease file with N hosts, laid out as ISC dhcpd leaves it behind for Abiquo: about 130 bytes a host.
MACs, names and addresses are unique. The same arguments give the same file.`,
		Example: `  lease6-lab generate --hosts 1000000 > million.leases
  lease6-lab generate --hosts 1000 --seed 7 --statements > dns.leases`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return generate.Write(cmd.OutOrStdout(), hosts, o)
		},
	}
	cmd.Flags().IntVar(&hosts, "hosts", 0, "number of hosts")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 0, "another seed gives other MACs")
	cmd.Flags().BoolVar(&o.Statements, "statements", false, "give every host name servers and a search list")
	_ = cmd.MarkFlagRequired("hosts") // fails only for a flag that does not exist
	return cmd
}

// findServer looks for lease6d where it is installed with this program. What it returns need not exist.
func findServer() string {
	const name = "lease6d"
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), name)
		if _, err := os.Stat(beside); err == nil {
			return beside
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return name
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
