package leases

import (
	"context"
	"errors"

	"github.com/lease6/lease6/leases/isc"
)

// Errors that callers branch on.
var (
	ErrExists   = errors.New("leases: exists already")             // name or MAC is taken
	ErrNotFound = errors.New("leases: no such host")               // nothing of that name
	ErrReadOnly = errors.New("leases: somebody else owns the file") // follow mode
	ErrFailed   = errors.New("leases: the lease file failed")      // a write or sync failed; sticky until restart
)

// A Store holds the leases of one datacenter. The file is one today; a distributed engine can be another.
//
// The contract, tested for every Store by leases/storetest: Put and Delete return only when the change is durable
// and served (answered implies durable, served implies durable); a refused change leaves no trace;
// Watch misses nothing that happens after it was called, in the order of publication.
type Store interface {
	// Acquire gives read access to the current index until Release. Hold it for one batch of packets,
	// never across anything that blocks. It does not allocate.
	Acquire() *Index
	Release()
	// Put creates a host (exclusive: ErrExists if the name or the MAC is taken) or replaces it.
	Put(ctx context.Context, h *isc.Host, exclusive bool) error
	// Delete cancels a host by name.
	Delete(ctx context.Context, name string) error
	// Watch calls fn for every change until ctx ends, from one goroutine.
	Watch(ctx context.Context, fn func(Change)) error
	// Status tells how the store is doing.
	Status() Status
}
