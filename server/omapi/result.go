package omapi

import (
	"context"
	"errors"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/server/omapi/codec"
	"github.com/lease6/lease6/server/omapi/record"
)

// storeRefusal says what a store's error means to the client.
func storeRefusal(err error) *codec.Refusal {
	var conflict *leases.ConflictError
	switch {
	case errors.As(err, &conflict) && conflict.Field == "mac":
		return codec.Refuse(codec.KeyConflict, "the hardware-address is that of host %q", record.RealName(conflict.Host))
	case errors.Is(err, leases.ErrExists):
		return codec.Refuse(codec.AlreadyExists, "specified object already exists")
	case errors.Is(err, leases.ErrNotFound):
		return codec.Refuse(codec.NotFound, "no object matches specification")
	case errors.Is(err, leases.ErrReadOnly):
		return codec.Refuse(codec.PermissionDenied, "another program owns the lease file; change leases there")
	case errors.Is(err, leases.ErrFailed):
		return codec.Refuse(codec.IOError, "the lease file cannot be written; nothing was changed")
	case errors.Is(err, context.DeadlineExceeded):
		return codec.Refuse(codec.Failure, "the lease file is not being written; nothing was changed")
	}
	return codec.Refuse(codec.Failure, "not stored; the server's log says why")
}
