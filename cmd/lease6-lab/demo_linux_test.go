package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/demo"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/labtest"
)

// TestDemo runs the demos one after the other: they are told apart from other labs by having no number.
func TestDemo(t *testing.T) {
	needsServer(t)
	labtest.Needs(t, "dhclient", "dhcrelay", "dnsmasq")
	t.Run("own leases", func(t *testing.T) {
		out, err := runLab(t.Context(), "demo", "--no-color", "--server", lease6d.path)
		if err != nil || !strings.Contains(out, "13 NICs, 13 right, 0 wrong") {
			t.Fatalf("%v\n%s", err, out)
		}
		gone(t)
	})
	t.Run("leases of a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "leases")
		generated, err := runLab(t.Context(), "generate", "--hosts", "30", "--seed", "9")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(generated), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := runLab(t.Context(), "demo", "--no-color", "--server", lease6d.path, "--leases", file)
		if err != nil || !strings.Contains(out, "13 NICs, 13 right, 0 wrong") {
			t.Fatalf("%v\n%s", err, out)
		}
	})
	t.Run("too few leases", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "leases")
		if err := os.WriteFile(file, []byte("host a { hardware ethernet 52:54:00:00:00:01; fixed-address6 2001:db8::1; }\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := runLab(t.Context(), "demo", "--server", lease6d.path, "--leases", file); err == nil || !strings.Contains(err.Error(), "only 1 hosts") {
			t.Errorf("got error %v", err)
		}
		gone(t)
	})
	t.Run("stay until interrupted", testDemoStays)
	t.Run("a server that does not answer", testDemoJudges)
}

// testDemoStays: --stay keeps the datacenter until ^C, which is a good end.
func testDemoStays(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &trigger{text: "Look around", do: cancel}
	err := demo.Run(ctx, demo.Options{Server: lease6d.path, Stay: true, Out: out})
	if err != nil || !strings.Contains(out.String(), "ip netns exec") {
		t.Errorf("%v\n%s", err, out.String())
	}
	gone(t)
}

// testDemoJudges: verdicts are judged, not assumed.
func testDemoJudges(t *testing.T) {
	mute := filepath.Join(t.TempDir(), "mute")
	if err := os.WriteFile(mute, []byte("#!/bin/sh\necho msg=ready\nexec cat /dev/zero >/dev/full\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := demo.Run(t.Context(), demo.Options{Server: mute, Patience: 4 * time.Second, Out: &out})
	if !errors.Is(err, demo.ErrWrong) || !strings.Contains(out.String(), "13 NICs, 0 right, 13 wrong") {
		t.Errorf("%v\n%s", err, out.String())
	}
	gone(t)
}

// gone checks that a demo has left nothing behind.
func gone(t *testing.T) {
	t.Helper()
	name := fmt.Sprintf("lease6-%d", os.Getpid())
	for _, path := range []string{filepath.Join(os.TempDir(), name), "/run/netns/" + name + "-dc", "/run/netns/" + name + "-web1"} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there", path)
		}
	}
}

// trigger is a writer that does something when a text goes by.
type trigger struct {
	text string
	do   func()

	mu   sync.Mutex
	seen bytes.Buffer
}

func (w *trigger) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen.Write(b)
	if bytes.Contains(w.seen.Bytes(), []byte(w.text)) {
		w.do()
	}
	return len(b), nil
}

func (w *trigger) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen.String()
}
