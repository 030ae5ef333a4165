package peers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
)

// Site is where a server is to run.
type Site struct {
	Dir       string // for its files
	Hosts     int    // reservations, of clients 0 to Hosts-1
	Mode      guest.Mode
	Interface string
}

func (s *Site) file(name string) string { return filepath.Join(s.Dir, name) }

// Peer is one server.
type Peer struct {
	Name    string
	Program string // as it was found
	// Patience is how long it may take to give its first answer for each million reservations, with a minimum.
	Patience time.Duration

	version   []string // arguments that make it print its version
	configure func(p *Peer, s *Site) (args, env []string, err error)
}

// ErrMissing is wrapped by the error of a peer whose program is not installed.
var ErrMissing = errors.New("not installed")

// Names are the names that Find knows, in the order in which they are shown.
func Names() []string {
	return []string{"ceiling", "lease6d", "coredhcp", "isc-dhcpd", "kea", "dnsmasq"}
}

// Find finds a peer by its name. Programs overrides where its program is.
func Find(name string, programs map[string]string) (*Peer, error) {
	var p *Peer
	switch name {
	case "ceiling":
		p = &Peer{Name: name, Program: "lease6-lab", Patience: 10 * time.Second, configure: configureCeiling}
	case "lease6d":
		p = &Peer{Name: name, Program: name, Patience: 30 * time.Second, version: []string{"--version"}, configure: configureLease6d}
	case "coredhcp":
		p = &Peer{Name: name, Program: name, Patience: time.Minute, configure: configureCoreDHCP}
	case "isc-dhcpd":
		p = &Peer{Name: name, Program: "dhcpd", Patience: 4 * time.Minute, version: []string{"--version"}, configure: configureISC}
	case "kea":
		p = &Peer{Name: name, Program: "kea-dhcp6", Patience: 2 * time.Minute, version: []string{"-v"}, configure: configureKea}
	case "dnsmasq":
		p = &Peer{Name: name, Program: name, Patience: time.Minute, version: []string{"--version"}, configure: configureDnsmasq}
	default:
		return nil, fmt.Errorf("peers: server %q: want one of %s", name, strings.Join(Names(), ", "))
	}
	if program := programs[name]; program != "" {
		p.Program = program
	}
	path, err := exec.LookPath(p.Program)
	if err != nil {
		return nil, fmt.Errorf("peers: %s: %s: %w (%w)", name, p.Program, ErrMissing, err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("peers: %s: %w", name, err)
	}
	p.Program = path
	return p, nil
}

// Configure writes the server's files and returns how it is started: its command line and more for its environment.
func (p *Peer) Configure(s *Site) (args, env []string, err error) {
	args, env, err = p.configure(p, s)
	if err != nil {
		return nil, nil, fmt.Errorf("peers: configure %s: %w", p.Name, err)
	}
	return append([]string{p.Program}, args...), env, nil
}

// Start is how long the server may take with so many reservations until its first answer.
func (p *Peer) Start(hosts int) time.Duration {
	const least = 10 * time.Second
	return max(least, time.Duration(float64(p.Patience)*float64(hosts)/1e6))
}

// Version asks the program for its version, "" if it cannot tell.
func (p *Peer) Version(ctx context.Context) string {
	if p.version == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, p.Program, p.version...).CombinedOutput()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	words := strings.Fields(line)
	switch {
	case len(words) > 2 && words[1] == "version": // "Dnsmasq version 2.90"
		return strings.Trim(words[2], "()") // Go says "(devel)" of what was not built from a tag
	case len(words) > 0: // "isc-dhcpd-4.4.3-P1", "2.2.0"
		return strings.TrimPrefix(words[0], "isc-dhcpd-")
	}
	return ""
}

// write writes a file through a buffer.
func write(path string, fn func(w *bufio.Writer)) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	fn(w)
	return errors.Join(w.Flush(), f.Close())
}

// hosts calls fn for each reservation.
func (s *Site) hosts(fn func(i int, mac string, address netip.Addr)) {
	for i := range s.Hosts {
		m := guest.MAC(i)
		fn(i, fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]), netip.AddrFrom16(guest.Address(m)))
	}
}

func line(w io.Writer, format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
