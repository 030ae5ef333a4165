// Package omapi is the command "lease6 omapi": a client of OMAPI for people and scripts.
package omapi

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/lease6/lease6/cmd/lease6/internal/show"
	"github.com/lease6/lease6/server/omapi/client"
	"github.com/lease6/lease6/server/omapi/codec"
)

// Command is the command with its subcommands.
func Command() *cobra.Command {
	c := &cobra.Command{
		Use:   "omapi",
		Short: "Create, look up, change and delete leases on a running server",
		Long: `omapi talks OMAPI, the protocol over which Abiquo manages leases, to lease6d or to ISC dhcpd.

Exit status: 0 done, 1 no such host or a difference, 2 the server refuses or the command line is wrong, 3 could not tell:
no connection, or no answer, after which a change may have been made or not.`,
		Example: `  lease6 omapi create --server 127.0.0.1 --name vm1 --mac 52:54:00:12:34:56 --address 2001:db8:1::10
  lease6 omapi get --server 127.0.0.1 --mac 5254.0012.3456
  lease6 omapi update --server 127.0.0.1 --name vm1 --new-address 2001:db8:1::11
  lease6 omapi delete --server 127.0.0.1 --name vm1
  lease6 omapi list --server dhcp1:7911 --key-file omapi.key --leases dhcpd6.leases`,
	}
	c.AddCommand(createCommand(), getCommand(), updateCommand(), deleteCommand(), listCommand())
	return c
}

// defaultPort is where OMAPI is served by custom.
const defaultPort = "7911"

// server is which server a command talks to, and how.
type server struct {
	address, keyFile string
	timeout          time.Duration
	json             bool
}

func (s *server) flags(c *cobra.Command) {
	c.Flags().StringVar(&s.address, "server", "", "HOST or HOST:PORT of the server (default port "+defaultPort+")")
	c.Flags().StringVar(&s.keyFile, "key-file", "", "file with the key that signs, as tsig-keygen writes it; readable by its owner only")
	c.Flags().DurationVar(&s.timeout, "timeout", 10*time.Second, "how long to wait for a connection and for each reply")
	c.Flags().BoolVar(&s.json, "json", false, "print JSON")
	_ = c.MarkFlagRequired("server") // fails only for a flag that does not exist
}

// session runs what is to be done on a connection, and says what went wrong and what helps.
func (s *server) session(cmd *cobra.Command, do func(*client.Conn) error) error {
	if s.timeout <= 0 {
		return fmt.Errorf("--timeout %v: want more than nothing", s.timeout)
	}
	address, err := s.hostPort()
	if err != nil {
		return err
	}
	o := client.Options{Timeout: s.timeout}
	if s.keyFile != "" {
		if o.Key, err = codec.ReadKey(s.keyFile); err != nil {
			return err
		}
	}
	conn, err := client.Dial(cmd.Context(), address, o)
	if err == nil {
		err = do(conn)
		conn.Close()
	}
	var told show.Status
	if err == nil || errors.As(err, &told) {
		return err
	}
	status, remedy := judge(err, o.Key != nil)
	if remedy != "" {
		err = fmt.Errorf("%w\n  %s", err, remedy)
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "lease6:", err)
	return status
}

// hostPort is the server's address with a port.
func (s *server) hostPort() (string, error) {
	if host, port, err := net.SplitHostPort(s.address); err == nil && host != "" && port != "" {
		return s.address, nil
	}
	host := s.address
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	if host == "" || host[0] == ':' && net.ParseIP(host) == nil {
		return "", fmt.Errorf("--server %q: want HOST or HOST:PORT, as in 127.0.0.1 or [2001:db8::1]:%s", s.address, defaultPort)
	}
	return net.JoinHostPort(host, defaultPort), nil
}

// isRefusal reports whether an error is that the server refuses for this reason.
func isRefusal(err error, reason codec.Result) bool {
	var refused *client.RefusedError
	if !errors.As(err, &refused) {
		return false
	}
	r, ok := refused.Result()
	return ok && r == reason
}

// judge returns the exit status for an error of the protocol, and what helps.
func judge(err error, signed bool) (status show.Status, remedy string) {
	var refused *client.RefusedError
	switch {
	case client.IsNotFound(err):
		return show.Warning, ""
	case errors.As(err, &refused):
		r, _ := refused.Result() // Success, which needs no remedy, if nobody knows
		return show.Error, remedies(r, signed)
	case errors.Is(err, client.ErrNoSuchKey):
		return show.Error, "compare the name and the algorithm in the key file with the server's omapi key"
	case errors.Is(err, client.ErrSignature):
		return show.Error, "compare the secret in the key file with the server's; what was asked for may have been done"
	case errors.Is(err, client.ErrClosed) && signed:
		return show.Unknown, "ISC dhcpd closes the connection at a wrong signature: compare the secret; else look into the server's log"
	case errors.Is(err, client.ErrClosed):
		return show.Unknown, "it may not take connections from here, or allow no more of them: look into its log"
	case errors.Is(err, client.ErrProtocol):
		return show.Unknown, "is this the port of OMAPI? lease6d: [omapi] listen, ISC dhcpd: omapi-port"
	case errors.Is(err, client.ErrTimeout):
		return show.Unknown, "a change may have been made or not: look with lease6 omapi get"
	}
	return show.Unknown, "is OMAPI turned on there ([omapi] of lease6d, omapi-port of ISC dhcpd), and open to this machine?"
}

// remedies is what helps against a refusal, where that does not depend on the command.
func remedies(r codec.Result, signed bool) string {
	switch r {
	case codec.KeyConflict:
		return "another host has this MAC or client identifier: find it with lease6 omapi get, and delete it if it is stale"
	case codec.NoKey, codec.PermissionDenied, codec.InvalidKey:
		if !signed {
			return "the server wants requests to be signed: give its key with --key-file; or the lease file belongs to another program"
		}
		return "compare the secret in the key file with the server's; or the lease file belongs to another program"
	case codec.ParseError:
		return "each --statement sets an option that ISC dhcpd knows to a constant, as in 'option dhcp6.name-servers 2001:db8::53;'"
	case codec.IOError, codec.Failure:
		return "the server cannot store changes: look into its log, and at the disk of its lease file"
	case codec.InvalidArgument:
		return "a host needs --mac or --client-id, and an --address that a NIC can have"
	}
	return ""
}
