package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/lease6/lease6/cmd/lease6/internal/show"
	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/leases/atomicfile"
	"github.com/lease6/lease6/leases/isc"
)

func leasesFmtCommand() *cobra.Command {
	var write, iscNames bool
	c := &cobra.Command{
		Use:   "fmt FILE",
		Short: "Write the canonical text of a lease file",
		Long: `fmt prints a lease file the way ISC dhcpd would write it afresh: one record for each live host, in the order of
the file, statements and records that are not hosts kept as they are. What is damaged beyond reading is left out and
told on standard error. "-" reads standard input.

With --write the file itself is replaced, atomically, and the old one kept as FILE~; nothing is replaced if anything
would be lost. Stop whoever writes the file first: what it appends meanwhile would be lost.

With --isc-names hosts get names that ISC dhcpd can read back: 00:50:56:00:00:18_host becomes 005056000018_host.

Exit status: 0 nothing to say, 1 warnings only, 2 something was left out or the file cannot be read or written.`,
		Example: `  lease6 leases fmt dhcpd6.leases > clean.leases
  lease6 leases fmt --write dhcpd6.leases
  lease6 leases fmt --isc-names dhcpd6.leases > for-isc.leases`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := leases.FormatOptions{File: show.FileName(args[0]), ISCNames: iscNames}
			if write && args[0] == "-" {
				return errors.New("--write needs a file, not standard input")
			}
			if write {
				return fmtInPlace(cmd.ErrOrStderr(), o)
			}
			in, err := show.Open(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			defer in.Close()
			out := bufio.NewWriter(cmd.OutOrStdout())
			diagnostics, err := leases.Format(out, in, o)
			if err := errors.Join(err, out.Flush()); err != nil {
				return err
			}
			return tell(cmd.ErrOrStderr(), diagnostics)
		},
	}
	c.Flags().BoolVar(&write, "write", false, "replace the file")
	c.Flags().BoolVar(&iscNames, "isc-names", false, "rename hosts whose names ISC dhcpd cannot read back")
	return c
}

// fmtInPlace replaces a lease file by its canonical text, if that loses nothing.
func fmtInPlace(w io.Writer, o leases.FormatOptions) error {
	old, err := os.ReadFile(o.File)
	if err != nil {
		return fmt.Errorf("read leases: %w", err)
	}
	info, err := os.Stat(o.File)
	if err != nil {
		return fmt.Errorf("read leases: %w", err)
	}
	var text bytes.Buffer
	diagnostics, err := leases.Format(&text, bytes.NewReader(old), o)
	if err != nil {
		return err
	}
	status := tell(w, diagnostics)
	for _, d := range diagnostics {
		if d.Severity == isc.Error {
			return fmt.Errorf("%s: not replaced, because what is damaged would be lost; repair it, or write the rest elsewhere without --write", o.File)
		}
	}
	whole := func(b []byte) func(io.Writer) error {
		return func(w io.Writer) error { _, err := w.Write(b); return err }
	}
	if err := atomicfile.Write(o.File+"~", info.Mode().Perm(), whole(old)); err != nil {
		return err
	}
	if err := atomicfile.Write(o.File, info.Mode().Perm(), whole(text.Bytes())); err != nil {
		return err
	}
	return status
}
