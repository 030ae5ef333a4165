//go:build !linux

package omapi

import (
	"context"
	"errors"
)

// Run needs Linux.
func Run(context.Context, Options) (*Report, error) { return nil, errors.New("omapi: needs Linux") }
