package netlab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// holderScript furnishes a machine and then waits for the end of its input, as process 1 of the machine.
//
// /sys is mounted anew to show the machine's own NICs, and read-only, which tells NetworkManager and systemd-networkd not
// to wait for udev. Duplicate address detection is off before any NIC is up: it costs a second, and the lab turns it on
// where it is the point. With addr_gen_mode 0 a NIC's link-local address comes from its MAC, as most clouds have it.
const holderScript = `set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t sysfs -o ro sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /run/lock
for d in etc var; do
	mkdir -p /run/.lab/$d/up /run/.lab/$d/work
	mount -t overlay overlay -o lowerdir=/$d,upperdir=/run/.lab/$d/up,workdir=/run/.lab/$d/work /$d
done
hostname "$1"
cd /proc/sys/net/ipv6/conf
for c in all default; do
	echo 0 >$c/accept_dad
	echo 0 >$c/accept_ra
	echo 0 >$c/router_solicitations
	echo 0 >$c/addr_gen_mode
done
cd /
ip link set lo up
echo ready
exec cat >/dev/null
`

// Machine is one computer of a Lab.
type Machine struct {
	Name string // in the lab, and the host name: "web1"
	NS   string // what ip(8) calls its network namespace

	lab    *Lab
	holder *exec.Cmd
	stdin  io.Closer
	stderr *bytes.Buffer
	pidfd  int
	once   sync.Once

	mu    sync.Mutex
	procs []*Process
	taps  []*Tap
}

// Machine adds a machine to the lab.
func (l *Lab) Machine(name string) (*Machine, error) {
	m, err := startHolder(name)
	if err != nil {
		return nil, err
	}
	m.lab, m.NS = l, l.name+"-"+name
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		m.kill()
		return nil, errors.New("netlab: the lab is closed")
	}
	if err := m.publish(); err != nil {
		m.kill()
		return nil, err
	}
	l.machines = append(l.machines, m)
	return m, nil
}

// startHolder starts process 1 of a machine and waits until the machine is furnished.
func startHolder(name string) (*Machine, error) {
	m := &Machine{Name: name, stderr: new(bytes.Buffer), pidfd: -1}
	m.holder = exec.Command("/bin/sh", "-c", holderScript, "sh", name)
	m.holder.Stderr = m.stderr
	m.holder.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		Setpgid:    true, // ^C is for the lab, which then ends its machines in order
		PidFD:      &m.pidfd,
	}
	stdin, err := m.holder.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("netlab: %w", err)
	}
	m.stdin = stdin
	stdout, err := m.holder.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("netlab: %w", err)
	}
	if err := m.holder.Start(); err != nil {
		return nil, fmt.Errorf("netlab: machine %s: %w", name, err)
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	if line != "ready\n" {
		m.kill()
		return nil, fmt.Errorf("netlab: machine %s: cannot be furnished: %s", name, strings.TrimSpace(m.stderr.String()))
	}
	return m, nil
}

// publish gives the machine's network namespace its name.
func (m *Machine) publish() error {
	path := filepath.Join(namesDir, m.NS)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("netlab: name namespace: %w", err)
	}
	f.Close()
	if err := unix.Mount(fmt.Sprintf("/proc/%d/ns/net", m.holder.Process.Pid), path, "", unix.MS_BIND, ""); err != nil {
		os.Remove(path)
		return fmt.Errorf("netlab: name namespace %s: %w", m.NS, err)
	}
	return nil
}

// kill ends all processes of the machine: the kernel ends them with process 1.
func (m *Machine) kill() {
	m.once.Do(func() {
		_ = m.holder.Process.Kill()
		m.stdin.Close()
		_ = m.holder.Wait()
		if m.pidfd >= 0 {
			unix.Close(m.pidfd)
		}
	})
}

func (m *Machine) close() error {
	m.mu.Lock()
	procs, taps := m.procs, m.taps
	m.procs, m.taps = nil, nil
	m.mu.Unlock()
	for _, t := range taps {
		t.close()
	}
	m.kill()
	for _, p := range procs {
		<-p.done
	}
	return removeName(filepath.Join(namesDir, m.NS))
}

// Path is where the host finds a file of the machine.
func (m *Machine) Path(file string) string {
	return fmt.Sprintf("/proc/%d/root%s", m.holder.Process.Pid, file)
}

// WriteFile writes a file of the machine, in /etc, /var or /run, and the directories above it.
func (m *Machine) WriteFile(file string, data []byte, mode os.FileMode) error {
	path := m.Path(file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("netlab: machine %s: %w", m.Name, err)
	}
	if err := os.WriteFile(path, data, mode); err != nil {
		return fmt.Errorf("netlab: machine %s: %w", m.Name, err)
	}
	return nil
}

// inside calls do on a thread that is in the machine's namespaces.
func (m *Machine) inside(do func() error) error {
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread stays in the machine's namespaces and ends with its goroutine.
		runtime.LockOSThread()
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_FS); err != nil {
				return fmt.Errorf("unshare: %w", err)
			}
			const all = unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC
			if err := unix.Setns(m.pidfd, all); err != nil {
				return fmt.Errorf("enter namespaces: %w", err)
			}
			return do()
		}()
	}()
	if err := <-done; err != nil {
		return fmt.Errorf("netlab: machine %s: %w", m.Name, err)
	}
	return nil
}

// command is a program to be started inside. Nothing of the lab's own environment reaches it.
func command(args []string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C", "HOME=/root"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// A daemon that the program leaves behind may keep its output open for ever.
	cmd.WaitDelay = 200 * time.Millisecond
	return cmd
}

// Run runs a program on the machine to its end and returns what it printed.
func (m *Machine) Run(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := command(args)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := m.inside(cmd.Start); err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	err := cmd.Wait()
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return out.String(), fmt.Errorf("netlab: machine %s: %s: %w: %s", m.Name, strings.Join(args, " "), err, strings.TrimSpace(out.String()))
	}
	return out.String(), nil
}
