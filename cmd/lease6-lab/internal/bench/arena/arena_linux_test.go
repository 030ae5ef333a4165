package arena

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/labtest"
)

func newArena(t *testing.T, relays int) *Arena {
	t.Helper()
	a, err := New(relays)
	if errors.Is(err, syscall.EPERM) {
		labtest.Missing(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// TestWire sends a datagram from a relay to the server's side and back, and nothing of it is seen outside.
func TestWire(t *testing.T) {
	a := newArena(t, 3)
	if len(a.Relays) != 3 || a.Relays[2] != netip.MustParseAddr("2001:db8:ff::4") {
		t.Fatalf("relays %v", a.Relays)
	}
	var server net.PacketConn
	err := onThread(a.server, -1, func() (err error) {
		server, err = net.ListenPacket("udp6", "["+Server.String()+"]:547")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	before, err := a.Drops()
	if err != nil {
		t.Fatal(err)
	}
	err = a.Clients(-1, func() error {
		local, remote := net.UDPAddrFromAddrPort(netip.AddrPortFrom(a.Relays[2], 547)), net.UDPAddrFromAddrPort(netip.AddrPortFrom(Server, 547))
		c, err := net.DialUDP("udp6", local, remote)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write([]byte("hello"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	if err := server.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, from, err := server.ReadFrom(b)
	if err != nil || string(b[:n]) != "hello" || netip.MustParseAddrPort(from.String()).Addr() != a.Relays[2] {
		t.Fatalf("%q from %v, %v", b[:n], from, err)
	}
	if _, err := server.WriteTo([]byte("you too"), from); err != nil {
		t.Fatal(err)
	}
	if n, err := a.Neighbours(); err != nil || n == 0 || n > 4 {
		t.Errorf("%d neighbours, %v: want the relay", n, err)
	}
	after, err := a.Drops()
	if d := after.Sub(before); err != nil || d.Server != 0 || d.Clients != 0 {
		t.Errorf("drops %+v, %v", d, err)
	}
	for _, nic := range []string{ServerNIC, ClientsNIC} {
		if _, err := net.InterfaceByName(nic); err == nil {
			t.Errorf("%s is seen outside of the arena", nic)
		}
	}
}

// TestProcess runs a program on one CPU in the server's namespace and ends it.
func TestProcess(t *testing.T) {
	a := newArena(t, 1)
	cpus, err := CPUs()
	if err != nil {
		t.Fatal(err)
	}
	cpu := cpus[len(cpus)-1]
	p, err := a.Start(cpu, []string{"HELLO=hello"}, "/bin/sh", "-c", "echo $HELLO; grep Cpus_allowed_list /proc/self/status; cat /proc/net/dev; echo done; exec sleep 1000")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AwaitOutput(t.Context(), "done\n", 1); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"hello\n", fmt.Sprintf("Cpus_allowed_list:\t%d\n", cpu), ServerNIC} {
		if !strings.Contains(p.Output(), want) {
			t.Errorf("no %q in %s", want, p.Output())
		}
	}
	if p.Ended() {
		t.Error("it has ended")
	}
	if err := p.Stop(t.Context()); err != nil || !p.Ended() {
		t.Errorf("stop: %v", err)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/status", p.PID)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("process %d is left: %v", p.PID, err)
	}
	if err := p.Signal(syscall.SIGHUP); err == nil {
		t.Error("a program that has ended took a signal")
	}
	if err := p.AwaitOutput(t.Context(), "never", 1); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("await: %v", err)
	}
}

// TestStubborn: a program that does not want to end is ended.
func TestStubborn(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as Stop is patient")
	}
	a := newArena(t, 1)
	p, err := a.Start(-1, nil, "/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AwaitOutput(t.Context(), "ready", 1); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(t.Context()); err != nil || !p.Ended() {
		t.Errorf("stop: %v", err)
	}
}

func TestStartFails(t *testing.T) {
	a := newArena(t, 1)
	if _, err := a.Start(-1, nil, "/nonexistent/server"); err == nil {
		t.Error("started what is not there")
	}
}
