//go:build !unix

package atomicfile

import "os"

// syncDir has nothing to do where directories cannot be opened.
func syncDir(string) error { return nil }

// sameOwner has nothing to do: files have no owner of that kind.
func sameOwner(*os.File, os.FileInfo) error { return nil }
