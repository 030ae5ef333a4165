//go:build unix

package main

import (
	"context"
	"os"
	"syscall"
)

func handledSignals() []os.Signal {
	return []os.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM, syscall.SIGINT}
}

// signal does what a signal asks for, and reports whether that is to stop.
func (d *instance) signal(ctx context.Context, s os.Signal) (stop bool) {
	switch s {
	case syscall.SIGHUP:
		d.reloadConfig()
	case syscall.SIGUSR1:
		d.report()
	case syscall.SIGUSR2:
		d.takeLeases(ctx)
	default:
		return true
	}
	return false
}
