package netlab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// namesDir is where ip(8) looks for network namespaces by name.
const namesDir = "/run/netns"

// prefix begins the name of every lab, so that what a killed one left behind can be told from other people's.
const prefix = "lease6-"

// Options are what a Lab can do without.
type Options struct {
	Output func(program, line string) // what programs print, line by line, as "web1/dhclient"; nil discards
}

// Lab owns machines, the wires between them and all that runs there, until Close.
type Lab struct {
	name   string
	dir    string
	output func(program, line string)

	mu       sync.Mutex
	machines []*Machine
	closed   bool
}

// New makes an empty lab. Labs that exist at the same time, in one process or several, need different names; the
// process id is made part of it.
func New(name string, o Options) (*Lab, error) {
	if err := Check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(namesDir, 0o755); err != nil {
		return nil, fmt.Errorf("netlab: %w", err)
	}
	sweep()
	l := &Lab{name: prefix + strconv.Itoa(os.Getpid()) + name, output: o.Output}
	if l.output == nil {
		l.output = func(string, string) {}
	}
	l.dir = filepath.Join(os.TempDir(), l.name)
	if err := os.Mkdir(l.dir, 0o755); err != nil {
		return nil, fmt.Errorf("netlab: %w", err)
	}
	return l, nil
}

// Check says whether this process may make namespaces, and what is missing if not.
func Check() error {
	if os.Geteuid() != 0 {
		return errors.New("netlab: network namespaces need root; run as root or by sudo")
	}
	m, err := startHolder("check")
	if err != nil {
		return fmt.Errorf("netlab: cannot make namespaces (in a container they need CAP_SYS_ADMIN): %w", err)
	}
	m.kill()
	return nil
}

// Dir is the lab's own directory, seen under the same name by all machines. It is removed by Close.
func (l *Lab) Dir() string { return l.dir }

// WriteFile writes a file into the lab's directory and returns its path.
func (l *Lab) WriteFile(name string, data []byte) (string, error) {
	path := filepath.Join(l.dir, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return "", fmt.Errorf("netlab: %w", err)
	}
	return path, nil
}

// Close ends every process of the lab and removes all that it made. It may be called more than once.
func (l *Lab) Close() error {
	l.mu.Lock()
	machines := l.machines
	l.machines, l.closed = nil, true
	l.mu.Unlock()
	err := Each(machines, (*Machine).close)
	if e := os.RemoveAll(l.dir); e != nil {
		err = errors.Join(err, fmt.Errorf("netlab: %w", e))
	}
	return err
}

// Each calls do for all items at once and returns when all are done, with all errors.
func Each[T any](items []T, do func(T) error) error {
	errs := make([]error, len(items))
	var wg sync.WaitGroup
	for i, item := range items {
		wg.Go(func() { errs[i] = do(item) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// sweep removes the names and directories of labs that were killed. Their namespaces have ended with them.
func sweep() {
	for _, name := range abandoned(namesDir) {
		_ = removeName(filepath.Join(namesDir, name))
	}
	for _, name := range abandoned(os.TempDir()) {
		_ = os.RemoveAll(filepath.Join(os.TempDir(), name))
	}
}

// abandoned returns the entries of a directory that are a lab's by their name, and whose process is gone.
func abandoned(dir string) (names []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok {
			continue
		}
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		pid, err := strconv.Atoi(rest[:digits])
		if err == nil && errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			names = append(names, e.Name())
		}
	}
	return names
}

// removeName undoes the bind mount that gives a namespace its name.
func removeName(path string) error {
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("netlab: unmount %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("netlab: %w", err)
	}
	return nil
}

// pollPeriod is how often Await looks.
const pollPeriod = 20 * time.Millisecond

// Await waits until met says yes, fails, or ctx ends; the error then says what was waited for.
func Await(ctx context.Context, what string, met func() (bool, error)) error {
	tick := time.NewTicker(pollPeriod)
	defer tick.Stop()
	for {
		ok, err := met()
		switch {
		case err != nil:
			return fmt.Errorf("netlab: waiting for %s: %w", what, err)
		case ok:
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("netlab: waited in vain for %s: %w", what, context.Cause(ctx))
		case <-tick.C:
		}
	}
}
