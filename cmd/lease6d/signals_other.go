//go:build !unix

package main

import (
	"context"
	"os"
)

func handledSignals() []os.Signal { return []os.Signal{os.Interrupt} }

// signal does what a signal asks for: here there is only the one to stop.
func (d *instance) signal(context.Context, os.Signal) (stop bool) { return true }
