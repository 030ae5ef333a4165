//go:build !linux

package arena

import "errors"

// Check needs Linux.
func Check() error { return errors.New("arena: needs Linux") }
