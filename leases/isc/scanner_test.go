package isc

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// dump writes everything that a file holds as text: what the golden files compare.
func dump(t testing.TB, s *Scanner) string {
	t.Helper()
	var b strings.Builder
	verbatim := 0
	for s.Scan() {
		switch s.Kind() {
		case KindHost:
			dumpHost(&b, s.Host())
		case KindGroup:
			g := s.Group()
			fmt.Fprintf(&b, "%d:%d group %q deleted=%v\n", g.Pos.Line, g.Pos.Col, g.Name, g.Deleted)
			dumpStatements(&b, g.Statements)
		case KindServerDUID:
			fmt.Fprintf(&b, "server-duid %x\n", s.DUID())
		case KindVerbatim:
			verbatim++
			fmt.Fprintf(&b, "verbatim %q\n", strings.SplitN(string(s.Text()), "\n", 2)[0])
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	for _, d := range s.Diagnostics() {
		fmt.Fprintln(&b, d)
	}
	return b.String()
}

func dumpHost(b *strings.Builder, h *Host) {
	fmt.Fprintf(b, "%d:%d host %q", h.Pos.Line, h.Pos.Col, h.Name)
	if h.Deleted {
		b.WriteString(" deleted")
	}
	if !h.Dynamic {
		b.WriteString(" not-dynamic")
	}
	if h.Damaged {
		b.WriteString(" damaged")
	}
	if h.Hardware != nil {
		fmt.Fprintf(b, " hw=%d/%x", h.HardwareType, h.Hardware)
	}
	if h.Addresses != nil {
		fmt.Fprintf(b, " addr=%x", h.Addresses)
	}
	if h.UID != nil {
		fmt.Fprintf(b, " uid=%x", h.UID)
	}
	if h.Group != "" {
		fmt.Fprintf(b, " group=%q", h.Group)
	}
	b.WriteByte('\n')
	dumpStatements(b, h.Statements)
}

func dumpStatements(b *strings.Builder, all []Statement) {
	for _, s := range all {
		fmt.Fprintf(b, "    %s = %x | %q\n", s.Name, s.Value, s.Text)
	}
}

// TestFixtures reads every lease file that the real server wrote or was given, and compares with the golden files.
func TestFixtures(t *testing.T) {
	files, err := filepath.Glob("testdata/*.leases")
	if err != nil || len(files) < 90 {
		t.Fatalf("%d fixtures: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := dump(t, NewScanner(bytes.NewReader(text), Options{File: filepath.Base(file)}))
			golden(t, strings.TrimSuffix(file, ".leases")+".golden", got)
			// However the bytes arrive, they say the same.
			slow := dump(t, NewScanner(iotest.OneByteReader(bytes.NewReader(text)), Options{File: filepath.Base(file)}))
			if diff := cmp.Diff(got, slow); diff != "" {
				t.Errorf("read byte by byte:\n%s", diff)
			}
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
