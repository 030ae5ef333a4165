package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/clients"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/datacenter"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/frame"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/labtest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/leases/isc"
)

// appendFile writes to the end of a file, as ISC dhcpd does.
func appendFile(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// TestLeaseAppears: a VM asks before its lease is there, and gets it as soon as somebody has written it; when the lease
// moves, the next Renew moves the VM.
func TestLeaseAppears(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "[defaults]\nvalid-lifetime = 60\npreferred-lifetime = 40\nt1 = 2\nt2 = 20\n")
	g := w.stranger("vm", datacenter.Direct, 7)
	file := filepath.Join(w.lab.Dir(), "dhcpd6.leases")
	g.start(clients.Networkd(), clients.Identity{})
	refusal := g.await("a refusal", 0, 0, refused)
	w.must(w.server.AwaitOutput(w.ctx, `msg="unknown client" mac=`+g.mac()))

	record := "host late {\n  dynamic;\n  hardware ethernet MAC;\n  fixed-address6 %s;\n}\n"
	first, second := datacenter.Direct.Prefix()+"f001", datacenter.Direct.Prefix()+"f002"
	record = strings.Replace(record, "MAC", g.mac(), 1)
	appendFile(t, file, fmt.Sprintf(record, first))
	has := func(addr string) func(*frame.Packet) bool {
		return func(p *frame.Packet) bool {
			return answer(p) && len(p.Addresses()) > 0 && p.Addresses()[0].String() == addr
		}
	}
	given := g.await("the new lease", 0, refusal, has(first))
	appendFile(t, file, "host late {\n  dynamic;\n  deleted;\n}\n"+fmt.Sprintf(record, second))
	g.await("the moved lease", 0, given, has(second))
	w.must(netlab.Await(w.ctx, "the address "+second, func() (bool, error) {
		got, err := g.machine.Global("eth0")
		return len(got) == 1 && got[0].String() == second, err
	}))
}

// mac is the MAC of the first NIC.
func (g *guest) mac() string {
	g.Helper()
	mac, err := g.machine.MAC("eth0")
	g.must(err)
	return mac.String()
}

// TestReload: SIGHUP puts a changed configuration into force, and a bad one changes nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	const settings = "[defaults]\nvalid-lifetime = 60\npreferred-lifetime = 40\nt1 = 1\nt2 = 20\n[defaults.options]\nname-servers = [%q]\n"
	w := newWorld(t, fmt.Sprintf(settings, "2001:db8::53"))
	g := w.guest("vm", datacenter.Direct, 1)
	file := filepath.Join(w.lab.Dir(), "lease6d.toml")
	text, err := os.ReadFile(file)
	w.must(err)
	change := func(text string) {
		t.Helper()
		w.must(os.WriteFile(file, []byte(text), 0o644))
		w.must(w.server.Signal(syscall.SIGHUP))
	}
	serves := func(dns string) func(*frame.Packet) bool {
		return func(p *frame.Packet) bool {
			if !answer(p) || p.Message.Type() != dhcpv6.MessageTypeReply {
				return false
			}
			all := p.Inner().Options.DNS()
			return len(all) == 1 && all[0].String() == dns
		}
	}
	g.start(clients.Networkd(), clients.Identity{})
	seen := g.await("the name server", 0, 0, serves("2001:db8::53"))
	change(strings.Replace(string(text), "2001:db8::53", "2001:db8::54", 1))
	w.must(w.server.AwaitOutput(w.ctx, "configuration reloaded"))
	seen = g.await("the other name server", 0, seen, serves("2001:db8::54"))
	change(strings.Replace(string(text), "2001:db8::53", "8.8.8.8", 1))
	w.must(w.server.AwaitOutput(w.ctx, "configuration refused"))
	g.await("the same name server as before", 0, seen, serves("2001:db8::54"))
	if out := w.server.Output(); !strings.Contains(out, "lease6d.toml:") || !strings.Contains(out, "name-servers") {
		t.Errorf("the refusal does not name the place:\n%s", out)
	}
}

// TestInterfacesComeAndGo: an interface that appears after the start is served, by its pattern, and one that a reload
// adds; what disappears does no harm.
func TestInterfacesComeAndGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "[[link]]\nname = \"direct\"\nprefixes = [\"2001:db8:10::/64\"]\ninterfaces = [\"late*\"]\n")
	wire := func(name string) *guest {
		g := w.empty(name)
		w.taken[datacenter.Direct]++
		mac, addr := leaseOf(datacenter.Direct, w.taken[datacenter.Direct])
		w.must(netlab.Wire(netlab.Port{Machine: w.dc.Server, NIC: name}, netlab.Port{Machine: g.machine, NIC: "eth0", MAC: mac.String()}))
		tap, err := g.machine.Tap("eth0", nil)
		w.must(err)
		g.nics, g.leases, g.taps = append(g.nics, "eth0"), append(g.leases, addr), append(g.taps, tap)
		return g
	}
	late := wire("late1")
	late.start(clients.Networkd(), clients.Identity{})
	late.awaitLeases()
	w.must(w.server.AwaitOutput(w.ctx, "interface=late1 link=direct"))

	other := wire("other1")
	other.start(clients.Dhclient(), clients.Identity{LinkLayer: true})
	other.await("a Solicit that nobody answers", 0, 0, sent(dhcpv6.MessageTypeSolicit))
	file := filepath.Join(w.lab.Dir(), "lease6d.toml")
	text, err := os.ReadFile(file)
	w.must(err)
	w.must(os.WriteFile(file, bytes.Replace(text, []byte(`"late*"`), []byte(`"late*", "other*"`), 1), 0o644))
	w.must(w.server.Signal(syscall.SIGHUP))
	other.awaitLeases()
	w.joined("other1")

	_, err = w.dc.Server.Run(w.ctx, "ip", "link", "del", "late1")
	w.must(err)
	w.must(w.server.AwaitOutput(w.ctx, `"interface is no longer served" interface=late1`))
	again := wire("late2")
	again.start(clients.Networkd(), clients.Identity{})
	again.awaitLeases()
}

// joined fails the test if the server's kernel is not in the DHCPv6 groups on an interface: switches that listen in on
// multicast would not send it a Solicit.
func (w *world) joined(nic string) {
	w.Helper()
	w.must(netlab.Await(w.ctx, "membership on "+nic, func() (bool, error) {
		out, err := w.dc.Server.Run(w.ctx, "ip", "-6", "maddr", "show", "dev", nic)
		return strings.Contains(out, "ff02::1:2") && strings.Contains(out, "ff05::1:3"), err
	}))
}

// TestTakesOverServerDUID: clients of the ISC server that had the lease file before can renew.
func TestTakesOverServerDUID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.must(w.server.Stop(w.ctx, syscall.SIGTERM))
	w.must(os.Remove(filepath.Join(w.lab.Dir(), "server-duid")))
	duid := []byte{0, 1, 0, 1, 0x32, 0x96, 0xc3, ';', '2', 'X', ']', 'I', 0x1d, 0xab}
	file := filepath.Join(w.lab.Dir(), "dhcpd6.leases")
	appendFile(t, file, string(isc.AppendServerDUID(nil, duid)))
	args := []string{"--leases", file, "--interface", datacenter.VMs, "--state-dir", w.lab.Dir()}
	var err error
	for range 2 { // and the next start keeps it, whatever the file says then
		w.server, err = w.dc.Serve(w.ctx, lease6d.path, args...)
		w.must(err)
		g := w.guest(fmt.Sprint("vm", w.taken[datacenter.Direct]), datacenter.Direct, 1)
		g.start(clients.Networkd(), clients.Identity{})
		g.await("an answer from that DUID", 0, 0, func(p *frame.Packet) bool {
			return answer(p) && p.Inner().Options.ServerID() != nil && bytes.Equal(p.Inner().Options.ServerID().ToBytes(), duid)
		})
		w.must(w.server.Stop(w.ctx, syscall.SIGTERM))
		appendFile(t, file, string(isc.AppendServerDUID(nil, []byte{0, 3, 0, 1, 1, 2, 3, 4, 5, 6})))
	}
}

// TestISCReadsWhatFmtWrites: every recorded lease file, written back by Format, loads in the real ISC dhcpd with the
// same hosts. ISC writes the file anew when it starts: that is what it has read.
func TestISCReadsWhatFmtWrites(t *testing.T) {
	t.Parallel()
	labtest.Needs(t, "dhcpd")
	lab, ctx := labs.New(t)
	m, err := lab.Machine("isc")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	must(m.Bridge("vms"))
	must(m.AddAddress("vms", "2001:db8:1::ffff/64"))
	conf, err := lab.WriteFile("dhcpd6.conf", []byte("subnet6 2001:db8:1::/64 {}\nsubnet6 2001:db8:2::/64 {}\nsubnet6 2001:db8:3::/64 {}\n"))
	must(err)
	files, err := filepath.Glob(root + "/leases/isc/testdata/*.leases")
	must(err)
	hosts := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(err)
		var clean bytes.Buffer
		_, err = leases.Format(&clean, bytes.NewReader(text), leases.FormatOptions{ISCNames: true})
		must(err)
		path, err := lab.WriteFile("dhcpd6.leases", clean.Bytes())
		must(err)
		// Its hosts are declared dynamic, or ISC would read them and not write them back.
		dynamic := bytes.ReplaceAll(clean.Bytes(), []byte("\n  hardware"), []byte("\n  dynamic;\n  hardware"))
		dynamic = bytes.ReplaceAll(dynamic, []byte("\n  dynamic;\n  dynamic;"), []byte("\n  dynamic;"))
		must(os.WriteFile(path, dynamic, 0o644))
		p, err := m.Start("dhcpd", "-6", "-d", "-cf", conf, "-lf", path, "-pf", "/run/dhcpd6.pid", "vms")
		must(err)
		if err := p.AwaitOutput(ctx, "Server starting service."); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		must(p.Stop(ctx, syscall.SIGTERM))
		if out := p.Output(); strings.Contains(out, path+" line") && !complainsOfTheOriginal(file, out) {
			t.Errorf("%s: ISC complains:\n%s", file, out)
		}
		rewritten, err := os.ReadFile(path)
		must(err)
		hosts += compareWithISC(t, filepath.Base(file), clean.Bytes(), rewritten)
	}
	t.Logf("%d files, %d hosts", len(files), hosts)
	if hosts < 1000 {
		t.Errorf("only %d hosts were compared", hosts)
	}
}

// complainsOfTheOriginal reports whether what ISC does not like is what the recorded file had, kept as it was.
func complainsOfTheOriginal(file, output string) bool {
	for name, complaint := range map[string]string{
		"16-groups":             "unknown group g3", // its deletion was recorded, and the host that is in it
		"31-s28-unknown-group":  "unknown group nosuch",
		"31-s2-unknown-keyword": "semicolon expected",                 // an unknown statement
		"31-s26-v4-lease.in":    "Unexpected configuration directive", // a DHCPv4 lease
	} {
		if strings.HasPrefix(filepath.Base(file), name) {
			return strings.Contains(output, complaint)
		}
	}
	return false
}

// compareWithISC compares the hosts that lease6 reads in ours with those that ISC read in it and wrote.
func compareWithISC(t *testing.T, name string, ours, theirs []byte) int {
	t.Helper()
	want, _, err := leases.Load(bytes.NewReader(ours), leases.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, diagnostics, err := leases.Load(bytes.NewReader(theirs), leases.LoadOptions{})
	if err != nil || got.Len() != want.Len() {
		t.Errorf("%s: ISC has %d hosts, want %d: %v %v\n%s\n---\n%s", name, got.Len(), want.Len(), err, diagnostics, ours, theirs)
	}
	for id := range want.All() {
		w := want.Host(id)
		other := got.FindName(w.Name)
		if other == 0 {
			t.Errorf("%s: ISC lost host %q", name, w.Name)
			continue
		}
		if g := got.Host(other); !bytes.Equal(g.Hardware, w.Hardware) || !bytes.Equal(g.Addresses, w.Addresses) || !bytes.Equal(g.UID, w.UID) {
			t.Errorf("%s: ISC has %+v, want %+v", name, g, w)
		}
	}
	return want.Len()
}
