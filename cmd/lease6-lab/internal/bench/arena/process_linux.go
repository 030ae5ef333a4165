package arena

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a program on the server's side.
type Process struct {
	Name string
	PID  int

	cmd  *exec.Cmd
	done chan struct{}
	err  error // after done
	out  transcript
}

// transcript keeps the beginning and the end of what a program prints.
type transcript struct {
	mu      sync.Mutex
	text    bytes.Buffer
	dropped int
}

const mostText = 1 << 20

func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text.Write(b)
	if over := t.text.Len() - mostText; over > 0 {
		t.text.Next(over)
		t.dropped += over
	}
	return len(b), nil
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// Start starts a program on the server's side on one CPU, or any if that is negative. It ends by Stop, with the arena,
// or with this process.
func (a *Arena) Start(cpu int, env []string, args ...string) (*Process, error) {
	p := &Process{Name: filepath.Base(args[0]), done: make(chan struct{})}
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C"}, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p.cmd.WaitDelay = 200 * time.Millisecond
	started := make(chan error)
	// Stop waits for it. The thread lives as long as the program, which is killed when its parent thread ends, and
	// inherits namespace and CPU from it.
	go func() {
		defer close(p.done)
		runtime.LockOSThread()
		err := enter(a.server, cpu)
		if err == nil {
			err = p.cmd.Start()
		}
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("arena: start %s: %w", p.Name, err)
	}
	p.PID = p.cmd.Process.Pid
	a.mu.Lock()
	defer a.mu.Unlock()
	a.processes = append(a.processes, p)
	return p, nil
}

// Output is what the program has printed, the last MiB of it.
func (p *Process) Output() string { return p.out.String() }

// Tail is the end of it, for error messages.
func (p *Process) Tail() string {
	const most = 600
	out := strings.TrimSpace(p.Output())
	return out[max(0, len(out)-most):]
}

// Ended reports whether the program has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Signal sends the program a signal.
func (p *Process) Signal(s syscall.Signal) error {
	if p.Ended() {
		return fmt.Errorf("arena: %s has ended: %s", p.Name, p.Tail())
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("arena: signal %s: %w", p.Name, err)
	}
	return nil
}

// AwaitOutput waits until the program has printed text so many times.
func (p *Process) AwaitOutput(ctx context.Context, text string, times int) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		ended := p.Ended()
		switch {
		case strings.Count(p.Output(), text) >= times:
			return nil
		case ended:
			return fmt.Errorf("arena: %s has ended (%v): %s", p.Name, p.err, p.Tail())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("arena: waited in vain for %q from %s: %w", text, p.Name, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// Stop asks the program to end, and ends it if it does not.
func (p *Process) Stop(ctx context.Context) error {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// These fail only if it has ended. It may have been stopped, and then sees the first after the second.
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	return nil
}
