// Command lease6 is the operator's tool: it checks, lists and formats lease files, checks router advertisements and
// talks to a DHCPv6 or OMAPI server.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/lease6/lease6/cmd/internal/build"
	"github.com/lease6/lease6/cmd/lease6/internal/omapi"
	"github.com/lease6/lease6/cmd/lease6/internal/show"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := rootCommand().ExecuteContext(ctx)
	stop()
	os.Exit(int(statusOf(os.Stderr, err)))
}

// statusOf prints an error that nobody has told yet and returns the exit status for it.
func statusOf(w io.Writer, err error) show.Status {
	var status show.Status
	switch {
	case err == nil:
		return show.OK
	case errors.As(err, &status):
		return status
	}
	fmt.Fprintln(w, "lease6:", err)
	return show.Error
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "lease6",
		Short: "Check, list and edit DHCPv6 leases keyed by MAC",
		Long: `lease6 is the operator's tool beside the server lease6d.

Exit status: 0 all is well, 1 warnings, 2 errors, 3 could not tell.`,
		Example: `  lease6 leases check /var/lib/dhcp/dhcpd6.leases
  lease6 leases list /var/lib/dhcp/dhcpd6.leases --mac 52:54:00:12:34:56
  lease6 omapi create --server 127.0.0.1 --name vm1 --mac 52:54:00:12:34:56 --address 2001:db8:1::10`,
		Version:       build.Version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	for _, command := range []func() *cobra.Command{leasesCommand, omapi.Command} {
		root.AddCommand(command())
	}
	return root
}
