package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/server/config"
)

// run runs lease6d as from a shell, for commands that end by themselves.
func run(args ...string) (stdout string, err error) {
	var out bytes.Buffer
	c := rootCommand()
	c.SetOut(&out)
	c.SetArgs(args)
	err = c.Execute()
	return out.String(), err
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const oneHost = "host a {\n  dynamic;\n  hardware ethernet 52:54:00:00:00:01;\n  fixed-address6 2001:db8::1;\n}\n"

func TestCommandLine(t *testing.T) {
	leaseFile := file(t, "leases", oneHost)
	torn := file(t, "damaged", oneHost+"host torn {\n")
	sound := file(t, "sound.toml", "leases.file = '"+leaseFile+"'\n")
	damaged := file(t, "damaged", "host b {\n  dynamic;\n  fixed-address banana;\n}\n"+oneHost)
	broken := file(t, "broken.toml", "[server]\nport = 547\n")
	for _, tt := range []struct {
		name, args string
		out        string // in the output
		err        string // in the error; "" = none
		usage      bool
	}{
		{"check", "--check-config --config " + sound, "configuration is sound: links any; hosts in " + leaseFile + ": 1\n", "", false},
		{"check says what is wrong with the leases", "--check-config -i eth1 --leases " + torn, torn + ":6:1: error: host \"torn\"", "1 errors", false},
		{"relays only", "--check-config --relay 2001:db8::2 --relay fd00::/8 --leases " + leaseFile, "configuration is sound", "", false},
		{"bad relay", "--check-config --relay relay1 --leases " + leaseFile, "", `--relay "relay1"`, true},
		{"an argument", "eth1", "", "unknown command", true},
		{"check without a file", "--check-config --leases " + leaseFile + " --interface eth1", "configuration is sound", "", false},
		{"reference", "--print-config", "[identity]", "", false},
		{"broken", "--check-config --config " + broken, "", "broken.toml:2:1: server.port: unknown key", true},
		{"no lease file", "--check-config --leases /no/such/file -i eth1", "", "/no/such/file", true},
		{"no configuration", "--config /no/such/file", "", "/no/such/file", true},
		{"leases without interface", "--leases " + leaseFile, "", "--interface eth1", true},
		{"interface without leases", "--interface eth1", "", "server.interfaces", true},
		{"both", "--leases x --config y", "", "exclude each other", true},
		{"bad OMAPI address", "--leases x -i eth1 --omapi 7911", "", `--omapi "7911"`, true},
		{"repair without OMAPI", "--repair --leases " + leaseFile + " -i eth1", "", "--repair without OMAPI", true},
		{"damaged leases of our own", "--leases " + damaged + " -i eth1 --omapi 127.0.0.1:7911", "", damaged + ":3:3: error: host \"b\"", false},
		{"bad level", "--log-level loud --config " + sound, "", `--log-level "loud"`, true},
		{"bad format", "--log-format xml --config " + sound, "", `--log-format "xml"`, true},
		{"bad pattern", "--leases x -i [", "", "[", true},
		{"unknown flag", "--frobnicate", "", "see lease6d --help", true},
		{"completion", "completion zsh", "#compdef lease6d", "", false},
		{"version", "--version", "lease6d version ", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := run(strings.Fields(tt.args)...)
			if !strings.Contains(out, tt.out) {
				t.Errorf("output %q, want %q in it", out, tt.out)
			}
			if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q in it", err, tt.err)
			}
			var usage usageError
			if tt.usage && !errors.As(err, &usage) {
				t.Errorf("%v is not told as a mistake in usage", err)
			}
		})
	}
}

// TestServerDUID: where it comes from, and that it stays.
func TestServerDUID(t *testing.T) {
	silent := slog.New(slog.DiscardHandler)
	open := func(text string) *leases.File {
		t.Helper()
		f, err := leases.Open(file(t, "leases", text), leases.FileOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	dir := t.TempDir()
	static := &config.Static{DUIDFile: filepath.Join(dir, "made", "server-duid")}
	first, err := serverDUID(static, open(oneHost), silent)
	if err != nil || len(first) != 18 || first[1] != 4 {
		t.Fatalf("a new one: %x %v", first, err)
	}
	isc := open(oneHost + "server-duid \"\\000\\001\\000\\0012\\226\\303;2X]I\\035\\253\";\n")
	again, err := serverDUID(static, isc, silent)
	if err != nil || !bytes.Equal(again, first) {
		t.Errorf("the next start: %x %v, want %x", again, err, first)
	}
	other := &config.Static{DUIDFile: filepath.Join(dir, "server-duid")}
	taken, err := serverDUID(other, isc, silent)
	if err != nil || len(taken) != 14 || taken[4] != 0x32 {
		t.Errorf("of the lease file: %x %v", taken, err)
	}
	configured, err := serverDUID(&config.Static{DUID: []byte{0, 3, 1}, DUIDFile: other.DUIDFile}, isc, silent)
	if err != nil || !bytes.Equal(configured, []byte{0, 3, 1}) {
		t.Errorf("configured: %x %v", configured, err)
	}
	if err := os.WriteFile(other.DUIDFile, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := serverDUID(other, isc, silent); err == nil || !strings.Contains(err.Error(), other.DUIDFile) || !strings.Contains(err.Error(), "hello") {
		t.Errorf("a damaged file: %v", err)
	}
	if _, err := serverDUID(&config.Static{DUIDFile: "/proc/none/server-duid"}, isc, silent); err == nil || !strings.Contains(err.Error(), "--state-dir") {
		t.Errorf("a directory that cannot be made: %v", err)
	}
}
