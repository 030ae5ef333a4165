package soak

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/endure/vitals"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/peers"
	"github.com/lease6/lease6/leases/atomicfile"
	"github.com/lease6/lease6/leases/isc"
)

// changes is what another program does to the files of a lease6d. One goroutine at a time may use it.
type changes struct {
	leases string   // path of the lease file
	file   *os.File // which is open for appending
	hosts  int      // clients 0 to hosts-1 keep their leases
	config string   // path
	text   string   // of the configuration as it was

	present  []bool // of the leases behind, which come and go in turn
	appended int
	reloads  int
	replaced int
}

// comeAndGoLeases is how many leases come and go: few, so that memory tells of other things.
const comeAndGoLeases = 1000

func newChanges(c *bench.Contender, o Options) (*changes, error) {
	g := &changes{
		leases: filepath.Join(c.Site.Dir, peers.LeaseFile), config: filepath.Join(c.Site.Dir, "lease6d.toml"),
		hosts: o.Hosts, present: make([]bool, min(comeAndGoLeases, o.Hosts/10+1)),
	}
	text, err := os.ReadFile(g.config)
	if err != nil {
		return nil, fmt.Errorf("soak: %w", err)
	}
	g.text = string(text)
	return g, g.open()
}

func (g *changes) open() (err error) {
	if g.file, err = os.OpenFile(g.leases, os.O_APPEND|os.O_WRONLY, 0); err != nil {
		return fmt.Errorf("soak: %w", err)
	}
	return nil
}

func (g *changes) close() { g.file.Close() }

// append appends until it has appended so many records: the leases come one behind the other, then they go, and again.
func (g *changes) append(until int) error {
	var b []byte
	for ; g.appended < until; g.appended++ {
		i := g.appended % len(g.present)
		if g.present[i] = !g.present[i]; g.present[i] {
			b = peers.AppendLease(b, g.hosts+i)
		} else {
			b = appendDeleted(b, g.hosts+i)
		}
	}
	return g.write(b)
}

// addAll appends the leases that are gone, so that all are there.
func (g *changes) addAll() error {
	var b []byte
	for i := range g.present {
		if !g.present[i] {
			g.present[i] = true
			b = peers.AppendLease(b, g.hosts+i)
		}
	}
	return g.write(b)
}

func (g *changes) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if _, err := g.file.Write(b); err != nil {
		return fmt.Errorf("soak: append to the lease file: %w", err)
	}
	return nil
}

// appendDeleted appends the record that cancels the lease of client i.
func appendDeleted(b []byte, i int) []byte {
	lease := string(peers.AppendLease(nil, i)) // host NAME {
	return isc.AppendHost(b, &isc.Host{Name: strings.Fields(lease)[1], Dynamic: true, Deleted: true})
}

// replace puts another file with the same leases in the place of the lease file.
func (g *changes) replace() error {
	g.file.Close()
	err := atomicfile.Write(g.leases, 0o644, func(w io.Writer) error {
		out := bufio.NewWriterSize(w, 1<<20)
		var b []byte
		for i := range g.hosts + len(g.present) {
			if i >= g.hosts && !g.present[i-g.hosts] {
				continue
			}
			b = peers.AppendLease(b[:0], i)
			if _, err := out.Write(b); err != nil {
				return err
			}
		}
		return out.Flush()
	})
	if err != nil {
		return fmt.Errorf("soak: replace the lease file: %w", err)
	}
	g.replaced++
	return g.open()
}

// reload puts another configuration into force and sees that it was taken.
func (g *changes) reload(ctx context.Context, s *vitals.Subject) error {
	// The last table of the file is a link, and this belongs to it (RFC 9915 §21.8).
	text := fmt.Sprintf("%spreference = %d\n", g.text, 1+g.reloads%2)
	err := atomicfile.Write(g.config, 0o644, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil {
		return fmt.Errorf("soak: change the configuration: %w", err)
	}
	line, err := s.Ask(ctx, syscall.SIGHUP, `msg="configuration re`) // "reloaded" or "refused"
	if err != nil {
		return err
	}
	if !strings.Contains(line, "configuration reloaded") {
		return fmt.Errorf("soak: lease6d does not take the configuration: %s", line)
	}
	g.reloads++
	return nil
}
