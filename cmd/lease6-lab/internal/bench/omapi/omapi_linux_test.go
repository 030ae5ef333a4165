package omapi

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/benchtest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/labtest"
)

var build benchtest.Build

func TestMain(m *testing.M) { os.Exit(build.Main(m)) }

// TestRun measures everything there is on both servers, shortly.
func TestRun(t *testing.T) {
	programs := build.Programs(t)
	labtest.Needs(t, "dhcpd")
	const open = 100
	report, err := Run(t.Context(), Options{
		Hosts: 100, Rounds: 2, Round: 20 * time.Millisecond, Sizes: []int{200, 5000}, Samples: 20, ISCMost: 200, Open: open, Programs: programs,
	})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	t.Log(text.String())
	if err := report.verdict(); err != nil {
		t.Error(err)
	}
	if n := len(shapes) * len(operations); len(report.Rates) != n {
		t.Errorf("%d rates, want %d", len(report.Rates), n)
	}
	for _, r := range report.Rates {
		if r.Ratio <= 0 || len(r.Servers) != 2 {
			t.Errorf("%+v", r)
		}
		for _, s := range r.Servers {
			if len(s.Rounds) != 2 || s.Median <= 0 { // the CPU time of so short a round can be nothing
				t.Errorf("%s, %s: %+v", r.Shape.Name, r.Operation, s)
			}
		}
	}
	for i, want := range []struct {
		server string
		leases int
	}{{theirs, 200}, {ours, 200}, {ours, 5000}} {
		if s := report.Served[i]; s.Server != want.server || s.Leases != want.leases || s.Failed != "" || s.P50 <= 0 || s.Worst < s.P99 || s.Old <= 0 {
			t.Errorf("%+v, want %+v", s, want)
		}
	}
	for _, o := range report.Open {
		if o.Served != open || o.Failed != "" {
			t.Errorf("%+v", o)
		}
	}
	var back Report
	file := filepath.Join(t.TempDir(), "report.json")
	if err := report.save(file); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &back); err != nil || back.Rates[0].Ratio != report.Rates[0].Ratio || len(back.Served) != 3 {
		t.Errorf("read back: %v", err)
	}
}

// TestWithoutDhcpd: what is not installed is left out.
func TestWithoutDhcpd(t *testing.T) {
	programs := build.Programs(t)
	programs[theirs] = "/nonexistent/dhcpd"
	var progress strings.Builder
	report, err := Run(t.Context(), Options{Rounds: 1, Round: 5 * time.Millisecond, Programs: programs, Progress: &progress})
	if err != nil {
		t.Fatal(err)
	}
	if r := report.Rates[0]; len(r.Servers) != 1 || r.Servers[0].Name != ours || r.Ratio != 0 || !strings.Contains(progress.String(), "not installed") {
		t.Errorf("%+v\n%s", r, progress.String())
	}
}

func TestSummarize(t *testing.T) {
	r := Rate{Servers: []Server{{Name: theirs, Rounds: []float64{100, 10, 50}}, {Name: ours, Rounds: []float64{200, 90, 100}}}}
	if r.summarize(); r.Ratio != 2 || r.Servers[0].Median != 50 || r.Servers[1].Median != 100 {
		t.Errorf("%+v", r)
	}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		name   string
		report Report
		ok     bool
	}{
		{"all well", Report{Served: []Served{{Server: ours}}, Open: []Open{{Server: ours, Connections: 5, Served: 5}}}, true},
		{"a new lease is not served at once", Report{Served: []Served{{Server: ours, Refused: 1}}}, false},
		{"it cannot be measured", Report{Served: []Served{{Server: ours, Failed: "did not start"}}}, false},
		{"a connection is not served", Report{Open: []Open{{Server: ours, Connections: 5, Served: 4}}}, false},
		{"dhcpd does not serve one", Report{Open: []Open{{Server: theirs, Connections: 5, Served: 4}}, Served: []Served{{Server: theirs, Refused: 3}}}, true},
	} {
		if err := tt.report.verdict(); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
