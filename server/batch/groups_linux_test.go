package batch

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// members returns the interfaces on which the namespace of the thread is a member of both groups.
func members(t *testing.T) map[string]bool {
	t.Helper()
	count := make(map[string]int)
	for line := range strings.Lines(string(must(os.ReadFile("/proc/thread-self/net/igmp6"))(t))) {
		f := strings.Fields(line)
		if f[2] == "ff020000000000000000000000010002" || f[2] == "ff050000000000000000000000010003" {
			count[f[1]]++
		}
	}
	both := make(map[string]bool)
	for name, n := range count {
		both[name] = n == 2
	}
	return both
}

func TestGroups(t *testing.T) {
	l := newLab(t)
	g := must(NewGroups())(t)
	defer g.Close()
	index := l.s0.Attrs().Index
	expect := func(what string, want bool) {
		t.Helper()
		if members(t)["s0"] != want {
			t.Errorf("%s: member is %v, want %v", what, !want, want)
		}
	}
	expect("before", false)
	check(t, g.Join(index))
	expect("joined", true)
	check(t, g.Join(index))
	expect("joined again", true)
	check(t, g.Leave(index))
	expect("left", false)
	if err := g.Leave(index); !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Errorf("leave where not joined: %v", err)
	}
	if err := g.Join(9999); err == nil || !strings.Contains(err.Error(), "ff02::1:2 on interface 9999") {
		t.Errorf("join on no interface: %v", err)
	}

	// The index of a deleted interface comes again, and with it the membership that its socket still believes to have.
	again := func() {
		t.Helper()
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.Index = "again", 77
		check(t, l.serverLinks.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}))
		check(t, g.Join(77))
		if !members(t)["again"] {
			t.Error("not a member")
		}
		check(t, l.serverLinks.LinkDel(&netlink.Bridge{LinkAttrs: attrs}))
	}
	again()
	again()
	check(t, g.Leave(77))

	check(t, g.Join(index))
	check(t, g.Close())
	expect("closed", false)
}

// TestGroupsMany: more memberships than the kernel gives one socket.
func TestGroupsMany(t *testing.T) {
	l := newLab(t)
	if err := os.WriteFile("/proc/sys/net/core/optmem_max", []byte("2048"), 0); err != nil {
		t.Skipf("net.core.optmem_max is not the namespace's own before Linux 6.8: %v", err)
	}
	g := must(NewGroups())(t)
	defer g.Close()
	var links []int
	for n := range 60 {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "b" + string(rune('0'+n/10)) + string(rune('0'+n%10))
		check(t, l.serverLinks.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}))
		links = append(links, must(l.serverLinks.LinkByName(attrs.Name))(t).Attrs().Index)
	}
	for _, index := range links {
		check(t, g.Join(index))
	}
	if n := len(members(t)); n != len(links) || len(g.sockets) < 2 {
		t.Errorf("member on %d of %d interfaces by %d sockets", n, len(links), len(g.sockets))
	}
	for _, index := range links {
		check(t, g.Leave(index))
	}
	if n := len(members(t)); n != 0 {
		t.Errorf("still member on %d interfaces", n)
	}
}
