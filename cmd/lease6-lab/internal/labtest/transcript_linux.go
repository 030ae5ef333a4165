package labtest

import (
	"sync"
	"testing"
)

// transcript keeps what the programs of a lab print, for the case that the test fails.
type transcript struct {
	mu    sync.Mutex
	lines []string
}

func (r *transcript) add(program, line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, program+": "+line)
}

func (r *transcript) log(t testing.TB) {
	const most = 400
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, line := range r.lines[max(0, len(r.lines)-most):] {
		t.Log(line)
	}
}
