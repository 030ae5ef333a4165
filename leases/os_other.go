//go:build !linux

package leases

import (
	"math"
	"os"
)

// syncData makes what was written durable.
func syncData(f *os.File) error { return f.Sync() }

// lockFile has nothing to do: lease6d serves on Linux only.
func lockFile(*os.File) error { return nil }

// syncDir has nothing to do either.
func syncDir(string) error { return nil }

// ownAs gives a file the mode of another.
func ownAs(f *os.File, info os.FileInfo) error { return f.Chmod(info.Mode().Perm()) }

// roomIn does not know.
func roomIn(string) (int64, error) { return math.MaxInt64, nil }

// hugePages has nothing to do.
func (ix *Index) hugePages() {}
