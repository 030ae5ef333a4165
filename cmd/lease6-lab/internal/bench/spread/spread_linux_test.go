package spread

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/benchtest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
)

var build benchtest.Build

func TestMain(m *testing.M) { os.Exit(build.Main(m)) }

// TestOneRelay: what one relay sends, and what one link sends, is shared by all workers.
func TestOneRelay(t *testing.T) {
	programs := build.Programs(t)
	for _, mode := range []guest.Mode{guest.Relayed, guest.Direct} {
		t.Run(mode.String(), func(t *testing.T) {
			report, err := Run(t.Context(), Options{Mode: mode, Exchanges: 3000, Programs: programs})
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
			var received uint64
			for _, w := range report.Workers {
				received += w.Received
			}
			if received < 6000 {
				t.Errorf("%d messages received of 3000 exchanges", received)
			}
		})
	}
}

func TestParseWorkers(t *testing.T) {
	const log = `time=x level=INFO msg="socket direct/0" stats="{Received:7 BadChecksum:0 Malformed:0 Truncated:0 Fragments:0 KernelDrops:1 ReceiveErrors:0}"
time=x level=INFO msg="socket relayed/0" stats="{Received:12 BadChecksum:0 Malformed:0 Truncated:0 Fragments:0 KernelDrops:0 ReceiveErrors:0}"
time=x level=INFO msg="socket relayed/1" stats="{Received:30 BadChecksum:0 Malformed:0 Truncated:0 Fragments:0 KernelDrops:4 ReceiveErrors:0}"
`
	for mode, want := range map[string][]Worker{
		"direct": {{"direct/0", 7, 1}}, "relayed": {{"relayed/0", 12, 0}, {"relayed/1", 30, 4}}, "other": nil,
	} {
		if got := parseWorkers(log, mode); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", mode, got, want)
		}
	}
	uneven := &Report{Workers: []Worker{{"a", 90, 0}, {"b", 10, 0}}}
	if uneven.verdict() == nil {
		t.Error("a tenth for one of two is taken for even")
	}
}
