package omapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netns"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/leases/isc"
	"github.com/lease6/lease6/server/omapi/codec"
)

const (
	iscPort    = 7911
	lease6Port = 7912
	python     = "/usr/bin/python3" // Debian's, which has Debian's packages
)

// side is one of two servers that hear the same.
type side struct {
	name, path string // of the lease file
	port       int
}

// duel is a network namespace with the real dhcpd -6 and a lease6 server in it.
type duel struct {
	t         testing.TB
	ns        string
	dir       string
	algorithm string // of the key; "" = none
	sides     [2]side
	fixture   *fixture
}

func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("LAB_MUST_RUN") == "1" {
		t.Fatalf("LAB_MUST_RUN=1, but: "+format, args...)
	}
	t.Skipf(format, args...)
}

func newDuel(t testing.TB, name, algorithm string) *duel {
	t.Helper()
	for _, p := range []string{"ip", "omshell", "dhcpd", python} {
		if _, err := exec.LookPath(p); err != nil {
			missing(t, "needs ip, omshell, dhcpd (isc-dhcp-server) and python3 (python3-pypureomapi): %v", err)
		}
	}
	sweep()
	d := &duel{t: t, ns: fmt.Sprintf("omapi-%d-%s%s", os.Getpid(), name, strings.TrimPrefix(algorithm, "hmac")), algorithm: algorithm}
	if out, err := exec.Command("ip", "netns", "add", d.ns).CombinedOutput(); err != nil {
		missing(t, "network namespaces need root: %s", out)
	}
	t.Cleanup(func() { d.command("ip", "netns", "del", d.ns) })
	d.dir = must(os.MkdirTemp("", "omapi-duel-"))(t) // not t.TempDir: dhcpd wants to get at it as another user
	t.Cleanup(func() { os.RemoveAll(d.dir) })
	check(t, os.Chmod(d.dir, 0o755))
	for _, args := range []string{"link set lo up", "link add d0 type veth peer name d1", "link set d0 up", "link set d1 up", "address add 2001:db8:1::1/64 dev d0 nodad"} {
		d.command("ip", append([]string{"-n", d.ns}, strings.Fields(args)...)...)
	}
	d.sides = [2]side{{"ISC", filepath.Join(d.dir, "isc.leases"), iscPort}, {"lease6", "", lease6Port}}
	check(t, os.WriteFile(d.sides[0].path, nil, 0o644))
	d.startISC(d.sides[0])
	o := Options{Codes: codec.ISC}
	if algorithm != "" {
		o.Key = testKey(t, algorithm)
	}
	d.fixture = newFixture(t, o)
	d.sides[1].path = d.fixture.path
	d.serve()
	return d
}

// sweep removes what tests left behind that were killed.
func sweep() {
	for _, path := range globbed(filepath.Glob("/run/netns/omapi-*")) {
		var pid int
		name := filepath.Base(path)
		if _, err := fmt.Sscanf(name, "omapi-%d-", &pid); err != nil {
			continue
		}
		if err := syscall.Kill(pid, 0); err == syscall.ESRCH {
			exec.Command("ip", "netns", "del", name).Run()
		}
	}
}

func globbed(list []string, err error) []string {
	if err != nil {
		panic(err) // the pattern is malformed
	}
	return list
}

func (d *duel) command(name string, args ...string) {
	d.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		d.t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// inside runs fn in the namespace. What it opens stays there.
func (d *duel) inside(fn func()) {
	d.t.Helper()
	runtime.LockOSThread()
	home := must(netns.Get())(d.t)
	there := must(netns.GetFromName(d.ns))(d.t)
	check(d.t, netns.Set(there))
	fn()
	check(d.t, netns.Set(home)) // or the thread stays locked, and ends with its goroutine
	runtime.UnlockOSThread()
	home.Close()
	there.Close()
}

// startISC starts dhcpd -6 on a lease file, until the end of the test.
func (d *duel) startISC(s side) {
	d.t.Helper()
	config := fmt.Sprintf("omapi-port %d;\nsubnet6 2001:db8:1::/64 { }\n", s.port)
	if d.algorithm != "" {
		config = fmt.Sprintf("key %s { algorithm %s; secret %s; }\nomapi-key %[1]s;\n", keyName, d.algorithm, secret64()) + config
	}
	conf := s.path + ".conf"
	check(d.t, os.WriteFile(conf, []byte(config), 0o644))
	var log logBuffer
	cmd := exec.Command("ip", "netns", "exec", d.ns, "dhcpd", "-6", "-f", "-d", "--no-pid", "-cf", conf, "-lf", s.path, "d0")
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // Pdeathsig goes by the thread
	check(d.t, cmd.Start())
	runtime.UnlockOSThread()
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	d.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if d.t.Failed() {
			d.t.Logf("dhcpd:\n%s", &log)
		}
	})
	for deadline := time.Now().Add(patience); ; {
		var conn net.Conn
		err := error(nil)
		d.inside(func() { conn, err = net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", s.port)) })
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-ended:
			d.t.Fatal("dhcpd has ended")
		default:
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("dhcpd does not answer: %v\n%s", err, &log)
		}
	}
}

// serve lets the lease6 server also answer inside the namespace.
func (d *duel) serve() {
	var ln net.Listener
	var err error
	d.inside(func() { ln, err = net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", lease6Port)) })
	check(d.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() { d.fixture.Serve(ctx, ln) })
	d.t.Cleanup(func() { cancel(); served.Wait() })
}

func secret64() string { return base64.StdEncoding.EncodeToString([]byte(keySecret)) }

// run runs a program in the namespace and returns what it prints.
func (d *duel) run(stdin string, name string, args ...string) string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", d.ns, name}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil && ctx.Err() != nil {
		return fmt.Sprintf("%s(does not end)", out)
	}
	return string(out)
}

// omshell gives commands to a server, on a connection of their own, and returns what came of the last.
func (d *duel) omshell(s side, commands string) string {
	login := fmt.Sprintf("server 127.0.0.1\nport %d\n", s.port)
	if d.algorithm != "" {
		login += fmt.Sprintf("key-algorithm %s\nkey %s %s\n", d.algorithm, keyName, secret64())
	}
	lines := strings.ReplaceAll(commands, "; ", "\n")
	out := d.run(login+"connect\n"+lines+"\n", "omshell")
	var all, problems []string
	for _, part := range strings.Split(out, "> ") {
		part = strings.TrimSpace(part)
		if first, _, _ := strings.Cut(part, "\n"); strings.HasPrefix(first, "can't") || strings.HasPrefix(first, "dhcpctl") {
			problems = append(problems, first)
		}
		if part != "" {
			all = append(all, part)
		}
	}
	if len(problems) > 0 {
		return strings.Join(problems, "; ")
	}
	return invented.ReplaceAllString(strings.Join(strings.Fields(all[len(all)-1]), " "), `"(invented)"`)
}

// invented is a name that a server made up: they do so by the time.
var invented = regexp.MustCompile(`"nh[0-9a-f]{10,}"`)

// duelStep is a conversation by omshell, and why lease6 answers in another way, if it does.
type duelStep struct{ commands, reason string }

const quads = "20:01:0d:b8:00:01:00:00:00:00:00:00:00:00:00:"

func host(name string, n int) string {
	return fmt.Sprintf("new host; set name = %q; set hardware-address = 52:54:00:00:20:%02x; set hardware-type = 1; set ip-address = %s%02x; ", name, n, quads, n)
}

const byIdentifier = "new host; set dhcp-client-identifier = 00:03:00:01:52:54:00:00:20:06; "

var duelSteps = []duelStep{
	{host("a", 1) + "create", ""},
	{`new host; set name = "a"; open`, ""},
	{"new host; set hardware-address = 52:54:00:00:20:01; open", ""},
	{"new host; set hardware-address = 52:54:00:00:20:01; set hardware-type = 1; open", ""},
	{"new host; set ip-address = " + quads + "01; open", "ISC -6 looks among IPv4 leases"},
	{`new host; set name = "nobody"; open`, ""},
	{`new host; set name = "a"; set hardware-address = 52:54:00:00:20:99; open`, ""},
	{host("a", 2) + "create", ""},
	{host("b", 1) + "create", ""},
	{host("a", 1) + "create", ""},
	{`new host; set name = "c"; create`, ""},
	{host("c", 3) + "set bogus = 1; create", ""},
	{`new host; set name = "a"; open; set ip-address = ` + quads + "11; update", ""},
	{`new host; set name = "a"; open; refresh`, ""},
	{`new host; set name = "a"; open; set bogus = 1; update`, ""},
	{`new host; set name = "a"; open; remove`, ""},
	{`new host; set name = "a"; open`, ""},
	{host("a", 1) + "create", ""},
	{`new host; set name = "d"; set hardware-address = 52:54:00:00:20:04; create`, "ISC makes the missing hardware-type 0, which no client has"},
	{"new host; set hardware-address = 52:54:00:00:20:05; set hardware-type = 1; create", ""},
	{"new host; set name = \"f\"; set dhcp-client-identifier = 00:03:00:01:52:54:00:00:20:06; set ip-address = " + quads + "06; create", ""},
	{byIdentifier + "open", ""},
	{"new host; set name = \"g\"; set dhcp-client-identifier = 00:03:00:01:52:54:00:00:20:06; create", ""},
	{host("h", 8) + "set ip-address = 01:02:03; create", "3 bytes are no address"},
	{host("i", 9) + "set ip-address = 10.0.0.5; create", ""},
	{`new group; set name = "gr"; set statements = "default-lease-time 700;"; create`, ""},
	{`new group; set name = "gr"; open`, ""},
	{`new group; set name = "gr"; set statements = "default-lease-time 700;"; create`, ""},
	{`new group; set name = "gs"; create`, ""},
	{host("j", 10) + `set group = "gr"; set statements = "option dhcp6.name-servers 2001:db8::53;"; create`, ""},
	{host("k", 11) + `set group = "nobody"; create`, ""},
	{host("l", 12) + `set statements = "option dhcp6.no-such-option foo;"; create`, ""},
	{host("m", 13) + `set statements = "execute(\"/bin/true\");"; create`, "ISC would run it"},
	{host("00:50:56:00:00:18_host", 14) + "create", ""},
	{`new host; set name = "00:50:56:00:00:18_host"; open`, ""},
	{`new host; set name = "j"; open; set ip-address = ` + quads + "1a; update", ""},
	{"new lease; set ip-address = 10.0.0.1; open", ""},
	{`new class; set name = "x"; open`, "lease6 has hosts and groups, and says so of all other types"},
}

// TestSideBySide has the same conversations with dhcpd -6 and lease6, by the real omshell, with each algorithm and
// without a key, and holds that they end alike or that there is a reason. The golden file is of the first.
func TestSideBySide(t *testing.T) {
	for i, algorithm := range append([]string{""}, algorithms...) {
		t.Run("key "+algorithm, func(t *testing.T) {
			t.Parallel() // they wait for omshell most of the time
			d := newDuel(t, "shell", algorithm)
			var golden strings.Builder
			for _, step := range duelSteps {
				var ours, theirs string
				var both sync.WaitGroup
				both.Go(func() { theirs = d.omshell(d.sides[0], step.commands) })
				both.Go(func() { ours = d.omshell(d.sides[1], step.commands) })
				both.Wait()
				fmt.Fprintf(&golden, "%s\n  ISC    %s\n", step.commands, theirs)
				if ours != theirs {
					fmt.Fprintf(&golden, "  lease6 %s\n  because: %s\n", ours, step.reason)
				}
				if (ours != theirs) != (step.reason != "") {
					t.Errorf("%s\n  ISC    %s\n  lease6 %s\n  reason: %q", step.commands, theirs, ours, step.reason)
				}
			}
			if i == 0 {
				compareGolden(t, "testdata/side-by-side.golden", golden.String())
			}
			d.compareFiles(4)
			d.goBack()
		})
	}
}

// onlyISC are hosts that ISC has and lease6 does not, or otherwise, for the reasons given above.
var onlyISC = map[string]bool{"d": true, "h": true, "m": true, "00:50:56:00:00:18_host": true}

// compareFiles holds that both have written the same hosts, and not less than so many.
func (d *duel) compareFiles(least int) {
	d.t.Helper()
	var texts [2]map[string]string
	for i, s := range d.sides {
		ix, _, err := leases.Load(bytes.NewReader(must(os.ReadFile(s.path))(d.t)), leases.LoadOptions{})
		check(d.t, err)
		texts[i] = make(map[string]string)
		for id := range ix.All() {
			h := ix.Host(id)
			if !onlyISC[h.Name] && !strings.HasPrefix(h.Name, "x--") && !strings.HasPrefix(h.Name, "nh") {
				texts[i][h.Name] = string(isc.AppendHost(nil, &h))
			}
		}
	}
	for _, name := range sortedKeys(texts[0]) {
		if texts[0][name] != texts[1][name] {
			d.t.Errorf("ISC wrote\n%slease6 wrote\n%s", texts[0][name], texts[1][name])
		}
	}
	if len(texts[0]) < least || len(texts[0]) != len(texts[1]) {
		d.t.Errorf("ISC has %d hosts, lease6 %d", len(texts[0]), len(texts[1]))
	}
}

// goBack gives lease6's file to a dhcpd -6, and holds that it has the same hosts.
func (d *duel) goBack() {
	d.t.Helper()
	const port = 7913
	back := side{"ISC again", filepath.Join(d.dir, "back.leases"), port}
	text := must(os.ReadFile(d.fixture.path))(d.t)
	check(d.t, os.WriteFile(back.path, text, 0o644))
	d.startISC(back)
	ix := d.fixture.journal.Acquire()
	var hosts []isc.Host
	for id := range ix.All() {
		hosts = append(hosts, ix.Host(id))
	}
	d.fixture.journal.Release()
	for i := range hosts {
		h := &hosts[i]
		got := d.omshell(back, fmt.Sprintf("new host; set name = %q; open", h.Name))
		want := fmt.Sprintf("%x", h.Addresses)
		if colons := strings.ReplaceAll(got, ":", ""); !strings.HasPrefix(got, "obj: host") || !strings.Contains(colons, want) {
			d.t.Errorf("host %q, addresses %s: dhcpd on our file says %s", h.Name, want, got)
		}
	}
}

// pypureomapi is what the library's users do; each line of output is one call.
const pypureomapi = `
import struct, sys
sys.path.append("/usr/lib/python3/dist-packages")
import pypureomapi as p
port, key = int(sys.argv[1]), sys.argv[2].encode()
o = p.Omapi("127.0.0.1", port, b"omapi_key" if key else None, key or None, timeout=20)
def do(what, fn):
    try:
        r = fn()
        print(what, "->", sorted(r.items()) if isinstance(r, dict) else r)
    except Exception as e:
        print(what, "->", type(e).__name__, e)
def create(name, mac, ip, **more):
    m = p.OmapiMessage.open(b"host")
    m.message.append((b"create", struct.pack("!I", 1)))
    m.message.append((b"exclusive", struct.pack("!I", 1)))
    m.obj += [(b"name", name), (b"hardware-address", p.pack_mac(mac)), (b"hardware-type", struct.pack("!I", 1)), (b"ip-address", ip)]
    r = o.query_server(m)
    return (r.opcode, r.obj) if r.opcode == p.OMAPI_OP_UPDATE else (r.opcode, struct.unpack("!I", dict(r.message)[b"result"])[0])
v6 = bytes.fromhex("20010db8000100000000000000000181")
do("create", lambda: create(b"p1", "52:54:00:00:18:01", v6))
do("again", lambda: create(b"p1", "52:54:00:00:18:01", v6))
do("same name", lambda: create(b"p1", "52:54:00:00:18:09", v6))
do("same mac", lambda: create(b"p2", "52:54:00:00:18:01", v6))
do("add_host", lambda: o.add_host("10.0.0.5", "52:54:00:00:18:02"))
do("add_host again", lambda: o.add_host("10.0.0.5", "52:54:00:00:18:02"))
do("add_host_supersede_name", lambda: o.add_host_supersede_name("10.0.0.6", "52:54:00:00:18:04", "vmname"))
do("add_host_supersede", lambda: o.add_host_supersede("10.0.0.7", "52:54:00:00:18:05", b"sup", b"hn", "10.0.0.1", b"ex.org"))
do("add_host_without_ip", lambda: o.add_host_without_ip("52:54:00:00:18:06"))
def statements(kind, name, text, *more):
    m = p.OmapiMessage.open(kind)
    m.message += [(b"create", struct.pack("!I", 1)), (b"exclusive", struct.pack("!I", 1))]
    m.obj += [(b"name", name)] + list(more) + [(b"statements", text)]
    r = o.query_server(m)
    return r.opcode, r.obj
do("group", lambda: statements(b"group", b"pg", b"default-lease-time 700;"))
mac = (b"hardware-address", bytes.fromhex("525400001810"))
# Statements of every length around the end of a line, as both lay them out.
wide = b"".join(b"option dhcp6.unknown-%d %s;" % (200 + n, b":".join([b"ab"] * n)) for n in range(1, 40))
lists = (b"name-servers", b"sntp-servers", b"sip-servers-addresses", b"nis-servers", b"nisp-servers", b"bcms-server-a")
wide6 = b"".join(b"option dhcp6.%s %s;" % (name, b",".join(b"2001:db8::%x" % i for i in range(1, n))) for name, n in zip(lists, (2, 3, 4, 5, 3, 4)))
wide6 += b"".join(b"default dhcp6.%s %s;" % (name, b",".join(b"2001:db8::%x" % i for i in range(1, n))) for name, n in zip(lists, (5, 4, 3, 2, 5, 3)))
wide4 = b"option routers 65.66.67.68; option domain-name-servers %s; option ntp-servers 65.66.67.68, 10.0.0.1, 65.66.67.68;" % b", ".join([b"10.0.0.1"] * 4)
do("statements", lambda: statements(b"host", b"wide", wide, mac, (b"hardware-type", struct.pack("!I", 1)), (b"group", b"pg")))
for name, text, last in ((b"wide6", wide6, 0x11), (b"wide4", wide4, 0x12)):
    do(name, lambda: statements(b"host", name, text, (b"hardware-address", bytes.fromhex("5254000018%02x" % last)), (b"hardware-type", struct.pack("!I", 1))))
do("lookup_ip_host", lambda: o.lookup_ip_host("52:54:00:00:18:02"))
do("lookup_by_host", lambda: o.lookup_by_host(name="vmname"))
do("lookup_host_host", lambda: o.lookup_host_host("52:54:00:00:18:05"))
do("lookup_ip", lambda: o.lookup_ip("52:54:00:00:18:02"))
do("lookup_mac", lambda: o.lookup_mac("10.0.0.5"))
do("del_host", lambda: o.del_host("52:54:00:00:18:01"))
do("del_host again", lambda: o.del_host("52:54:00:00:18:01"))
do("create again", lambda: create(b"p1", "52:54:00:00:18:01", v6))
`

// TestPypureomapi makes the calls of the Python library to both, with a key (it knows HMAC-MD5 only) and without.
func TestPypureomapi(t *testing.T) {
	for _, algorithm := range []string{"", "hmac-md5"} {
		t.Run("key "+algorithm, func(t *testing.T) {
			t.Parallel()
			d := newDuel(t, "python", algorithm)
			if out := d.run("", python, "-c", `import sys; sys.path.append("/usr/lib/python3/dist-packages"); import pypureomapi`); out != "" {
				missing(t, "python3-pypureomapi is not installed: %s", out)
			}
			secret := ""
			if algorithm != "" {
				secret = secret64()
			}
			var out [2]string
			for i, s := range d.sides {
				out[i] = d.run("", python, "-c", pypureomapi, fmt.Sprint(s.port), secret)
			}
			if algorithm == "" {
				compareGolden(t, "testdata/pypureomapi.golden", out[1])
			}
			if d := diff(out[0], out[1]); d != "" {
				t.Errorf("ISC (-) and lease6 (+) differ:\n%s", d)
			}
			d.compareFiles(4)
			d.goBack()
		})
	}
}
