package leases

import (
	"context"
	"sync"
)

// watchers hands changes to those who watch, each at its own pace.
type watchers struct {
	mu  sync.Mutex
	all map[*watcher]struct{}
}

// watcher is a queue of changes that one watcher has not yet seen.
type watcher struct {
	mu      sync.Mutex
	pending []Change
	more    chan struct{} // has one element if there may be something pending
}

// publish queues changes for every watcher. It does not wait for any.
func (w *watchers) publish(changes []Change) {
	if len(changes) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.all {
		one.add(changes)
	}
}

// longestQueue bounds what a watcher that does not keep up costs: beyond it, all it is told is to look afresh.
const longestQueue = 1 << 16

func (w *watcher) add(changes []Change) {
	w.mu.Lock()
	if len(w.pending)+len(changes) > longestQueue {
		w.pending = append(w.pending[:0], Change{Kind: Reloaded})
	} else {
		w.pending = append(w.pending, changes...)
	}
	w.mu.Unlock()
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// watch calls fn for every change that is published after it began, until ctx ends.
func (w *watchers) watch(ctx context.Context, fn func(Change)) error {
	one := &watcher{more: make(chan struct{}, 1)}
	w.mu.Lock()
	if w.all == nil {
		w.all = make(map[*watcher]struct{})
	}
	w.all[one] = struct{}{}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.all, one)
		w.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-one.more:
		}
		one.mu.Lock()
		changes := one.pending
		one.pending = nil
		one.mu.Unlock()
		for _, c := range changes {
			fn(c)
		}
	}
}
