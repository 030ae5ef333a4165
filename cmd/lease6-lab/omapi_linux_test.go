package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/clients"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/datacenter"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/labtest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
	"github.com/lease6/lease6/leases"
)

// serveOMAPI starts lease6d as the owner of the world's lease file, in the place of the one that follows it.
func (w *world) serveOMAPI() {
	w.Helper()
	if !w.server.Ended() {
		w.must(w.server.Stop(w.ctx, syscall.SIGTERM))
	}
	var err error
	w.server, err = w.dc.Serve(w.ctx, lease6d.path, "--leases", w.leaseFile(), "--interface", datacenter.VMs,
		"--state-dir", w.lab.Dir(), "--omapi", "127.0.0.1:7911")
	w.must(err)
}

func (w *world) leaseFile() string { return filepath.Join(w.lab.Dir(), "dhcpd6.leases") }

// omshell runs a script with ISC's omshell on the server's machine and returns what it printed.
func (w *world) omshell(script string) string {
	w.Helper()
	path, err := w.lab.WriteFile("omshell.script", []byte("server 127.0.0.1\nport 7911\nconnect\n"+script))
	w.must(err)
	// It is used by people, and does not mind its exit status.
	out, err := w.dc.Server.Run(w.ctx, "sh", "-c", "omshell < "+path)
	w.must(err)
	return out
}

// create is a script that creates a host with the address of the direct link that ends in n.
func create(name, mac string, n int) string {
	return fmt.Sprintf("new host\nset name = %q\nset hardware-address = %s\nset hardware-type = 1\n"+
		"set ip-address = 20:01:0d:b8:00:10:00:00:00:00:00:00:00:00:%02x:%02x\ncreate\nclose\n", name, mac, n>>8, n&255)
}

// TestOMAPI: a lease created with the real omshell is served at once, survives kill -9, and ends when it is removed.
func TestOMAPI(t *testing.T) {
	t.Parallel()
	labtest.Needs(t, "omshell")
	w := newWorld(t, "")
	w.serveOMAPI()
	g := w.stranger("vm", datacenter.Direct, 9)
	if out := w.omshell(create("new_host", g.mac(), 0xabcd)); !strings.Contains(out, "obj: host") || strings.Contains(out, "can't") {
		t.Fatalf("omshell says:\n%s", out)
	}
	g.start(clients.Networkd(), clients.Identity{})
	has := func() bool {
		got, err := g.machine.Global("eth0")
		return err == nil && len(got) == 1 && got[0].String() == datacenter.Direct.Prefix()+"abcd"
	}
	w.await("the new lease", has)

	w.must(w.server.Stop(w.ctx, syscall.SIGKILL))
	w.serveOMAPI()
	g.crash()
	g.start(clients.Networkd(), clients.Identity{})
	w.await("the lease after kill -9", has)

	w.omshell("new host\nset name = \"new_host\"\nopen\nremove\n")
	g.crash()
	before := g.packets()[0]
	g.start(clients.Networkd(), clients.Identity{})
	g.await("a refusal after the removal", 0, before, refused)
	if out := w.server.Output(); !strings.Contains(out, "new_host") {
		t.Errorf("the changes are not logged:\n%s", out)
	}
}

// await waits for a condition.
func (w *world) await(what string, ok func() bool) {
	w.Helper()
	w.must(netlab.Await(w.ctx, what, func() (bool, error) { return ok(), nil }))
}

// TestKillLoop kills the server again and again while hosts are created; whatever omshell was told to exist is there
// when the server comes back.
func TestKillLoop(t *testing.T) {
	t.Parallel()
	labtest.Needs(t, "omshell")
	w := newWorld(t, "")
	acknowledged := make(map[string]bool)
	// What the server has acknowledged omshell prints with the hardware type in the server's form.
	acknowledgement := regexp.MustCompile(`name = "(k\d+-\d+)"\nhardware-address = \S+\nhardware-type = 00:00:00:01\n`)
	for round := range 5 {
		w.serveOMAPI()
		const hosts = 400
		var script strings.Builder
		for n := range hosts {
			mac := fmt.Sprintf("52:54:01:%02x:%02x:%02x", round, n>>8, n&255)
			script.WriteString(create(fmt.Sprintf("k%d-%d", round, n), mac, 0x1000+round*hosts+n))
		}
		done := make(chan string, 1)
		go func() { done <- w.omshell(script.String()) }()
		// In the middle of it: when some are in the file.
		w.await("some hosts", func() bool {
			text, err := os.ReadFile(w.leaseFile())
			return err == nil && strings.Count(string(text), fmt.Sprintf("host k%d-", round)) > 20*(round+1)
		})
		w.must(w.server.Stop(w.ctx, syscall.SIGKILL))
		for _, m := range acknowledgement.FindAllStringSubmatch(<-done, -1) {
			acknowledged[m[1]] = true
		}
	}
	w.serveOMAPI()
	file, err := os.Open(w.leaseFile())
	w.must(err)
	defer file.Close()
	ix, diagnostics, err := leases.Load(file, leases.LoadOptions{})
	w.must(err)
	for host := range acknowledged {
		if ix.FindName(host) == 0 {
			t.Errorf("%s was acknowledged and is gone", host)
		}
	}
	t.Logf("%d acknowledged, %d hosts in the file, %v", len(acknowledged), ix.Len(), diagnostics)
	if len(acknowledged) < 100 {
		t.Errorf("only %d were acknowledged", len(acknowledged))
	}
}
