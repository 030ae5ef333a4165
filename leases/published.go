package leases

import (
	"context"
	"sync"
)

// published is what a store shows to others: the index that packets are answered from, news of changes, and how the store
// is doing. One goroutine of the store changes it.
type published struct {
	mu    sync.RWMutex // guards index and what is in it; readers hold it for a batch of packets
	index *Index

	watchers watchers

	statusMu sync.Mutex
	status   Status
}

// Acquire gives read access to the current index until Release.
func (p *published) Acquire() *Index {
	p.mu.RLock()
	return p.index
}

// Release ends the access that Acquire gave.
func (p *published) Release() { p.mu.RUnlock() }

// Watch calls fn for every change until ctx ends, from one goroutine.
func (p *published) Watch(ctx context.Context, fn func(Change)) error {
	return p.watchers.watch(ctx, fn)
}

// Status tells how the store is doing.
func (p *published) Status() Status {
	p.statusMu.Lock()
	defer p.statusMu.Unlock()
	return p.status
}

// compact makes the index anew. Only the goroutine that calls it writes to the index, so reading it needs no lock.
func (p *published) compact() {
	ix := p.index.compact()
	p.mu.Lock()
	p.index = ix
	p.mu.Unlock()
}
