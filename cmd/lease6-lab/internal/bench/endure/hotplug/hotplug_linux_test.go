package hotplug

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

// TestInterfaces: interfaces come and go while others are served.
func TestInterfaces(t *testing.T) {
	report, err := Run(t.Context(), Options{
		Interfaces: 20, Rate: 10, Time: 2 * time.Second, Sample: 5, Exchanges: 100, Programs: build.Programs(t), Progress: t.Output(),
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
	if report.Cycles < 2 || report.Churn.Sample.Exchanges < 20 || report.Again.Answered != report.Cycles {
		t.Errorf("%+v", report)
	}
}

// TestInterrupted: a run ends when it is told to.
func TestInterrupted(t *testing.T) {
	o := Options{Time: time.Hour, Interfaces: 10, Programs: build.Programs(t)}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := Run(ctx, o); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
