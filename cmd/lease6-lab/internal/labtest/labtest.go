// Package labtest lets tests use a lab, or say why they cannot.
package labtest

import (
	"os"
	"os/exec"
	"testing"
)

// MustRun is the environment variable that turns skipped lab tests into failures: CI sets it to 1, because a test that
// did not run there proves nothing.
const MustRun = "LAB_MUST_RUN"

// Missing ends a test for the lack of something it needs.
func Missing(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv(MustRun) == "1" {
		t.Fatalf("%s=1, but: %s", MustRun, reason)
	}
	t.Skip(reason)
}

// Needs ends the test if a program is not installed.
func Needs(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			Missing(t, p+" is not installed: "+err.Error())
		}
	}
}
