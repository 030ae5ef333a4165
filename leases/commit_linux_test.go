package leases

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lease6/lease6/leases/isc"
)

// TestDiskFull fills a real file system, with a journal on it: the change that no longer fits is refused, what there is
// is served on, and after a restart with more room all that was acknowledged is there, and changes go on.
func TestDiskFull(t *testing.T) {
	for _, spare := range []int{0, 1000, 3000} {
		t.Run(fmt.Sprint(spare), func(t *testing.T) {
			dir := t.TempDir()
			if err := unix.Mount("lease6-test", dir, "tmpfs", unix.MS_NOSUID, "size=256k"); err != nil {
				if os.Getenv("LAB_MUST_RUN") == "1" {
					t.Fatalf("LAB_MUST_RUN=1, but: mount tmpfs: %v", err)
				}
				t.Skipf("cannot mount a tmpfs: %v", err)
			}
			t.Cleanup(func() {
				if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
					t.Error(err)
				}
			})
			testDiskFull(t, dir, spare)
		})
	}
}

func testDiskFull(t *testing.T, dir string, spare int) {
	ballast, path := filepath.Join(dir, "ballast"), filepath.Join(dir, "f")
	if err := errors.Join(os.WriteFile(ballast, make([]byte, 64<<10), 0o600), os.WriteFile(path, []byte("#"+strings.Repeat(" ", spare)+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	h := reopen(t, path)
	n := uint32(0)
	var err error
	for ; err == nil && n < 10_000; n++ {
		x := host(fmt.Sprint("h", n), n)
		x.Statements = []isc.Statement{{Text: `supersede host-name = "` + strings.Repeat("x", 500) + `";`}}
		err = h.put(x)
	}
	if !errors.Is(err, ErrFailed) || !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("%d hosts: %v", n, err)
	}
	n-- // refused
	if err := h.put(host("next", 1<<20)); !errors.Is(err, ErrFailed) || h.Status().Problem == "" || h.Status().Hosts != int(n) {
		t.Errorf("%v, %+v", err, h.Status())
	}
	if info, err := os.Stat(path); err != nil || info.Size() != h.size {
		t.Errorf("half a record is left: %d bytes, want %d: %v", info.Size(), h.size, err)
	}
	if h.index.FindName("h0") == 0 {
		t.Error("no longer served")
	}
	check(t, h.index)
	h.crash()
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	h = reopen(t, path)
	defer h.crash()
	if h.index.Len() != int(n) || h.index.FindName(fmt.Sprint("h", n-1)) == 0 {
		t.Errorf("%d hosts, want %d", h.index.Len(), n)
	}
	h.must(h.put(host("again", 1<<20)))
	// A rewrite sees that it would fill the disk, and does not begin.
	if err := h.beginRewrite(); err == nil || !strings.Contains(err.Error(), "make room") {
		t.Error(err)
	}
	noLeftovers(t, path)
}
