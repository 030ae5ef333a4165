package leases

import (
	"errors"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// syncData makes what was written durable; times may wait.
func syncData(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }

// lockFile keeps a second owner away. The lock ends with the process.
func lockFile(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

// syncDir makes what became of the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close()) // all of it: fdatasync may leave out a rename
}

// ownAs gives a file the owner and the mode of another, as far as this process may.
func ownAs(f *os.File, info os.FileInfo) error {
	if like, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := f.Chown(int(like.Uid), int(like.Gid)); err != nil && !errors.Is(err, os.ErrPermission) {
			return err
		}
	}
	return f.Chmod(info.Mode().Perm())
}

// roomIn is how many bytes the file system of a directory still takes.
func roomIn(dir string) (int64, error) {
	var s unix.Statfs_t
	err := unix.Statfs(dir, &s)
	return int64(s.Bavail) * int64(s.Bsize), err
}

// hugePages asks the kernel to back the index with pages of 2 MiB. A look-up in a million leases goes to three places
// far apart, and with pages of 4 KiB each of them costs a walk through the page tables besides. It is a hint: where the
// kernel has no such pages, nothing changes.
func (ix *Index) hugePages() {
	adviseHuge(ix.byMAC.slots)
	adviseHuge(ix.byName.slots)
	adviseHuge(ix.byAddr.slots)
	adviseHuge(ix.entries)
}

func adviseHuge[T any](s []T) {
	const page = 2 << 20
	if len(s) == 0 {
		return
	}
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(s)))
	end := begin + uintptr(len(s))*unsafe.Sizeof(s[0])
	begin = (begin + page - 1) &^ (page - 1)
	end &^= page - 1
	if begin >= end {
		return
	}
	// Only whole pages inside the slice: nothing else of the heap is touched. Collapse does at once what the kernel
	// would do some time; it exists since Linux 6.1.
	for _, advice := range []uintptr{unix.MADV_HUGEPAGE, unix.MADV_COLLAPSE} {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, begin, end-begin, advice)
	}
}
