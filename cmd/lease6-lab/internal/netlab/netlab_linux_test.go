package netlab_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"golang.org/x/sys/unix"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/frame"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/labtest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
)

var labs labtest.Counter

// TestIsolation: what a machine does to its system, the host does not see.
func TestIsolation(t *testing.T) {
	t.Parallel()
	lab, ctx := labs.New(t)
	m := machine(t, lab, "box")
	unique := fmt.Sprintf("lease6-netlab-test-%d", os.Getpid())
	for _, dir := range []string{"/etc", "/var/lib", "/run"} {
		file := filepath.Join(dir, unique)
		must(t, m.WriteFile(file, []byte("inside"), 0o600))
		if got, err := m.Run(ctx, "cat", file); err != nil || got != "inside" {
			t.Errorf("the machine reads %q (%v) from %s", got, err, file)
		}
		if _, err := os.Lstat(file); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is on the host: %v", file, err)
		}
	}
	for what, command := range map[string]string{
		"box":  "hostname",
		"lo":   "ls /sys/class/net",
		"cat":  "cat /proc/1/comm",
		"0\n0": "cat /proc/sys/net/ipv6/conf/default/accept_dad /proc/sys/net/ipv6/conf/all/accept_dad",
	} {
		if got, err := m.Run(ctx, "sh", "-c", command); err != nil || strings.TrimSpace(got) != what {
			t.Errorf("%s: %q (%v), want %q", command, got, err, what)
		}
	}
	if _, err := m.Run(ctx, "touch", "/sys/x"); err == nil {
		t.Error("/sys can be written")
	}
	// What the lab's directory has is seen by all.
	path, err := lab.WriteFile("shared", []byte("shared"))
	must(t, err)
	if got, err := m.Run(ctx, "cat", path); err != nil || got != "shared" {
		t.Errorf("the machine reads %q (%v) from %s", got, err, path)
	}
}

// TestClose: nothing that ran on a machine survives it, also what has become a daemon.
func TestClose(t *testing.T) {
	t.Parallel()
	lab, ctx := labs.New(t)
	m := machine(t, lab, "box")
	p, err := m.Start("sh", "-c", "trap '' TERM HUP INT; setsid sleep 1000 & echo started; wait")
	must(t, err)
	must(t, p.AwaitOutput(ctx, "started"))
	out, err := m.Run(ctx, "sh", "-c", "pidof sleep >/run/pid; readlink /proc/self/ns/pid")
	must(t, err)
	ns, name, dir := strings.TrimSpace(out), "/run/netns/"+m.NS, lab.Dir()
	if _, err := os.Lstat(name); err != nil {
		t.Error(err)
	}
	must(t, lab.Close())
	must(t, lab.Close())
	for _, path := range []string{name, dir} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there", path)
		}
	}
	if !p.Ended() {
		t.Error("a process is still there")
	}
	all, err := filepath.Glob("/proc/[0-9]*/ns/pid")
	must(t, err)
	for _, link := range all {
		if got, _ := os.Readlink(link); got == ns {
			t.Errorf("%s is still in the machine's process namespace", link)
		}
	}
	if _, err := lab.Machine("late"); err == nil {
		t.Error("a closed lab takes machines")
	}
}

// TestProcess: the process that the lab knows is the program itself, and its end is told with its last words.
func TestProcess(t *testing.T) {
	t.Parallel()
	lab, ctx := labs.New(t)
	m := machine(t, lab, "box")
	p, err := m.Start("sh", "-c", "trap 'echo bye; exit 3' USR1; echo one; printf two; while :; do sleep 0.05; done")
	must(t, err)
	must(t, p.AwaitOutput(ctx, "one"))
	must(t, p.Stop(ctx, syscall.SIGUSR1))
	if got := p.Output(); got != "one\ntwobye\n" {
		t.Errorf("output %q", got)
	}
	if err := p.AwaitOutput(ctx, "never"); err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "twobye") {
		t.Errorf("error of a program that ended: %v", err)
	}
	if _, err := m.Start("no-such-program"); err == nil {
		t.Error("a program that is not there was started")
	}
	if out, err := m.Run(ctx, "sh", "-c", "echo oops; exit 4"); err == nil || !strings.Contains(err.Error(), "oops") || out != "oops\n" {
		t.Errorf("error of a command that fails: %v, output %q", err, out)
	}
}

// TestTap: a packet is seen by the taps of both ends, with its direction, frame and contents.
func TestTap(t *testing.T) {
	t.Parallel()
	lab, ctx := labs.New(t)
	a, b := machine(t, lab, "a"), machine(t, lab, "b")
	const mac = "52:54:00:00:00:0a"
	must(t, netlab.Wire(netlab.Port{Machine: a, NIC: "eth0", MAC: mac}, netlab.Port{Machine: b, NIC: "eth0"}))
	must(t, a.AwaitLinkLocal(ctx, "eth0"))
	must(t, a.SetLinkLocal("eth0", netip.MustParseAddr("fe80::abcd")))
	told := make(chan *frame.Packet, 8)
	from, err := a.Tap("eth0", nil)
	must(t, err)
	to, err := b.Tap("eth0", func(p *frame.Packet) { told <- p })
	must(t, err)

	hw, err := net.ParseMAC(mac)
	must(t, err)
	solicit, err := dhcpv6.NewSolicit(hw, dhcpv6.WithIANA(dhcpv6.OptIAAddress{IPv6Addr: net.ParseIP("2001:db8::7"), ValidLifetime: 1}))
	must(t, err)
	relay, err := dhcpv6.EncapsulateRelay(solicit, dhcpv6.MessageTypeRelayForward, net.ParseIP("2001:db8::1"), net.ParseIP("fe80::1"))
	must(t, err)
	relay.AddOption(dhcpv6.OptClientLinkLayerAddress(1, hw))
	send(ctx, t, a, relay.ToBytes())

	for tap, out := range map[*netlab.Tap]bool{from: true, to: false} {
		must(t, netlab.Await(ctx, "the packet", func() (bool, error) { return len(tap.Packets()) > 0, nil }))
		p := tap.Packets()[0]
		if p.Out != out || p.FrameSource.String() != mac || p.Source != netip.MustParseAddr("fe80::abcd") || p.Destination != netip.MustParseAddr("ff02::1:2") {
			t.Errorf("out %v, want %v: %+v", p.Out, out, p)
		}
		if p.Option79().String() != mac || string(p.DUID()) != string(solicit.Options.ClientID().ToBytes()) || p.Status() != 0 ||
			len(p.Addresses()) != 1 || p.Addresses()[0] != netip.MustParseAddr("2001:db8::7") {
			t.Errorf("read option 79 %v, DUID %x, addresses %v, status %d", p.Option79(), p.DUID(), p.Addresses(), p.Status())
		}
	}
	select {
	case <-told:
	case <-ctx.Done():
		t.Error("the packet was not told")
	}
}

// send sends a payload to all DHCPv6 servers, from a program of the machine's own.
func send(ctx context.Context, t *testing.T, m *netlab.Machine, payload []byte) {
	t.Helper()
	labtest.Needs(t, "perl")
	const script = `use Socket qw(:all); socket(my $s, AF_INET6, SOCK_DGRAM, 17) or die $!;
bind($s, pack_sockaddr_in6(546, IN6ADDR_ANY)) or die $!;
send($s, pack("H*", $ARGV[0]), 0, pack_sockaddr_in6(547, inet_pton(AF_INET6, "ff02::1:2"), 2)) or die $!;`
	_, err := m.Run(ctx, "perl", "-e", script, fmt.Sprintf("%x", payload))
	must(t, err)
}

// TestSweep: what a killed lab leaves behind is removed by the next, what belongs to a living one is not.
func TestSweep(t *testing.T) {
	lab, _ := labs.New(t)
	living := machine(t, lab, "living")
	var dead int
	for dead = 1 << 21; !errors.Is(unix.Kill(dead, 0), unix.ESRCH); dead++ {
	}
	stale := fmt.Sprintf("/run/netns/lease6-%d-stale", dead)
	other := fmt.Sprintf("/run/netns/lease6x%d", os.Getpid())
	for _, path := range []string{stale, other} {
		must(t, os.WriteFile(path, nil, 0o600))
	}
	defer os.Remove(other)
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("lease6-%d-stale", dead))
	must(t, os.MkdirAll(filepath.Join(dir, "state"), 0o700))
	labs.New(t)
	for path, want := range map[string]bool{stale: false, dir: false, lab.Dir(): true, other: true, "/run/netns/" + living.NS: true} {
		if _, err := os.Lstat(path); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", path, err == nil, want)
		}
	}
}

func machine(t *testing.T, lab *netlab.Lab, name string) *netlab.Machine {
	t.Helper()
	m, err := lab.Machine(name)
	must(t, err)
	return m
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
