package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/labtest"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/netlab"
	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/server/config"
)

const root = "../.."

// block is one fenced block of the README.
type block struct {
	language, text string
	line           int
}

func readme(t *testing.T) (blocks []block) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	open := false
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		switch fence, found := strings.CutPrefix(line, "```"); {
		case found && !open:
			open = true
			blocks = append(blocks, block{language: strings.TrimSpace(fence), line: n})
		case found:
			open = false
		case open:
			blocks[len(blocks)-1].text += line
		}
	}
	return blocks
}

// step is one command of a console block, with what the README shows of its output.
type step struct {
	command string
	shown   []string
	line    int
}

// TestReadmeCommands runs the console blocks of the README, one behind the other, in a copy of the sources and in
// namespaces of its own. Every line that the README shows below a command must be in that command's output.
func TestReadmeCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("builds everything")
	}
	if err := netlab.Check(); err != nil {
		labtest.Missing(t, err.Error())
	}
	labtest.Needs(t, "make", "dhclient", "ip", "unshare", "pgrep")
	var steps []step
	for _, b := range readme(t) {
		if b.language != "console" {
			continue
		}
		for i, line := range strings.Split(strings.TrimRight(b.text, "\n"), "\n") {
			command, ok := strings.CutPrefix(line, "$ ")
			switch {
			case ok && (command == "make run" || command == "make test" || strings.HasPrefix(command, "make bench")):
				// Run by CI itself, by TestDemo, and by people.
				steps = append(steps, step{command: strings.Replace(command, "make", "make -n", 1), line: b.line + i + 1})
			case ok:
				steps = append(steps, step{command: command, line: b.line + i + 1})
			case len(steps) == 0:
				t.Fatalf("README.md:%d: output before the first command", b.line+i+1)
			default:
				steps[len(steps)-1].shown = append(steps[len(steps)-1].shown, line)
			}
		}
	}
	if len(steps) < 15 {
		t.Fatalf("only %d commands", len(steps))
	}
	outputs := runSteps(t, steps)
	for i, s := range steps {
		for _, want := range s.shown {
			if !strings.Contains(outputs[i], want) {
				t.Errorf("README.md:%d: %s\nshows %q, but prints:\n%s", s.line, s.command, want, outputs[i])
			}
		}
	}
}

// runSteps runs commands in one shell and returns what each of them printed.
func runSteps(t *testing.T, steps []step) []string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("sh", "-c", `cd "$1" && tar c --exclude=./.git --exclude=./bin . | tar x -C "$2"`, "sh", root, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const mark = "@@step@@"
	// Namespaces with the README's names must not meet those of somebody who follows it at the same time.
	script := "set -e\nmount -t tmpfs tmpfs /run/netns 2>/dev/null || { mkdir -p /run/netns; mount -t tmpfs tmpfs /run/netns; }\n"
	for i, s := range steps {
		script += fmt.Sprintf("echo '%s%d'\n%s\n", mark, i, s.command)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	// A process namespace of its own: whatever is left when the shell ends, ends with it.
	c := exec.CommandContext(ctx, "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", script)
	c.Dir = dir
	c.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
	out, err := c.CombinedOutput()
	outputs := make([]string, len(steps))
	for part := range strings.SplitSeq(string(out), mark) {
		var n int
		if _, err := fmt.Sscanf(part, "%d", &n); err == nil {
			outputs[n] = part
		}
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return outputs
}

// TestReadmeExamples reads the configuration and lease examples of the README.
func TestReadmeExamples(t *testing.T) {
	seen := make(map[string]int)
	for _, b := range readme(t) {
		seen[b.language]++
		switch b.language {
		case "toml":
			if _, err := config.Parse(strings.NewReader(b.text), "README.md"); err != nil {
				t.Errorf("block at line %d: %v", b.line, err)
			}
		case "leases":
			ix, diagnostics, err := leases.Load(strings.NewReader(b.text), leases.LoadOptions{File: "README.md"})
			if err != nil || len(diagnostics) > 0 || ix.Len() == 0 {
				t.Errorf("block at line %d: %d hosts, %v %v", b.line, ix.Len(), diagnostics, err)
			}
			for id := range ix.All() {
				if ix.Settings(id) == nil {
					t.Errorf("block at line %d: the statements of %s say nothing", b.line, ix.Name(id))
				}
			}
		case "console", "text":
		default:
			t.Errorf("block at line %d: nobody tests %q", b.line, b.language)
		}
	}
	if seen["toml"] == 0 || seen["leases"] == 0 {
		t.Errorf("blocks: %v", seen)
	}
}

// TestReadmeTour: the files that "How it is built" names exist, and so do the identifiers.
func TestReadmeTour(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, tour, ok := bytes.Cut(text, []byte("## How it is built"))
	if !ok {
		t.Fatal("the README does not say how it is built")
	}
	tour, _, _ = bytes.Cut(tour, []byte("\n## "))
	links := regexp.MustCompile("\\[`([A-Za-z.]+)`\\]\\(([a-z0-9_/.-]+\\.go)\\)").FindAllSubmatch(tour, -1)
	if len(links) < 6 {
		t.Fatalf("%d stops", len(links))
	}
	for _, l := range links {
		source, err := os.ReadFile(filepath.Join(root, string(l[2])))
		if err != nil {
			t.Error(err)
			continue
		}
		name := string(l[1][bytes.LastIndexByte(l[1], '.')+1:])
		if !regexp.MustCompile(`(func (\([^)]*\) )?|type |var |const )` + name + `\b`).Match(source) {
			t.Errorf("%s does not declare %s", l[2], name)
		}
	}
}
