package soak

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/benchtest"
)

var build benchtest.Build

func TestMain(m *testing.M) { os.Exit(build.Main(m)) }

// TestSoak changes all there is to change while lease6d is busy, and looks at it often enough to judge. Whether it is
// flat is not: a few seconds after its start it still warms up.
func TestSoak(t *testing.T) {
	report, err := Run(t.Context(), Options{
		Time: 4 * time.Second, Hosts: 1000, Leases: 200, Replace: time.Second, Reload: 500 * time.Millisecond, Sample: 400 * time.Millisecond,
		Programs: build.Programs(t), Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	t.Log(text.String())
	report.Trends = trends(samples(fewest, func(int) float64 { return 1 }))
	if err := report.verdict(); err != nil {
		t.Error(err)
	}
	if report.Replaced < 2 || report.Reloads < 4 || report.Appended < 2*report.Extra || len(report.Samples) < fewest {
		t.Errorf("%d files, %d reloads, %d records, %d samples", report.Replaced, report.Reloads, report.Appended, len(report.Samples))
	}
	for _, v := range report.Samples {
		if v.RSS < 1<<20 || v.Goroutines < 2 || v.Files < 4 {
			t.Errorf("vitals that cannot be: %+v", v)
		}
	}
}

// TestInterrupted: a run ends when it is told to.
func TestInterrupted(t *testing.T) {
	o := Options{Time: time.Hour, Hosts: 100, Programs: build.Programs(t)}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := Run(ctx, o); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
