package leases

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncData makes what was written durable; times may wait.
func syncData(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }

// lockFile keeps a second owner away. The lock ends with the process.
func lockFile(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
