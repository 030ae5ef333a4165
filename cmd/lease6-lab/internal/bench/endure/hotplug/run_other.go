//go:build !linux

package hotplug

import (
	"context"
	"errors"
)

// Run needs Linux.
func Run(context.Context, Options) (*Report, error) { return nil, errors.New("hotplug: needs Linux") }
