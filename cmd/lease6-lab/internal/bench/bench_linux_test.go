package bench

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/benchtest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
)

var build benchtest.Build

func TestMain(m *testing.M) { os.Exit(build.Main(m)) }

// TestRun measures the ceiling and lease6d, and a server that is not there, in every way there is.
func TestRun(t *testing.T) {
	programs := build.Programs(t)
	programs["coredhcp"] = "/nonexistent/coredhcp"
	report, err := Run(t.Context(), Options{
		Sizes: []int{100}, Modes: []guest.Mode{guest.Relayed, guest.Direct},
		Exchanges: []load.Exchange{load.SARR, load.Rapid, load.Renew, load.Information, load.Mixed},
		Servers:   []string{"ceiling", "lease6d", "coredhcp"}, Programs: programs,
		Window: 16, Relays: 2, Rounds: 2, Count: 5000,
	})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	t.Log(text.String())
	if want := 2 * 5; len(report.Cases) != want {
		t.Fatalf("%d cases, want %d", len(report.Cases), want)
	}
	for i := range report.Cases {
		checkCase(t, &report.Cases[i])
	}
	if err := report.verdict(); err != nil {
		t.Error(err)
	}
	checkJSON(t, report)
	checkSVG(t, report)
}

func checkCase(t *testing.T, c *Case) {
	t.Helper()
	for i := range c.Servers[:2] {
		s := &c.Servers[i]
		if s.Failed != "" || len(s.Rounds) != 2 || s.RSS == 0 || s.Start <= 0 || s.Ratio <= 0 || s.CPURatio <= 0 {
			t.Errorf("%s, %d, %s: %+v", c.title(), c.Reservations, s.Name, s)
		}
		for _, r := range s.Rounds {
			if r.Exchanges != 5000 || r.Wrong != 0 {
				t.Errorf("%s, %d, %s: %s %v", c.title(), c.Reservations, s.Name, &r, r.Faults)
			}
		}
	}
	if s := &c.Servers[2]; !strings.Contains(s.Failed, "not installed") || len(s.Rounds) != 0 {
		t.Errorf("a server that is not there: %+v", s)
	}
}

func checkJSON(t *testing.T, r *Report) {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if got, want := back.Cases[0].Servers[0].Rate, r.Cases[0].Servers[0].Rate; got != want {
		t.Errorf("read back: rate %v, want %v", got, want)
	}
}

// checkSVG reads the plot as XML and counts its bars.
func checkSVG(t *testing.T, r *Report) {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	bars := 0
	for d := xml.NewDecoder(&b); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if want := 2 * len(r.Cases); bars != want {
		t.Errorf("%d bars, want %d", bars, want)
	}
}

func TestSpread(t *testing.T) {
	rounds := func(rates ...float64) (all []load.Result) {
		for _, r := range rates {
			all = append(all, load.Result{Rate: r})
		}
		return all
	}
	rate := func(r *load.Result) float64 { return r.Rate }
	for _, tt := range []struct {
		name   string
		rounds []load.Result
		want   Spread
	}{
		{"none", nil, Spread{}},
		{"one", rounds(7), Spread{7, 7, 7}},
		{"odd", rounds(3, 9, 1), Spread{3, 1, 9}},
		{"even", rounds(4, 1, 2, 9), Spread{3, 1, 9}},
	} {
		if got := spread(tt.rounds, rate); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestGroup(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 999: "999", 1000: "1 000", 1234567.4: "1 234 567"} {
		if got := group(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}

// TestVerdict: what must make the command fail does.
func TestVerdict(t *testing.T) {
	server := func(name, failed string, wrong uint64) *Report {
		return &Report{Cases: []Case{{Servers: []Server{{Name: name, Failed: failed, Rounds: []load.Result{{Wrong: wrong}}}}}}}
	}
	for _, tt := range []struct {
		name   string
		report *Report
		fails  bool
	}{
		{"all well", server("lease6d", "", 0), false},
		{"wrong answer", server("lease6d", "", 1), true},
		{"lease6d does not start", server("lease6d", "did not start", 0), true},
		{"ceiling is wrong", server("ceiling", "", 1), true},
		{"a peer is wrong", server("kea", "", 1), false},
		{"a peer does not start", server("kea", "did not start", 0), false},
	} {
		if err := tt.report.verdict(); (err != nil) != tt.fails {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
