//go:build !linux

package server

import (
	"context"
	"errors"
)

// watchInterfaces needs netlink.
func (s *Server) watchInterfaces(context.Context, func()) error {
	return errors.New("server: serving needs Linux")
}
