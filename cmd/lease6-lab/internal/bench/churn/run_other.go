//go:build !linux

package churn

import (
	"context"
	"errors"
)

// Run needs Linux.
func Run(context.Context, Options) (*Report, error) { return nil, errors.New("churn: needs Linux") }
