// Package lease6_test holds rules about the whole repository.
package lease6_test

import (
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/lease6/lease6/"

// mayImport is which of our own packages each package may import; a trailing slash names a tree. Arrows go from cmd to
// behaviour to leases to bytes; server, ra and agent do not know each other.
var mayImport = []struct {
	tree    string
	allowed []string
}{
	{"leases/isc", nil},
	{"leases/atomicfile", nil},
	{"leases/storetest", []string{"leases", "leases/isc"}},
	{"leases", []string{"leases/isc", "leases/atomicfile"}},
	{"server/wire", nil},
	{"server/batch", nil},
	{"server/config", []string{"server/config/"}},
	{"server/omapi", []string{"leases", "leases/isc", "server/omapi/"}},
	{"server", []string{"leases", "leases/isc", "server/wire", "server/batch", "server/config"}},
	{"ra", []string{"leases", "leases/isc", "ra/"}},
	{"agent", []string{"leases/atomicfile", "agent/"}},
	{"cmd/internal", []string{"cmd/internal/"}},
	{"cmd/lease6", []string{"leases", "leases/", "server/", "ra", "ra/", "cmd/internal/", "cmd/lease6/"}},
	{"cmd/lease6-lab", []string{"leases", "leases/", "server/", "ra", "agent", "cmd/internal/", "cmd/lease6-lab/"}},
	{"cmd", []string{"leases", "leases/", "server", "server/", "ra", "ra/", "agent", "agent/", "cmd/internal/"}},
}

// exceptions are files and functions that are longer than the house rule, and why.
var exceptions = map[string]string{
	"cmd/lease6-lab/internal/bench/omapi": "one instrument, three lines over: rates, delay and connections share its subjects and its report",

	"leases":     "the two stores change the index in place, which nobody outside may",
	"leases/isc": "one grammar: what reads it and what writes it must agree on every byte",
	"server":     "one protocol, identity and links are its parameters; answering is pure, workers and interfaces are thin",
}

const (
	maxFunction = 60  // lines
	maxFile     = 400 // lines
	maxPackage  = 900 // lines of code
)

// source is one Go file that is no test.
type source struct {
	name string
	file *ast.File
	fset *token.FileSet
}

func (s *source) line(p token.Pos) int { return s.fset.Position(p).Line }

func (s *source) lines() int { return s.fset.File(s.file.FileStart).LineCount() }

// codeLines counts the lines that hold more than comment.
func (s *source) codeLines(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(s.name)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	f := fset.AddFile(s.name, -1, len(text))
	var scan scanner.Scanner
	scan.Init(f, text, nil, 0)
	lines := make(map[int]bool)
	for {
		pos, tok, _ := scan.Scan()
		if tok == token.EOF {
			return len(lines)
		}
		lines[f.Line(pos)] = true
	}
}

// sources parses all Go files of the repository that are no tests.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != "." || d.Name() == "testdata" || name == "bin" || name == "dist") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{filepath.ToSlash(name), file, fset})
		return nil
	})
	if err != nil || len(all) < 30 {
		t.Fatalf("%d files: %v", len(all), err)
	}
	return all
}

func TestImportDirections(t *testing.T) {
	for _, s := range sources(t) {
		dir := path.Dir(s.name)
		for _, i := range s.file.Imports {
			imported, ours := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), module)
			if ours && imported != dir && !allowed(dir, imported) {
				t.Errorf("%s: must not import %s: see mayImport in repo_test.go", s.name, imported)
			}
			if strings.Contains(i.Path.Value, "x/sys/unix") && !strings.HasSuffix(s.name, "_linux.go") {
				t.Errorf("%s: system calls belong into a file *_linux.go", s.name)
			}
		}
	}
}

func allowed(dir, imported string) bool {
	for _, rule := range mayImport {
		if dir != rule.tree && !strings.HasPrefix(dir, rule.tree+"/") {
			continue
		}
		for _, a := range rule.allowed {
			if imported == a || strings.HasSuffix(a, "/") && strings.HasPrefix(imported, a) {
				return true
			}
		}
		return false
	}
	return false
}

func TestPackageDocs(t *testing.T) {
	docs, seen := make(map[string]int), make(map[string]string)
	for _, s := range sources(t) {
		dir := path.Dir(s.name)
		seen[dir] = s.file.Name.Name
		if s.file.Doc == nil {
			continue
		}
		docs[dir]++
		want := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name == "main" {
			want = "Command " + path.Base(dir) + " "
		}
		if !strings.HasPrefix(s.file.Doc.Text(), want) {
			t.Errorf("%s: package comment does not begin with %q", s.name, want)
		}
	}
	for dir := range seen {
		if docs[dir] != 1 {
			t.Errorf("%s has %d package comments, want 1", dir, docs[dir])
		}
	}
}

func TestNoInitAndNoVagueNames(t *testing.T) {
	for _, s := range sources(t) {
		switch path.Base(path.Dir(s.name)) {
		case "util", "utils", "common", "helpers", "types", "models", "manager":
			t.Errorf("%s: a package is named for what it provides", s.name)
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: no init functions", s.name)
			}
		}
	}
}

// TestSizes: what is longer than this is more than one thing.
func TestSizes(t *testing.T) {
	used := make(map[string]bool)
	complain := func(key string, got, most int) {
		if got > most {
			used[key] = true
			if exceptions[key] == "" {
				t.Errorf("%s has %d lines, more than %d: split it, or say in repo_test.go why not", key, got, most)
			}
		}
	}
	packages := make(map[string]int)
	for _, s := range sources(t) {
		packages[path.Dir(s.name)] += s.codeLines(t)
		complain(s.name, s.lines(), maxFile)
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				complain(path.Dir(s.name)+"."+f.Name.Name, s.line(f.End())-s.line(f.Pos())+1, maxFunction)
			}
		}
	}
	for dir, lines := range packages {
		complain(dir, lines, maxPackage)
	}
	for key := range exceptions {
		if !used[key] {
			t.Errorf("the exception for %s is no longer needed", key)
		}
	}
}

func TestLicence(t *testing.T) {
	text, err := os.ReadFile("LICENSE")
	if err != nil || !strings.Contains(string(text), "Apache License") {
		t.Error(err)
	}
}
