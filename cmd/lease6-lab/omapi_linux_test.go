package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/clients"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/datacenter"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/labtest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
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
