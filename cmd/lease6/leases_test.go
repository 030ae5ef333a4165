package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// run runs lease6 as from a shell.
func run(stdin string, args ...string) (stdout, stderr string, status int) {
	var out, errs bytes.Buffer
	c := rootCommand()
	c.SetIn(strings.NewReader(stdin))
	c.SetOut(&out)
	c.SetErr(&errs)
	c.SetArgs(args)
	status = int(statusOf(&errs, c.Execute()))
	return out.String(), errs.String(), status
}

const sample = `# The format of this file is documented in the dhcpd.leases(5) manual page.
authoring-byte-order little-endian;

server-duid "\000\001\000\0012\226\305U\202\035v\361\342\371";

host 005056000011_host {
  dynamic;
  hardware ethernet 00:50:56:00:00:11;
  fixed-address 32.1.13.184,0.1.0.0,2.80.86.255,254.0.0.17;
}
host 00:50:56:00:00:18_host {
  dynamic;
  hardware ethernet 00:50:56:00:00:18;
  fixed-address 32.1.13.184,0.2.0.0,0.0.0.0,0.0.0.24;
        supersede dhcp6.domain-search = 06:61:62:69:71:75:6f:03:63:6f:6d:00;
}
host v4_host {
  dynamic;
  hardware ethernet 00:50:56:00:00:19;
  fixed-address 1.2.3.4;
}
`

const torn = "host torn_host {\n  dynamic;\n  hardware ethernet 00:50:56:00:00:1a;\n  fixed-address 32.1.13."

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		status     int
		want       string
	}{
		{"sound", sample, 0, "standard input: 3 hosts, 2 served with 2 addresses, 1 not served; 0 errors, 0 warnings\n"},
		{"warning", sample + strings.Replace(sample, "host v4_host", "host v4_host ", 1)[strings.Index(sample, "host v4_host"):], 1,
			"standard input:22:1: warning: host \"v4_host\": a second record of the name, not deleted in between; replaces the first [duplicate-name]\n" +
				"standard input: 3 hosts, 2 served with 2 addresses, 1 not served; 0 errors, 1 warning\n"},
		{"error", sample + torn, 2,
			"standard input:25:3: error: host \"torn_host\": \"fixed-address 32.1.13.\", a statement without its end; left out [torn-statement]\n" +
				"standard input: 3 hosts, 2 served with 2 addresses, 1 not served; 1 error, 0 warnings\n"},
		{"empty", "", 0, "standard input: 0 hosts, 0 served with 0 addresses, 0 not served; 0 errors, 0 warnings\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, errs, status := run(tt.text, "leases", "check", "-")
			if diff := cmp.Diff(tt.want, out); diff != "" || status != tt.status || errs != "" {
				t.Errorf("status %d, stderr %q\n%s", status, errs, diff)
			}
			var report checkReport
			out, _, status = run(tt.text, "leases", "check", "--json", "-")
			if err := json.Unmarshal([]byte(out), &report); err != nil || status != tt.status {
				t.Errorf("status %d: %v\n%s", status, err, out)
			}
			if n := report.Summary.Errors + report.Summary.Warnings; n != len(report.Diagnostics) {
				t.Errorf("%d problems, %d listed", n, len(report.Diagnostics))
			}
		})
	}
	if _, errs, status := run("", "leases", "check", "/no/such/file"); status != 2 || !strings.Contains(errs, "/no/such/file") {
		t.Errorf("status %d, %q", status, errs)
	}
}

func TestList(t *testing.T) {
	for _, tt := range []struct {
		args   string
		status int
		want   string // names
	}{
		{"", 0, "005056000011_host 00:50:56:00:00:18_host v4_host"},
		{"--mac 00-50-56-00-00-18", 0, "00:50:56:00:00:18_host"},
		{"--mac 005056000018", 0, "00:50:56:00:00:18_host"},
		{"--name 0050*", 0, "005056000011_host"},
		{"--name v4_host", 0, "v4_host"},
		{"--address 2001:db8:1:0:250:56ff:fe00:11", 0, "005056000011_host"},
		{"--network 2001:db8:2::/64", 0, "00:50:56:00:00:18_host"},
		{"--network 1.2.3.0/24", 0, "v4_host"},
		{"--network 2001:db8::/32 --mac 00:50:56:00:00:11", 0, "005056000011_host"},
		{"--network 2001:db8:9::/64", 1, ""},
		{"--mac hello", 2, ""},
		{"--address 2001:db8::/64", 2, ""},
		{"--network 2001:db8::1", 2, ""},
		{"--name [", 2, ""},
	} {
		out, errs, status := run(sample, append(strings.Fields("leases list - --json"), strings.Fields(tt.args)...)...)
		if status != tt.status {
			t.Errorf("%s: status %d, want %d: %s", tt.args, status, tt.status, errs)
		}
		if status == 2 {
			if errs == "" {
				t.Errorf("%s: nothing said", tt.args)
			}
			continue
		}
		var rows []row
		if err := json.Unmarshal([]byte(out), &rows); err != nil {
			t.Errorf("%s: %v in %s", tt.args, err, out)
		}
		var names []string
		for _, r := range rows {
			names = append(names, r.Name)
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.args, got, tt.want)
		}
	}
	out, _, _ := run(sample, "leases", "list", "-")
	want := `NAME                    MAC                ADDRESS
005056000011_host       00:50:56:00:00:11  2001:db8:1:0:250:56ff:fe00:11
00:50:56:00:00:18_host  00:50:56:00:00:18  2001:db8:2::18
v4_host                 00:50:56:00:00:19  1.2.3.4
`
	if diff := cmp.Diff(want, out); diff != "" {
		t.Error(diff)
	}
}

func TestFmt(t *testing.T) {
	out, errs, status := run(sample, "leases", "fmt", "--isc-names", "-")
	if status != 1 || !strings.Contains(errs, `written as "005056000018_host"`) || !strings.Contains(out, "\nhost 005056000018_host {\n") {
		t.Errorf("status %d, %s\n%s", status, errs, out)
	}
	again, errs, status := run(out, "leases", "fmt", "--isc-names", "-")
	if again != out || status != 0 || errs != "" {
		t.Errorf("status %d %s\n%s", status, errs, cmp.Diff(out, again))
	}
}

func TestFmtInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	messy := strings.ReplaceAll(sample, "  dynamic;\n", "dynamic; ")
	for _, tt := range []struct {
		text   string
		status int
		kept   bool
	}{{messy, 1, false}, {messy + torn, 2, true}} {
		if err := os.WriteFile(path, []byte(tt.text), 0o640); err != nil {
			t.Fatal(err)
		}
		_, errs, status := run("", "leases", "fmt", "--write", path)
		now, err := os.ReadFile(path)
		if err != nil || status != tt.status || (string(now) == tt.text) != tt.kept {
			t.Errorf("status %d %v: %s\n%s", status, err, errs, now)
		}
		if !tt.kept {
			old, err := os.ReadFile(path + "~")
			if err != nil || string(old) != tt.text || !strings.Contains(string(now), "host v4_host {\n  dynamic;\n") {
				t.Errorf("%v\n%s\n---\n%s", err, old, now)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("%v %v", info.Mode(), err)
			}
		}
	}
}
