package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/labtest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
)

// labs numbers the labs of this test process.
var labs labtest.Counter

// lease6d is the server under test, built by TestMain.
var lease6d struct {
	path string
	err  error
	note sync.Once
}

// needsServer ends the test if there is no server to test.
func needsServer(t testing.TB) {
	t.Helper()
	if err := netlab.Check(); err != nil {
		labtest.Missing(t, err.Error())
	}
	if lease6d.err != nil {
		t.Fatal(lease6d.err)
	}
	// The go tool takes note of files that tests look at. So a result in its cache is not one of another server.
	lease6d.note.Do(func() {
		_ = filepath.WalkDir("../..", func(path string, _ fs.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".go" {
				_, err = os.Stat(path)
			}
			return err
		})
	})
}

func TestMain(m *testing.M) {
	flag.Parse()
	// These tests wait for clients more than they work.
	parallel := true
	flag.Visit(func(f *flag.Flag) { parallel = parallel && f.Name != "test.parallel" })
	if parallel {
		_ = flag.Set("test.parallel", "8") // fails only for a flag that does not exist
	}
	os.Exit(run(m))
}

// run builds the server, runs the tests and looks for what they left behind.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "lease6-lab-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	lease6d.path = filepath.Join(dir, "lease6d")
	if netlab.Check() != nil {
		return m.Run() // of what can run, and of what says why it cannot
	}
	args := []string{"build", "-o", lease6d.path}
	if os.Getenv("LAB_RACE") == "1" { // make race
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "../lease6d")...).CombinedOutput(); err != nil {
		lease6d.err = fmt.Errorf("go build ../lease6d: %w: %s", err, out)
	}
	files := openFiles()
	status := m.Run()
	if err := leftovers(files); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, "the tests left something behind:", err)
		return 1
	}
	return status
}

// openFiles returns how many file descriptors this process has.
func openFiles() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

// leftovers says which namespaces, directories, files or goroutines are left of this process's labs.
func leftovers(files int) error {
	var errs []error
	prefix := fmt.Sprintf("lease6-%d-", os.Getpid())
	for _, dir := range []string{"/run/netns", os.TempDir()} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), prefix) {
				errs = append(errs, fmt.Errorf("%s in %s", e.Name(), dir))
			}
		}
	}
	// A goroutine that has just done its work may still be ending.
	const enough = 8
	for range 50 {
		if runtime.NumGoroutine() <= enough && openFiles() <= files+enough {
			return errors.Join(errs...)
		}
		time.Sleep(20 * time.Millisecond)
	}
	stacks := make([]byte, 1<<16)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return errors.Join(append(errs, fmt.Errorf("%d file descriptors, before %d; goroutines:\n%s", openFiles(), files, stacks))...)
}
