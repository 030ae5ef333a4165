package vitals

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/arena"
)

// Subject is the lease6d that is looked at. One goroutine at a time may use it.
type Subject struct {
	Process *arena.Process
	Begin   time.Time // of the measurement
}

// Look takes the vitals.
func (s *Subject) Look(ctx context.Context) (v Vitals, err error) {
	line, err := s.Ask(ctx, syscall.SIGUSR1, "msg=process ")
	if err == nil {
		err = v.parseProcess(line)
	}
	if err != nil {
		return v, err
	}
	v.At = time.Since(s.Begin)
	dir := fmt.Sprintf("/proc/%d/", s.Process.PID)
	files, err := os.ReadDir(dir + "fd")
	if err != nil {
		return v, fmt.Errorf("vitals: descriptors of lease6d: %w", err)
	}
	v.Files = len(files)
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return v, fmt.Errorf("vitals: memory of lease6d: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		var kib int64
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			if _, err := fmt.Sscan(value, &kib); err != nil {
				return v, fmt.Errorf("vitals: memory of lease6d: %q: %w", line, err)
			}
			v.RSS = kib << 10
		}
	}
	return v, nil
}

// Ask sends a signal and waits for the line with the mark that lease6d logs then. Lines differ by their time. It does
// not count them, because no more than the end of a long log is kept.
func (s *Subject) Ask(ctx context.Context, signal syscall.Signal, mark string) (string, error) {
	const patience, period = 20 * time.Second, 5 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	before := lastLine(s.Process.Output(), mark)
	if err := s.Process.Signal(signal); err != nil {
		return "", err
	}
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		if line := lastLine(s.Process.Output(), mark); line != before {
			return line, nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("vitals: lease6d does not log %q after %v: %w; it said: %s", mark, signal, context.Cause(ctx), s.Process.Tail())
		case <-s.Process.Done():
			return "", fmt.Errorf("vitals: lease6d has ended: %s", s.Process.Tail())
		case <-tick.C:
		}
	}
}

// Memberships asks the kernel which groups are joined on lease6d's interfaces.
func (s *Subject) Memberships(exists func(name string) bool, interfaces int) (Memberships, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/igmp6", s.Process.PID))
	if err != nil {
		return Memberships{}, fmt.Errorf("vitals: multicast memberships: %w", err)
	}
	return parseMemberships(string(text), exists, interfaces), nil
}
