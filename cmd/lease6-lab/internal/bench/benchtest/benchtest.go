// Package benchtest lets tests start the servers that are measured: the test program itself is the ceiling, and lease6d
// is built from the sources.
package benchtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/arena"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/ceiling"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/labtest"
)

// Build is lease6d, built at most once. A test process has one, in a variable of its tests.
type Build struct {
	once sync.Once
	dir  string
	err  error
}

// Main runs the tests, or is the ceiling when it is called as that. It returns the exit status.
func (b *Build) Main(m *testing.M) int {
	if len(os.Args) > 1 && os.Args[1] == "ceiling" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		root := &cobra.Command{SilenceUsage: true}
		root.AddCommand(ceiling.Command())
		if err := root.ExecuteContext(ctx); err != nil {
			return 1
		}
		return 0
	}
	status := m.Run()
	if b.dir != "" {
		os.RemoveAll(b.dir)
	}
	return status
}

// Programs returns the programs of the ceiling and of lease6d, or skips the test where there can be no arena.
func (b *Build) Programs(t testing.TB) map[string]string {
	t.Helper()
	if err := arena.Check(); err != nil {
		labtest.Missing(t, err.Error())
	}
	labtest.Needs(t, "go")
	b.once.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "lease6-benchtest-"); b.err != nil {
			return
		}
		out, err := exec.Command("go", "build", "-o", filepath.Join(b.dir, "lease6d"), "github.com/lease6/lease6/cmd/lease6d").CombinedOutput()
		if err != nil {
			b.err = fmt.Errorf("build lease6d: %w: %s", err, out)
		}
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return map[string]string{"ceiling": Self(t), "lease6d": filepath.Join(b.dir, "lease6d")}
}

// Self is the test program.
func Self(t testing.TB) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self
}
