//go:build !linux

package demo

import (
	"context"
	"errors"
)

// Run runs the demo. It needs Linux.
func Run(context.Context, Options) error {
	return errors.New("demo: the lab is made of network namespaces; run it on Linux")
}
