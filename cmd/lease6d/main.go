// Command lease6d is the DHCPv6 server: it gives every NIC the address that the lease file has for its MAC.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/lease6/lease6/cmd/internal/build"
	"github.com/lease6/lease6/server/config"
)

// Exit statuses beside 0.
const (
	exitFailed = 1 // could not serve, or stopped serving
	exitUsage  = 2 // wrong flags or configuration
)

// usageError is a mistake in flags or configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() {
	err := rootCommand().ExecuteContext(context.Background())
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "lease6d:", err)
	var usage usageError
	if errors.As(err, &usage) {
		os.Exit(exitUsage)
	}
	os.Exit(exitFailed)
}

// flags are what the command line says.
type flags struct {
	config      string
	leases      string
	interfaces  []string
	omapi       []string
	relays      []string
	stateDir    string
	repair      bool
	checkConfig bool
	printConfig bool
	logLevel    string
	logFormat   string
}

func rootCommand() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:   "lease6d [flags]",
		Short: "Serve DHCPv6 from an ISC lease file keyed by MAC",
		Long: `lease6d answers DHCPv6 (RFC 9915) on directly attached links and behind relays. Every NIC gets the address that
the lease file has for its MAC, whatever it calls itself.

With --leases no configuration file is needed: every client on the interfaces named by --interface, and behind the relays
named by --relay, is served. Without --relay those relays are believed that do not look like clients. Otherwise the
configuration is read from --config.

With OMAPI the lease file is this server's own. What a crash left unfinished at its end is dropped at the start; any other
damage is refused, with its place, unless --repair is given.

Signals: HUP reads the configuration again (a bad one is refused and the old stays), USR1 logs counters and the clients
that are not served, USR2 takes the lease file as it stands, also if that loses leases, TERM and INT stop.

Exit status: 0 stopped by a signal, 1 failed, 2 wrong flags or configuration.`,
		Example: `  lease6d --leases /var/lib/dhcp/dhcpd6.leases --interface eth1
  lease6d --leases dhcpd6.leases --relay 2001:db8:ff::2
  lease6d --leases dhcpd6.leases --interface 'bond0.*' --omapi 127.0.0.1:7911
  lease6d --config /etc/lease6/lease6d.toml --check-config
  lease6d --print-config > /etc/lease6/lease6d.toml
  lease6d completion bash > /etc/bash_completion.d/lease6d`,
		Version: build.Version(),
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.NoArgs(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		},
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see lease6d --help", err)}
	})
	fl := c.Flags()
	fl.StringVarP(&f.config, "config", "c", "", "configuration file (TOML; default "+defaultConfig+", unless --leases is given)")
	fl.StringVar(&f.leases, "leases", "", "serve this lease file without a configuration file")
	fl.StringSliceVarP(&f.interfaces, "interface", "i", nil, "with --leases: interface to serve, or a pattern such as 'bond0.*'; may be repeated")
	fl.StringSliceVar(&f.relays, "relay", nil, "with --leases: address of a relay that is believed, or a prefix of such; may be repeated")
	fl.StringSliceVar(&f.omapi, "omapi", nil, "with --leases: serve OMAPI at this address and port, and own the lease file; may be repeated")
	fl.StringVar(&f.stateDir, "state-dir", "", "with --leases: where the server DUID is kept (default "+config.DefaultStateDir+")")
	fl.BoolVar(&f.repair, "repair", false, "with OMAPI: if the lease file is damaged, keep it as FILE.damaged, write it anew from what can be read, and serve")
	fl.BoolVar(&f.checkConfig, "check-config", false, "read the configuration and the lease file, say what is wrong, and exit")
	fl.BoolVar(&f.printConfig, "print-config", false, "print the commented reference configuration and exit")
	fl.StringVar(&f.logLevel, "log-level", "info", "least level to log: debug, info, warn, error")
	fl.StringVar(&f.logFormat, "log-format", "text", "text or json")
	return c
}

func (f *flags) run(cmd *cobra.Command) error {
	if f.printConfig {
		_, err := fmt.Fprint(cmd.OutOrStdout(), config.Reference())
		return err
	}
	log, err := newLogger(os.Stderr, f.logFormat, f.logLevel)
	if err != nil {
		return usageError{err}
	}
	cfg, err := f.load()
	if err != nil {
		return usageError{err}
	}
	if f.repair && len(cfg.OMAPI.Listen) == 0 {
		return usageError{errors.New("--repair without OMAPI: the lease file is somebody else's then, and damage in it stops nothing; see lease6 leases fmt")}
	}
	if f.checkConfig {
		return f.check(cmd.OutOrStdout(), cfg)
	}
	return serve(cmd.Context(), f, cfg, log)
}
