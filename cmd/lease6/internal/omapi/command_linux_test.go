package omapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netns"

	"github.com/lease6/lease6/cmd/lease6/internal/show"
	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/server/omapi"
	"github.com/lease6/lease6/server/omapi/codec"
)

// patience is how long the test waits for what must come.
const patience = 20 * time.Second

// secret is what no output may have in it.
const secret = "bWQ1LXNlY3JldC0xMjM0NQ=="

// arena is a network namespace with a dhcpd -6 and a lease6 server, both with the same key or none.
type arena struct {
	*testing.T
	ns      netns.NsHandle
	dir     string
	keyFile string // "" = none
}

const (
	iscAddress    = "127.0.0.1:7911"
	lease6Address = "127.0.0.1:7912"
)

func newArena(t *testing.T, signed bool) *arena {
	t.Helper()
	if _, err := exec.LookPath("dhcpd"); err != nil {
		lacking(t, "needs dhcpd (isc-dhcp-server): "+err.Error())
	}
	a := &arena{T: t, ns: netns.None()}
	// The namespace has no name: nothing of it is left when the test ends, however it ends.
	err := onThread(netns.None(), func() (err error) {
		a.ns, err = netns.New()
		return err
	})
	if err != nil {
		lacking(t, "network namespaces need root: "+err.Error())
	}
	t.Cleanup(func() { a.ns.Close() })
	a.dir, err = os.MkdirTemp("", "lease6-omapi-") // not t.TempDir: dhcpd wants to get at it as another user
	a.must(err)
	t.Cleanup(func() { os.RemoveAll(a.dir) })
	a.must(os.Chmod(a.dir, 0o755))
	for _, args := range []string{"link set lo up", "link add d0 type veth peer name d1", "link set d0 up", "link set d1 up", "address add 2001:db8:1::1/64 dev d0 nodad"} {
		a.must(onThread(a.ns, func() error {
			out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
			if err != nil {
				err = fmt.Errorf("ip %s: %w: %s", args, err, out)
			}
			return err
		}))
	}
	if signed {
		a.keyFile = a.key("omapi_key", "hmac-sha256", secret)
	}
	a.startISC()
	a.startLease6()
	return a
}

func lacking(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("LAB_MUST_RUN") == "1" {
		t.Fatalf("LAB_MUST_RUN=1, but: %s", reason)
	}
	t.Skip(reason)
}

func (a *arena) must(err error) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
}

// onThread runs do in a network namespace, on a thread that ends with it.
func onThread(ns netns.NsHandle, do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked
		err := error(nil)
		if ns.IsOpen() {
			err = netns.Set(ns)
		}
		if err == nil {
			err = do()
		}
		done <- err
	}()
	return <-done
}

// key writes a key file.
func (a *arena) key(name, algorithm, secret string) string {
	a.Helper()
	path := filepath.Join(a.dir, name+algorithm+".key")
	a.must(os.WriteFile(path, fmt.Appendf(nil, "key %q {\n\talgorithm %s;\n\tsecret %q;\n};\n", name, algorithm, secret), 0o600))
	return path
}

func (a *arena) startISC() {
	a.Helper()
	config := "omapi-port 7911;\nsubnet6 2001:db8:1::/64 { }\n"
	if a.keyFile != "" {
		config = fmt.Sprintf("key omapi_key { algorithm hmac-sha256; secret %s; }\nomapi-key omapi_key;\n", secret) + config
	}
	conf, file := filepath.Join(a.dir, "dhcpd6.conf"), filepath.Join(a.dir, "isc.leases")
	a.must(os.WriteFile(conf, []byte(config), 0o644))
	a.must(os.WriteFile(file, nil, 0o644))
	var log bytes.Buffer
	cmd := exec.Command("dhcpd", "-6", "-f", "-d", "--no-pid", "-cf", conf, "-lf", file, "d0")
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error, 1), make(chan struct{})
	go func() { // on a thread that lives as long as dhcpd, which ends with it
		defer close(ended)
		_ = onThread(a.ns, func() error {
			err := cmd.Start()
			started <- err
			if err == nil {
				err = cmd.Wait()
			}
			return err
		})
	}()
	a.must(<-started)
	a.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // fails only if it has ended
		<-ended
		if a.Failed() {
			a.Logf("dhcpd:\n%s", &log)
		}
	})
	a.must(onThread(a.ns, func() error {
		for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			conn, err := net.Dial("tcp4", iscAddress)
			if err == nil {
				return conn.Close()
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("dhcpd does not answer: %w", err)
			}
		}
	}))
}

func (a *arena) startLease6() {
	a.Helper()
	file := filepath.Join(a.dir, "lease6.leases")
	a.must(os.WriteFile(file, nil, 0o644))
	store, err := leases.OwnFile(file, leases.JournalOptions{})
	a.must(err)
	o := omapi.Options{Codes: codec.Classic, Logger: slog.New(slog.DiscardHandler)}
	if a.keyFile != "" {
		o.Key, err = codec.ReadKey(a.keyFile)
		a.must(err)
	}
	server, err := omapi.New(store, o)
	a.must(err)
	var ln net.Listener
	a.must(onThread(a.ns, func() (err error) {
		ln, err = net.Listen("tcp4", lease6Address)
		return err
	}))
	ctx, cancel := context.WithCancel(context.Background())
	storeCtx, endStore := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	ready := make(chan struct{})
	wg.Go(func() {
		if err := store.Run(storeCtx, func() { close(ready) }); err != nil {
			a.Errorf("journal: %v", err)
		}
	})
	<-ready
	wg.Go(func() {
		defer endStore()
		if err := server.Serve(ctx, ln); err != nil {
			a.Errorf("serve: %v", err)
		}
	})
	a.Cleanup(func() { cancel(); wg.Wait() })
}

// lease6 runs a command of lease6 in the namespace.
func (a *arena) lease6(server, keyFile, stdin string, args ...string) (stdout, stderr string, status show.Status) {
	a.Helper()
	args = append([]string{"omapi", args[0], "--server", server}, args[1:]...)
	if keyFile != "" {
		args = append(args, "--key-file", keyFile)
	}
	a.must(onThread(a.ns, func() error {
		stdout, stderr, status = run(stdin, args...)
		return nil
	}))
	if raw := stdout + stderr; strings.Contains(raw, secret) {
		a.Errorf("%v tells the secret: %s", args, raw)
	}
	return stdout, stderr, status
}

// steps are commands, and what comes of them on both servers.
var steps = []struct {
	name   string
	args   []string
	stdout string
	stderr string // in it
	status show.Status
	only   string // the server whose answer this is; "" = both
}{
	{"create", []string{"create", "--name", "a", "--mac", "52-54-00-12-34-56", "--address", "2001:db8:1::10"}, "name     a\nmac      52:54:00:12:34:56\naddress  2001:db8:1::10\n", "", 0, ""},
	{"create again", []string{"create", "--name", "a", "--mac", "525400123457", "--address", "2001:db8:1::11"}, "", "already-exists (result 0x12)", 2, ""},
	{"create with the MAC of another", []string{"create", "--name", "b", "--mac", "525400123456"}, "", "another host has this MAC", 2, ""},
	{"get by name", []string{"get", "--name", "a"}, "name     a\nmac      52:54:00:12:34:56\naddress  2001:db8:1::10\n", "", 0, ""},
	{"get by MAC", []string{"get", "--mac", "5254.0012.3456"}, "name     a\nmac      52:54:00:12:34:56\naddress  2001:db8:1::10\n", "", 0, ""},
	{"get by address", []string{"get", "--address", "2001:db8:1::10"}, "name     a\nmac      52:54:00:12:34:56\naddress  2001:db8:1::10\n", "", 0, lease6Address},
	{"get by address", []string{"get", "--address", "2001:db8:1::10"}, "", "ISC dhcpd -6 finds no host by its address", 1, iscAddress},
	{"get nobody", []string{"get", "--name", "nobody"}, "", "not-found (result 0x17)", 1, ""},
	{"get by keys of two", []string{"get", "--name", "a", "--mac", "525400999999"}, "", "not-found", 1, ""},
	{"new address", []string{"update", "--mac", "52:54:0:12:34:56", "--new-address", "2001:db8:1::20"}, "name     a\nmac      52:54:00:12:34:56\naddress  2001:db8:1::20\n", "", 0, ""},
	{"update nobody", []string{"update", "--name", "nobody", "--new-address", "2001:db8:1::20"}, "", "not-found", 1, ""},
	{"several addresses, JSON", []string{"create", "--name", "two", "--mac", "525400123458", "--address", "2001:db8:1::1", "--address", "2001:db8:1::2", "--json"},
		"{\n  \"name\": \"two\",\n  \"mac\": \"52:54:00:12:34:58\",\n  \"hardware_type\": 1,\n  \"addresses\": [\n    \"2001:db8:1::1\",\n    \"2001:db8:1::2\"\n  ]\n}\n", "", 0, ""},
	{"client identifier", []string{"create", "--name", "id", "--client-id", "00:03:00:01:52:54:00:12:34:59", "--address", "2001:db8:1::3"}, "name       id\naddress    2001:db8:1::3\nclient-id  00:03:00:01:52:54:00:12:34:59\n", "", 0, ""},
	{"get by client identifier", []string{"get", "--client-id", "00030001525400123459"}, "name       id\naddress    2001:db8:1::3\nclient-id  00:03:00:01:52:54:00:12:34:59\n", "", 0, ""},
	{"name as Abiquo writes it", []string{"create", "--name", "00:50:56:00:00:18_host", "--mac", "005056000018", "--address", "2001:db8:1::18"}, "name     00:50:56:00:00:18_host\nmac      00:50:56:00:00:18\naddress  2001:db8:1::18\n", "", 0, ""},
	{"get that name", []string{"get", "--name", "00:50:56:00:00:18_host"}, "name     00:50:56:00:00:18_host\nmac      00:50:56:00:00:18\naddress  2001:db8:1::18\n", "", 0, ""},
	{"statements", []string{"create", "--name", "st", "--mac", "525400123460", "--statement", "option dhcp6.name-servers 2001:db8::53", "--statement", "default-lease-time 600;"}, "name  st\nmac   52:54:00:12:34:60\n", "", 0, ""},
	{"new statement", []string{"update", "--name", "st", "--new-statement", "default-lease-time 700"}, "name  st\nmac   52:54:00:12:34:60\n", "", 0, lease6Address},
	{"new statement", []string{"update", "--name", "st", "--new-statement", "default-lease-time 700"}, "", "ISC dhcpd changes only addresses", 2, iscAddress},
	{"new MAC", []string{"update", "--name", "st", "--new-mac", "525400123480"}, "name  st\nmac   52:54:00:12:34:80\n", "", 0, lease6Address},
	{"new MAC", []string{"update", "--name", "two", "--new-mac", "525400123480"}, "", "ISC dhcpd changes only addresses", 2, iscAddress},
	{"a client identifier beside the MAC", []string{"update", "--name", "st", "--new-client-id", "0003"}, "*", "", 0, ""},
	{"unknown option", []string{"create", "--name", "bad", "--mac", "525400123461", "--statement", "option dhcp6.no-such-option x"}, "", "each --statement sets an option", 2, ""},
	{"unknown group", []string{"create", "--name", "gr", "--mac", "525400123462", "--group", "nosuch"}, "", `is there no group "nosuch"?`, 1, ""},
	{"IPv4 by mistake", []string{"create", "--name", "v4", "--mac", "525400123463", "--address", "10.0.0.1"}, "name     v4\nmac      52:54:00:12:34:63\naddress  10.0.0.1\n", "", 0, ""},
	{"list names", []string{"list", "a", "nobody"}, "NAME    MAC                ADDRESS         VERDICT\na       52:54:00:12:34:56  2001:db8:1::20  found\nnobody  -                  -               missing\n2 hosts looked up: 1 missing, 0 different\n", "", 1, ""},
	{"delete", []string{"delete", "--name", "a"}, "name     a\nmac      52:54:00:12:34:56\naddress  2001:db8:1::20\n", "", 0, ""},
	{"delete again", []string{"delete", "--name", "a"}, "", "not-found", 1, ""},
	{"create after the deletion", []string{"create", "--name", "a", "--mac", "525400123456", "--address", "2001:db8:1::30"}, "name     a\nmac      52:54:00:12:34:56\naddress  2001:db8:1::30\n", "", 0, ""},
	{"name by the server", []string{"create", "--mac", "525400123470", "--json"}, "*", "", 0, ""},
}

// TestCommands runs every command against dhcpd -6 and lease6, with and without a key.
func TestCommands(t *testing.T) {
	for _, signed := range []bool{false, true} {
		t.Run(fmt.Sprintf("signed %v", signed), func(t *testing.T) {
			a := newArena(t, signed)
			for _, server := range []string{iscAddress, lease6Address} {
				for _, step := range steps {
					if step.only != "" && step.only != server {
						continue
					}
					out, errs, status := a.lease6(server, a.keyFile, "", step.args...)
					if step.stdout != "*" && out != step.stdout || status != step.status || !strings.Contains(errs, step.stderr) || (errs == "") != (step.stderr == "") {
						t.Errorf("%s, %s: status %d, want %d, stderr %q\n%s", server, step.name, status, step.status, errs, cmp.Diff(step.stdout, out))
					}
				}
			}
			a.lists()
			if signed {
				a.wrongKeys()
			}
		})
	}
}

// lists compares each server with its own lease file, and with one that it is not like.
func (a *arena) lists() {
	a.Helper()
	for server, name := range map[string]string{iscAddress: "isc.leases", lease6Address: "lease6.leases"} {
		text, err := os.ReadFile(filepath.Join(a.dir, name))
		a.must(err)
		out, errs, status := a.lease6(server, a.keyFile, string(text), "list", "--leases", "-", "--differences")
		if status != 0 || out != "7 hosts looked up: 0 missing, 0 different\n" || errs != "" {
			a.Errorf("%s and its own file: status %d\n%s%s", server, status, out, errs)
		}
		other := "host a {\n  dynamic;\n  hardware ethernet 52:54:00:12:34:56;\n  fixed-address6 2001:db8:1::99;\n}\nhost gone {\n  dynamic;\n  hardware ethernet 52:54:00:ff:ff:ff;\n}\n"
		out, errs, status = a.lease6(server, a.keyFile, string(text)+other, "list", "--leases", "-", "-d")
		want := "NAME  MAC                ADDRESS         VERDICT\na     52:54:00:12:34:56  2001:db8:1::99  differs\n      52:54:00:12:34:56  2001:db8:1::30  on the server\n" +
			"gone  52:54:00:ff:ff:ff  -               missing\n8 hosts looked up: 1 missing, 1 different\n"
		if d := cmp.Diff(want, out); status != 1 || errs != "" || d != "" {
			a.Errorf("%s and another file: status %d, stderr %q\n%s", server, status, errs, d)
		}
		out, _, status = a.lease6(server, a.keyFile, string(text)+other, "list", "--leases", "-", "--json", "a", "two")
		var rows []listRow
		if err := json.Unmarshal([]byte(out), &rows); err != nil || status != 1 || len(rows) != 2 {
			a.Errorf("%s, JSON of two: status %d, %v\n%s", server, status, err, out)
		}
		for _, r := range rows {
			if (r.Server != nil) != (r.Name == "a") || r.Verdict != map[string]string{"a": "differs", "two": "same"}[r.Name] {
				a.Errorf("%s: %+v", server, r)
			}
		}
		if _, errs, status := a.lease6(server, a.keyFile, string(text), "list", "--leases", "-", "nobody"); status != 2 || !strings.Contains(errs, `no host "nobody"`) {
			a.Errorf("%s, a name that the file does not have: status %d: %s", server, status, errs)
		}
	}
}

// wrongKeys: a server that wants a key says what is wrong with the one it gets.
func (a *arena) wrongKeys() {
	a.Helper()
	for _, tt := range []struct {
		name, key, server string
		want              string
		statuses          []show.Status
	}{
		{"none", "", iscAddress, "--key-file", []show.Status{2}},
		{"none", "", lease6Address, "--key-file", []show.Status{2}},
		{"another name", a.key("other", "hmac-sha256", secret), iscAddress, "does not know this key", []show.Status{2}},
		{"another name", a.key("other", "hmac-sha256", secret), lease6Address, "does not know this key", []show.Status{2}},
		{"another algorithm", a.key("omapi_key", "hmac-md5", secret), iscAddress, "does not know this key", []show.Status{2}},
		{"another algorithm", a.key("omapi_key", "hmac-md5", secret), lease6Address, "does not know this key", []show.Status{2}},
		{"another secret", a.key("omapi_key", "hmac-sha256", "d3Jvbmc="), iscAddress, "compare the secret", []show.Status{2, 3}},
		{"another secret", a.key("omapi_key", "hmac-sha256", "d3Jvbmc="), lease6Address, "compare the secret", []show.Status{2}},
	} {
		_, errs, status := a.lease6(tt.server, tt.key, "", "get", "--name", "a")
		ok := false
		for _, s := range tt.statuses {
			ok = ok || s == status
		}
		if !ok || !strings.Contains(errs, tt.want) {
			a.Errorf("key %s, %s: status %d: %s", tt.name, tt.server, status, errs)
		}
	}
}
