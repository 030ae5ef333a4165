package config

import (
	"errors"
	"flag"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lease6/lease6/server/config/strict"
)

var update = flag.Bool("update", false, "write the golden files")

// compare compares configurations; netip's types have unexported fields and an == of their own.
var compare = cmp.Options{
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	cfg, err := Parse(strings.NewReader(text), "test.toml")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// defaults are spelt out once, so that none changes by accident.
func defaults() *Config {
	return &Config{
		Leases: Leases{File: "/var/lib/dhcp/dhcpd6.leases"},
		Server: Static{ReceiveBytes: 32 << 20, DUIDFile: "/var/lib/lease6d/server-duid"},
		Dynamic: Dynamic{
			Links: []Link{{Name: "any", Prefixes: []netip.Prefix{netip.MustParsePrefix("::/0")}, Settings: Settings{
				Valid: 7200 * time.Second, Preferred: 4500 * time.Second, T1: 2250 * time.Second, T2: 3600 * time.Second,
				RapidCommit: true, Options: []Option{},
			}}},
			Identity: Identity{Order: []Source{SourceOption79, SourceFrame, SourceEUI64, SourceDUID}, OnMismatch: MismatchServe},
			Unknown:  UnknownRefuse,
		},
	}
}

func TestDefaults(t *testing.T) {
	withInterface := defaults()
	withInterface.Dynamic.Interfaces = []string{"eth1"}
	for _, tt := range []struct {
		name, text string
		want       *Config
	}{
		{"empty", "", defaults()},
		{"reference", Reference(), defaults()},
		{"minimal", Minimal, withInterface},
		{"byte order mark", "\ufeff[server]\r\ninterfaces = [\"eth1\"]\r\n", withInterface},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, mustParse(t, tt.text), compare); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	s := withInterface.Dynamic.Links[0].Settings
	if !(s.T1 < s.T2 && s.T2 < s.Preferred && s.Preferred <= s.Valid) {
		t.Errorf("the defaults are not in order: %+v", s)
	}
}

func TestDefaultWithoutFile(t *testing.T) {
	got, err := Default("leases", []string{"eth1", "bond0.*"})
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	want.Leases.File = "leases" // relative to the shell of whoever wrote the command line
	want.Dynamic.Interfaces = []string{"eth1", "bond0.*"}
	if diff := cmp.Diff(want, got, compare); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	_, err = Default("", []string{"eth1", "a-name-of-16-byte", "[", ""})
	if err == nil {
		t.Fatal("accepted")
	}
	const message = `config: no lease file is named
config: interface "a-name-of-16-byte": has 17 bytes; an interface's name has at most 15
config: interface "[": bad pattern; * is any text, ? one character, [a-z] one of a range: "bond0.*"
config: interface "": not the name of an interface`
	if diff := cmp.Diff(message, err.Error()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// examples is the reference without the comment signs of its examples.
func examples() string {
	return regexp.MustCompile(`(?m)^#([^ #\n])`).ReplaceAllString(Reference(), "$1")
}

// TestReferenceExamples takes the comment signs off all examples of the reference, so that none can rot.
func TestReferenceExamples(t *testing.T) {
	text := examples()
	if strings.Count(text, "\n#") >= strings.Count(Reference(), "\n#") {
		t.Fatal("no example was found")
	}
	cfg := mustParse(t, text)
	if len(cfg.Dynamic.Links) != 2 {
		t.Fatalf("%d links", len(cfg.Dynamic.Links))
	}
	blue, any := cfg.Dynamic.Links[0], cfg.Dynamic.Links[1]
	codes := func(options []Option) (all []uint16) {
		for _, o := range options {
			all = append(all, o.Code)
		}
		return all
	}
	if got, want := codes(any.Options), []uint16{23, 24, 31, 32, 56, 59, 60, 82, 83, 200, 201, 202}; !slices.Equal(got, want) {
		t.Errorf("options of the defaults: %v, want %v", got, want)
	}
	if got, want := codes(blue.Options), []uint16{23, 31, 32, 56, 59, 60, 82, 83, 201, 202}; !slices.Equal(got, want) {
		t.Errorf("options of the link: %v, want %v", got, want)
	}
	if any.T1 != defaults().Dynamic.Links[0].T1 || blue.T1 != 2*time.Hour {
		t.Errorf("t1 %v and %v", any.T1, blue.T1)
	}
}

// TestReferenceIsComplete: the reference explains every key that is read. The keys come from the errors that name them.
func TestReferenceIsComplete(t *testing.T) {
	const wrong = "zzzzzzzzzzzz = 0\n"
	text := wrong + "[leases]\n" + wrong + "[server]\n" + wrong + "[identity]\n" + wrong + "[defaults]\n" + wrong +
		"[defaults.options]\ncustom = [{ code = 200, hex = '', zzzzzzzzzzzz = 0 }]\n" + wrong + "[[link]]\nname = 'a'\nprefixes = ['::/0']\n" + wrong
	_, err := Parse(strings.NewReader(text), "x")
	if err == nil {
		t.Fatal("accepted")
	}
	lists := regexp.MustCompile(`known here: (.*)`).FindAllStringSubmatch(err.Error(), -1)
	if len(lists) != 8 {
		t.Fatalf("%d tables listed their keys:\n%v", len(lists), err)
	}
	for _, list := range lists {
		for key := range strings.SplitSeq(list[1], ", ") {
			if !regexp.MustCompile(`(?m)(^#?| |\[)` + key + ` = |^#?\[+(\w+\.)?` + key + `\]`).MatchString(Reference()) {
				t.Errorf("the reference does not show the key %s", key)
			}
		}
	}
}

// TestGood reads each good file and holds the result against the golden text beside it.
func TestGood(t *testing.T) {
	for _, file := range files(t, "testdata/*.good.toml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			cfg, err := Load(file)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(file, ".toml")+".txt", dump(cfg))
		})
	}
}

// TestBad reads each bad file and holds the errors, with their places, against the golden text beside it.
func TestBad(t *testing.T) {
	bad := files(t, "testdata/*.bad.toml")
	if len(bad) < 30 {
		t.Errorf("only %d bad files", len(bad))
	}
	for _, file := range bad {
		t.Run(filepath.Base(file), func(t *testing.T) {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			cfg, err := Parse(f, filepath.Base(file))
			if err == nil {
				t.Fatalf("accepted:\n%s", dump(cfg))
			}
			golden(t, strings.TrimSuffix(file, ".bad.toml")+".err", err.Error()+"\n")
			located(t, file, err)
		})
	}
}

// located holds that every line marked with "# here" has a problem, and no other line.
func located(t *testing.T, file string, err error) {
	text, readErr := os.ReadFile(file)
	if readErr != nil {
		t.Fatal(readErr)
	}
	var want, got []int
	for i, line := range strings.Split(string(text), "\n") {
		if strings.Contains(line, "# here") {
			want = append(want, i+1)
		}
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("not a list of problems: %T", err)
	}
	for _, one := range joined.Unwrap() {
		var e *strict.Error
		if !errors.As(one, &e) {
			t.Fatalf("%T: %v", one, one)
		}
		if e.Column < 1 || e.Problem == "" || e.Key == "" && e.Value == "" {
			t.Errorf("incomplete: %+v", e)
		}
		got = append(got, e.Line)
	}
	if slices.Sort(got); !slices.Equal(slices.Compact(got), want) {
		t.Errorf("problems in the lines %v, want them in %v", got, want)
	}
}

func files(t testing.TB, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return names
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestLoadNoFile(t *testing.T) {
	_, err := Load("testdata/none.toml")
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestTooLong(t *testing.T) {
	_, err := Parse(strings.NewReader(strings.Repeat("#\n", mostBytes/2+1)), "long")
	if err == nil || !strings.Contains(err.Error(), "long has more than 16 MiB") {
		t.Errorf("got %v", err)
	}
}

func TestSeconds(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want uint32
	}{
		{-time.Second, 0}, {0, 0}, {1500 * time.Millisecond, 1}, {time.Hour, 3600}, {Infinity - time.Second, math.MaxUint32 - 1},
		{Infinity, math.MaxUint32}, {Infinity + time.Second, math.MaxUint32}, {math.MaxInt64, math.MaxUint32}, {math.MinInt64, 0},
	} {
		if got := Seconds(tt.d); got != tt.want {
			t.Errorf("Seconds(%v) = %d, want %d", tt.d, got, tt.want)
		}
	}
}

// TestRestartNeeded changes one key at a time.
func TestRestartNeeded(t *testing.T) {
	base := "[leases]\nfile = '/l'\n[server]\nworkers = 1\nreceive-buffer = '1 MiB'\nduid = '000300010203'\nstate-dir = '/s'\n"
	for _, tt := range []struct {
		name, old, new string
		want           []string
	}{
		{"nothing", "", "", nil},
		{"lease file", "'/l'", "'/m'", []string{"leases.file"}},
		{"workers", "workers = 1", "workers = 2", []string{"server.workers"}},
		{"buffer", "1 MiB", "2 MiB", []string{"server.receive-buffer"}},
		{"duid", "000300010203", "000300010204", []string{"server.duid"}},
		{"no duid", "duid = '000300010203'\n", "", []string{"server.duid"}},
		{"state", "'/s'", "'/t'", []string{"server.state-dir"}},
		{"omapi", "[server]", "[omapi]\nlisten = ['[::1]:7911']\nallow = ['::1']\nkey-file = '/k'\nstatus-codes = 'isc'\n[server]",
			[]string{"omapi.listen", "omapi.allow", "omapi.key-file", "omapi.status-codes"}},
		{"the same in other words", "1 MiB", "1024 KiB", nil},
		{"dynamic", "[server]", "[server]\nunicast = true\ninterfaces = ['a']\nunknown-clients = 'ignore'", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := RestartNeeded(mustParse(t, base), mustParse(t, strings.Replace(base, tt.old, tt.new, 1)))
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	// A field that is added to these must be compared too.
	const compared = 9
	if n := reflect.TypeFor[Leases]().NumField() + reflect.TypeFor[Static]().NumField() + reflect.TypeFor[OMAPI]().NumField(); n != compared {
		t.Errorf("Leases, Static and OMAPI have %d fields, and RestartNeeded compares %d", n, compared)
	}
}

func TestStrings(t *testing.T) {
	got := []string{Source(0).String(), SourceOption79.String(), SourceFrame.String(), SourceEUI64.String(), SourceDUID.String(),
		MismatchServe.String(), MismatchDrop.String(), UnknownRefuse.String(), UnknownIgnore.String()}
	want := []string{"none", "option-79", "frame", "eui-64", "duid", "serve", "drop", "refuse", "ignore"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
