package peers

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
)

const (
	coreModule  = "github.com/coredhcp/coredhcp"
	coreVersion = "v0.0.0-20260217182248-a0841cb3038f"
	corePackage = coreModule + "/cmds/coredhcp"
)

// BuildCoreDHCP builds CoreDHCP in dir, which must be outside of any module, and returns the program. It needs a Go
// tool chain and the network.
func BuildCoreDHCP(ctx context.Context, dir string) (program string, err error) {
	program = filepath.Join(dir, "coredhcp")
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module coredhcp.invalid\n"), 0o644); err != nil {
		return "", fmt.Errorf("peers: build coredhcp: %w", err)
	}
	for _, args := range [][]string{{"get", corePackage + "@" + coreVersion}, {"build", "-o", program, corePackage}} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("peers: build coredhcp: go %s: %w: %s", args[0], err, out[max(0, len(out)-300):])
		}
	}
	return program, nil
}

func configureCoreDHCP(_ *Peer, s *Site) (args, env []string, err error) {
	config, leases := s.file("coredhcp.yml"), s.file("coredhcp.leases")
	listen := "[::]:547"
	if s.Mode == guest.Direct {
		listen = "[ff02::1:2%" + s.Interface + "]:547"
	}
	err = write(leases, func(w *bufio.Writer) {
		s.hosts(func(_ int, mac string, address netip.Addr) { line(w, "%s %s", mac, address) })
	})
	if err == nil {
		err = write(config, func(w *bufio.Writer) {
			line(w, "server6:\n  listen: %q\n  plugins:\n    - server_id: LL 02:00:00:00:00:01\n    - file: %s", listen, leases)
		})
	}
	return []string{"--conf", config, "--nostdout", "--loglevel", "error"}, nil, err
}
