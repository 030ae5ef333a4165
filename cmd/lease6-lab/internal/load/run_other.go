//go:build !linux

package load

import (
	"context"
	"errors"
)

var errLinux = errors.New("load: needs Linux")

// Run needs Linux.
func Run(context.Context, Options) (*Result, error) { return nil, errLinux }

// Probe needs Linux.
func Probe(context.Context, Options) error { return errLinux }
