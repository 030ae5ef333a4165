package storm

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/benchtest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
)

var build benchtest.Build

func TestMain(m *testing.M) { os.Exit(build.Main(m)) }

// TestStorm is a storm of more VMs than the kernel's neighbour table holds.
func TestStorm(t *testing.T) {
	const vms = 3000
	report, err := Run(t.Context(), Options{
		VMs: []int{vms}, Modes: []guest.Mode{guest.Direct, guest.Relayed}, Servers: []string{"ceiling", "lease6d"},
		Programs: build.Programs(t), Rounds: 1,
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
	if len(report.Storms) != 4 {
		t.Fatalf("%d storms", len(report.Storms))
	}
	for _, s := range report.Storms {
		if s.Mode == guest.Direct.String() && (s.Neighbours.Most != 0 || s.Result.Solicited != 0) {
			t.Errorf("%s: neighbours of a direct link: %+v, %d solicited", s.Server, s.Neighbours, s.Result.Solicited)
		}
		if s.Result.Worst <= 0 || s.Result.P50 > s.Result.Worst {
			t.Errorf("%+v", s)
		}
	}
}

func TestVerdict(t *testing.T) {
	served := load.Result{Exchanges: 10}
	for _, tt := range []struct {
		name  string
		storm Storm
		want  string
	}{
		{"all well", Storm{Server: "lease6d", VMs: 10, Result: served}, ""},
		{"one not served", Storm{Server: "lease6d", VMs: 11, Result: served}, "served 10 of 11"},
		{"wrong answers", Storm{Server: "ceiling", VMs: 10, Result: load.Result{Exchanges: 10, Wrong: 2}}, "2 wrong"},
		{"neighbours", Storm{Server: "lease6d", VMs: 10, Result: served, Neighbours: Neighbours{1, 900, 3}}, "from 1 to 900"},
		{"did not start", Storm{Server: "lease6d", VMs: 10, Failed: "no socket"}, "no socket"},
		{"a peer that fails", Storm{Server: "kea", VMs: 10, Failed: "no socket"}, ""},
		{"a peer that loses", Storm{Server: "dnsmasq", VMs: 10}, ""},
	} {
		err := (&Report{Storms: []Storm{tt.storm}}).verdict()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
