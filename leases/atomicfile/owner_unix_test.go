//go:build unix

package atomicfile

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestSymlinkAndOwner(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := Write(real, 0o640, text("old")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", link); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	root := os.Geteuid() == 0
	if root {
		if err := os.Chown(real, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	if err := Write(link, 0o640, text("new")); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(real); err != nil || string(b) != "new" {
		t.Errorf("%q %v", b, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("%v %v", info, err)
	}
	if info, err := os.Stat(real); err != nil || root && info.Sys().(*syscall.Stat_t).Uid != nobody {
		t.Errorf("%+v %v", info.Sys(), err)
	}
}
