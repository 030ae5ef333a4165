// Package show is how the commands of lease6 tell things: hosts and counts as text, anything as JSON, and a verdict as
// exit status. And it is how they read the lease files that they tell about.
package show

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/leases/isc"
)

// Status is an exit status, and as an error one that has been told already and needs no more words.
type Status int

// Exit statuses, those of monitoring plugins where a command judges something.
const (
	OK Status = iota
	Warning
	Error
	Unknown
)

// Error names the status.
func (s Status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// JSON writes v for programs, and for people to read.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// Printable keeps control characters of a hostile file or server off the terminal.
func Printable(s string) string {
	if q := fmt.Sprintf("%q", s); q != `"`+s+`"` {
		return q
	}
	return s
}

// Dash stands for nothing in a table.
func Dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// Count writes a number and the word for what is counted.
func Count(n int, word string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(word, "s"):
		word += "es"
	default:
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}

// Addresses reads the bytes of all fixed addresses of a host: 4 bytes are an IPv4 address sent by mistake.
func Addresses(b []byte) []netip.Addr {
	all := []netip.Addr{}
	if len(b)%16 == 4 {
		all = append(all, netip.AddrFrom4([4]byte(b[len(b)-4:])))
		b = b[:len(b)-4]
	}
	for ; len(b) >= 16; b = b[16:] {
		all = append(all, netip.AddrFrom16([16]byte(b)))
	}
	return all
}

// Hex writes bytes with colons between them, as MACs and DUIDs are written.
func Hex(b []byte) string {
	text := hex.EncodeToString(b)
	var sb strings.Builder
	for i := 0; i < len(text); i += 2 {
		if i > 0 {
			sb.WriteByte(':')
		}
		sb.WriteString(text[i : i+2])
	}
	return sb.String()
}

// Load reads a lease file, or standard input if its name is "-".
func Load(name string, stdin io.Reader) (*leases.Index, []isc.Diagnostic, error) {
	o := leases.LoadOptions{File: FileName(name)}
	if info, err := os.Stat(name); err == nil {
		o.Size = info.Size()
	}
	in, err := Open(name, stdin)
	if err != nil {
		return nil, nil, err
	}
	defer in.Close()
	return leases.Load(in, o)
}

// FileName is what a file is called in messages.
func FileName(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}

// Open opens a lease file, or standard input if its name is "-".
func Open(name string, stdin io.Reader) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(stdin), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read leases: %w", err)
	}
	return f, nil
}
