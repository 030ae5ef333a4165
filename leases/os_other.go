//go:build !linux

package leases

import "os"

// syncData makes what was written durable.
func syncData(f *os.File) error { return f.Sync() }

// lockFile has nothing to do: lease6d serves on Linux only.
func lockFile(*os.File) error { return nil }

// hugePages has nothing to do.
func (ix *Index) hugePages() {}
