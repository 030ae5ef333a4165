//go:build !linux

package soak

import (
	"context"
	"errors"
)

// Run needs Linux.
func Run(context.Context, Options) (*Report, error) { return nil, errors.New("soak: needs Linux") }
