package omapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netns"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/arena"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/peers"
	"github.com/lease6/lease6/server/omapi/client"
)

// address is where both servers serve OMAPI: dhcpd everywhere over IPv4.
const address = "127.0.0.1:7911"

// patience is how long a server may take for a reply, and to start for each million leases.
const patience = time.Minute

// subject is a server that is measured, in an arena of its own.
type subject struct {
	name    string
	dir     string
	arena   *arena.Arena
	process *arena.Process
	ns      netns.NsHandle // where it is
	started time.Duration
}

// start starts a server with the leases of so many clients and waits until it takes connections.
func start(ctx context.Context, peer *peers.Peer, dir string, hosts int) (*subject, error) {
	s := &subject{name: peer.Name, dir: filepath.Join(dir, peer.Name), ns: netns.None()}
	if err := s.start(ctx, peer, hosts); err != nil {
		return nil, errors.Join(fmt.Errorf("omapi: %s: %w", peer.Name, err), s.close())
	}
	return s, nil
}

func (s *subject) start(ctx context.Context, peer *peers.Peer, hosts int) (err error) {
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		return err
	}
	if s.arena, err = arena.New(1); err != nil {
		return err
	}
	file, err := s.leaseFile(hosts)
	if err != nil {
		return err
	}
	conf := filepath.Join(s.dir, "configuration")
	var config string
	args := []string{peer.Program}
	if s.name == ours {
		config = fmt.Sprintf("server.interfaces = [%q]\nserver.relays = [\"::/0\"]\nserver.state-dir = %q\nleases.file = %q\nomapi.listen = [%q]\n[[link]]\nname = \"all\"\nprefixes = [\"::/0\"]\n",
			arena.ServerNIC, s.dir, file, address)
		args = append(args, "--config", conf)
	} else {
		config = fmt.Sprintf("omapi-port 7911;\nauthoritative;\nddns-update-style none;\nshared-network all {\nsubnet6 2001:db8:ff::/64 { }\nsubnet6 %s { }\n}\n", guest.Prefix)
		args = append(args, "-6", "-f", "-q", "--no-pid", "-cf", conf, "-lf", file, arena.ServerNIC)
	}
	if err := os.WriteFile(conf, []byte(config), 0o644); err != nil {
		return err
	}
	begin := time.Now()
	if s.process, err = s.arena.Start(-1, nil, args...); err != nil {
		return err
	}
	if s.ns, err = netns.GetFromPid(s.process.PID); err != nil {
		return fmt.Errorf("network namespace of the server: %w", err)
	}
	if err := s.awaitListener(ctx, begin.Add(peer.Start(hosts)+patience)); err != nil {
		return err
	}
	s.started = time.Since(begin)
	return nil
}

func (s *subject) leaseFile(hosts int) (path string, err error) {
	path = filepath.Join(s.dir, peers.LeaseFile)
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	var b []byte
	for i := range hosts {
		b = peers.AppendLease(b[:0], i)
		w.Write(b) // Flush has the error
	}
	return path, errors.Join(w.Flush(), f.Close())
}

func (s *subject) awaitListener(ctx context.Context, until time.Time) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := s.dial(ctx)
		if err == nil {
			return conn.Close()
		}
		if s.process.Ended() || time.Now().After(until) {
			return fmt.Errorf("it does not take connections: %w: %s", err, s.process.Tail())
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// dial connects to the server, from its own machine.
func (s *subject) dial(ctx context.Context) (conn *client.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		if err = netns.Set(s.ns); err == nil {
			conn, err = client.Dial(ctx, address, client.Options{Timeout: patience})
		}
	}()
	<-done
	return conn, err
}

// memory of the server in bytes.
func (s *subject) memory() int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.PID))
	for line := range strings.Lines(string(text)) {
		var kib int64
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			fmt.Sscan(rest, &kib) // stays 0 if it is no number
			return kib << 10
		}
	}
	return 0
}

// pause keeps the server from using CPUs.
func (s *subject) pause() error { return s.process.Signal(syscall.SIGSTOP) }

// awake does something with the server, which is paused before and after.
func (s *subject) awake(do func() error) error {
	if err := s.process.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	return errors.Join(do(), s.pause())
}

// close ends the server and removes its files.
func (s *subject) close() error {
	var err error
	if s.arena != nil {
		err = s.arena.Close()
	}
	if s.ns.IsOpen() {
		err = errors.Join(err, s.ns.Close())
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}
