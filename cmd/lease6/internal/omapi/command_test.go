package omapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"

	"github.com/lease6/lease6/cmd/lease6/internal/show"
)

// run runs lease6 as from a shell.
func run(stdin string, args ...string) (stdout, stderr string, status show.Status) {
	var out, errs bytes.Buffer
	root := &cobra.Command{SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(Command())
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetArgs(args)
	if err := root.ExecuteContext(context.Background()); err != nil && !errors.As(err, &status) {
		fmt.Fprintln(&errs, err)
		status = show.Error
	}
	return out.String(), errs.String(), status
}

// TestCommandLine: what is wrong with a command line is said before anybody is asked.
func TestCommandLine(t *testing.T) {
	open := filepath.Join(t.TempDir(), "open.key")
	if err := os.WriteFile(open, []byte(`key k { algorithm hmac-md5; secret "c2VjcmV0"; };`), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, args string
		want       string
	}{
		{"no server", "get --name a", `required flag(s) "server" not set`},
		{"empty server", "get --name a --server :7911", "want HOST or HOST:PORT"},
		{"no host", "get --server 127.0.0.1", "which host?"},
		{"no host to delete", "delete --server 127.0.0.1", "which host?"},
		{"two addresses", "get --server 127.0.0.1 --address ::1 --address ::2", "one is enough"},
		{"bad MAC", "get --server 127.0.0.1 --mac 52:54", "--mac: "},
		{"bad address", "create --server 127.0.0.1 --mac 525400123456 --address 2001:db8::g", `--address "2001:db8::g"`},
		{"zone", "create --server 127.0.0.1 --mac 525400123456 --address fe80::1%eth0", "--address"},
		{"IPv4 among several", "create --server 127.0.0.1 --mac 525400123456 --address ::1 --address 10.0.0.1", "cannot be one of several"},
		{"bad identifier", "delete --server 127.0.0.1 --client-id 00:0g", "want hexadecimal"},
		{"no key of a host", "create --server 127.0.0.1 --name a", "needs --mac or --client-id"},
		{"nothing to change", "update --server 127.0.0.1 --name a", "nothing to change"},
		{"list without hosts", "list --server 127.0.0.1", "OMAPI cannot list"},
		{"list without file", "list --server 127.0.0.1 --leases /nonexistent", "no such file"},
		{"key that others read", "get --server 127.0.0.1 --name a --key-file " + open, "chmod 600"},
		{"no time", "get --server 127.0.0.1 --name a --timeout 0s", "want more than nothing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, errs, status := run("", append([]string{"omapi"}, strings.Fields(tt.args)...)...)
			if status != show.Error || out != "" || !strings.Contains(errs, tt.want) || strings.Contains(errs, "c2VjcmV0") {
				t.Errorf("status %d, stdout %q, stderr %q, want %q in it", status, out, errs, tt.want)
			}
		})
	}
}

// TestNoServer: who cannot be asked cannot be judged.
func TestNoServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer ln.Close()
	for _, tt := range []struct {
		name   string
		serve  func(net.Conn)
		want   string
		remedy string
	}{
		{"closes", func(c net.Conn) { c.Close() }, "has closed the connection", "log"},
		{"is silent", func(net.Conn) {}, "no answer in time (200ms)", "may have been made or not"},
		{"is another", func(c net.Conn) { c.Write([]byte("220 mail ESMTP\r\n")) }, "does not speak OMAPI", "omapi-port"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wg.Go(func() {
				if c, err := ln.Accept(); err == nil {
					tt.serve(c)
					defer c.Close()
					c.Read(make([]byte, 8))
					c.Read(make([]byte, 8)) // until the client has gone
				}
			})
			_, errs, status := run("", "omapi", "get", "--name", "a", "--timeout", "200ms", "--server", ln.Addr().String())
			if status != show.Unknown || !strings.Contains(errs, tt.want) || !strings.Contains(errs, tt.remedy) {
				t.Errorf("status %d: %s", status, errs)
			}
		})
	}
	ln.Close()
	_, errs, status := run("", "omapi", "get", "--name", "a", "--server", ln.Addr().String())
	if status != show.Unknown || !strings.Contains(errs, "connection refused") || !strings.Contains(errs, "[omapi]") {
		t.Errorf("status %d: %s", status, errs)
	}
}

func TestHostPort(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1": "127.0.0.1:7911", "dhcp1": "dhcp1:7911", "dhcp1:1": "dhcp1:1", "2001:db8::1": "[2001:db8::1]:7911",
		"[2001:db8::1]": "[2001:db8::1]:7911", "[::1]:7": "[::1]:7", "::1": "[::1]:7911", "": "", ":": "", ":7911": "",
	} {
		if got, err := (&server{address: in}).hostPort(); got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}
