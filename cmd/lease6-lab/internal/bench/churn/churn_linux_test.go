package churn

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/benchtest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load"
)

var build benchtest.Build

func TestMain(m *testing.M) { os.Exit(build.Main(m)) }

// TestChurn changes all there is to change while a load goes on that any machine can carry.
func TestChurn(t *testing.T) {
	report, err := Run(t.Context(), Options{
		Hosts: 2000, Leases: 500, Reload: 200 * time.Millisecond, Duration: 2 * time.Second, Rate: 500, Programs: build.Programs(t),
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
	if report.Added < 10 || report.Reloads < 2 || report.Replaced != 1 {
		t.Errorf("changes: %d leases, %d reloads, %d files", report.Added, report.Reloads, report.Replaced)
	}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		name   string
		report Report
		ok     bool
	}{
		{"all well", Report{Hosts: 10, Added: 2, After: load.Result{Exchanges: 12}}, true},
		{"an added lease is not served", Report{Hosts: 10, Added: 2, After: load.Result{Exchanges: 11}}, false},
		{"wrong answer", Report{Hosts: 10, After: load.Result{Exchanges: 10}, Changing: load.Result{Wrong: 1}}, false},
		{"no answer", Report{Hosts: 10, After: load.Result{Exchanges: 10}, Changing: load.Result{Unanswered: 1}}, false},
	} {
		if err := tt.report.verdict(); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
