//go:build !linux

package bench

import (
	"context"
	"errors"
)

// Run needs Linux.
func Run(context.Context, Options) (*Report, error) { return nil, errors.New("bench: needs Linux") }
