package netlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// Process is a program that runs on a Machine.
type Process struct {
	Name string // "web1/dhclient"

	cmd  *exec.Cmd
	done chan struct{}
	err  error // after done

	output func(program, line string)
	mu     sync.Mutex
	text   strings.Builder // whole lines printed so far
	rest   []byte          // the line being printed
}

// Start starts a program that runs on. It ends by Stop or with its machine.
func (m *Machine) Start(args ...string) (*Process, error) {
	p := &Process{
		Name: m.Name + "/" + filepath.Base(args[0]), cmd: command(args),
		done: make(chan struct{}), output: m.lab.output,
	}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.inside(p.cmd.Start); err != nil {
		return nil, err
	}
	m.procs = append(m.procs, p)
	// Machine.close waits for it.
	go func() {
		defer close(p.done)
		if err := p.cmd.Wait(); !errors.Is(err, exec.ErrWaitDelay) {
			p.err = err
		}
	}()
	return p, nil
}

// Write takes the program's output apart into lines.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	p.rest = append(p.rest, b...)
	var lines []string
	for {
		n := bytes.IndexByte(p.rest, '\n')
		if n < 0 {
			break
		}
		lines = append(lines, strings.TrimRight(string(p.rest[:n]), "\r"))
		p.rest = p.rest[n+1:]
	}
	for _, line := range lines {
		p.text.WriteString(line)
		p.text.WriteByte('\n')
	}
	p.mu.Unlock()
	for _, line := range lines {
		p.output(p.Name, line)
	}
	return len(b), nil
}

// Output is all that the program has printed, in whole lines.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
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

// AwaitOutput waits until the program has printed text.
func (p *Process) AwaitOutput(ctx context.Context, text string) error {
	err := Await(ctx, fmt.Sprintf("%q from %s", text, p.Name), func() (bool, error) {
		ended := p.Ended()
		if strings.Contains(p.Output(), text) {
			return true, nil
		}
		if ended {
			return false, fmt.Errorf("%s has ended (%v): %s", p.Name, p.err, p.tail())
		}
		return false, nil
	})
	if err != nil && !p.Ended() {
		return fmt.Errorf("%w; it said: %s", err, p.tail())
	}
	return err
}

// Signal sends the program a signal.
func (p *Process) Signal(signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("netlab: signal %s: %w", p.Name, err)
	}
	return nil
}

// Stop sends the program a signal and waits for its end.
func (p *Process) Stop(ctx context.Context, signal syscall.Signal) error {
	if err := p.Signal(signal); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("netlab: %s does not end on %v: %s", p.Name, signal, p.tail())
	}
}

// tail is the end of the output, for error messages.
func (p *Process) tail() string {
	const most = 600
	out := strings.TrimSpace(p.Output())
	return out[max(0, len(out)-most):]
}
