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
)

// Exit statuses, those of monitoring plugins where a command judges something.
const (
	exitOK      = 0
	exitWarning = 1
	exitError   = 2
	exitUnknown = 3
)

// exitStatus is an error that has been told already and only sets the exit status.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := rootCommand().ExecuteContext(ctx)
	stop()
	os.Exit(statusOf(os.Stderr, err))
}

// statusOf prints an error that nobody has told yet and returns the exit status for it.
func statusOf(w io.Writer, err error) int {
	var status exitStatus
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return int(status)
	}
	fmt.Fprintln(w, "lease6:", err)
	return exitError
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "lease6",
		Short: "Check, list and edit DHCPv6 leases keyed by MAC",
		Long: `lease6 is the operator's tool beside the server lease6d.

Exit status: 0 all is well, 1 warnings, 2 errors, 3 could not tell.`,
		Example: `  lease6 leases check /var/lib/dhcp/dhcpd6.leases
  lease6 leases list /var/lib/dhcp/dhcpd6.leases --mac 52:54:00:12:34:56`,
		Version:       build.Version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	for _, command := range []func() *cobra.Command{leasesCommand} {
		root.AddCommand(command())
	}
	return root
}
