package strict

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Error is one problem of a configuration file. Whoever reads a file gets all that it has, joined, in file order.
type Error struct {
	File         string
	Line, Column int    // from 1, columns in bytes
	Key          string // "link.options.name-servers"; "" if no key is concerned
	Value        string // as it stands in the file, shortened; "" for a table, the whole line if the file is not TOML there
	Problem      string // what is wrong, and what to do about it
}

// Error writes the problem on one line, in the form that editors jump to.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", e.File, e.Line, e.Column)
	switch {
	case e.Key != "" && e.Value != "":
		fmt.Fprintf(&b, "%s = %s: ", e.Key, e.Value)
	case e.Value != "":
		fmt.Fprintf(&b, "%s: ", e.Value)
	case e.Key != "":
		fmt.Fprintf(&b, "%s: ", e.Key)
	}
	b.WriteString(e.Problem)
	return b.String()
}

// Document is a file being read, with the problems found so far.
type Document struct {
	file     string
	data     []byte
	fatal    error // why there is nothing to read
	problems []problem
}

type problem struct {
	at    int // offset
	error *Error
}

// Open takes over the text of a file. The name is what errors call it by.
func Open(name string, text []byte) *Document {
	return &Document{file: name, data: bytes.TrimPrefix(text, []byte("\ufeff"))}
}

// Problems counts what was reported so far.
func (n *Node) Problems() int { return len(n.doc.problems) }

// Problem reports what is wrong with a value, and what to do about it.
func (n *Node) Problem(format string, args ...any) {
	n.doc.report(n.at, n.path, n.raw, fmt.Sprintf(format, args...))
}

// ProblemAtKey reports what is wrong with a key, or missing below the header of a table.
func (n *Node) ProblemAtKey(format string, args ...any) {
	n.doc.report(n.keyAt, n.path, "", fmt.Sprintf(format, args...))
}

func (d *Document) report(at int, key, value, text string) {
	d.problems = append(d.problems, problem{at, &Error{File: d.file, Key: key, Value: shorten(value), Problem: text}})
}

// Line is the number of the line where n stands.
func (n *Node) Line() int { return 1 + bytes.Count(n.doc.data[:n.at], []byte("\n")) }

// Err joins the problems in file order, with their places worked out in one pass.
func (d *Document) Err() error {
	slices.SortStableFunc(d.problems, func(a, b problem) int { return cmp.Compare(a.at, b.at) })
	var all []error
	if d.fatal != nil {
		all = append(all, d.fatal)
	}
	line, start, at := 1, 0, 0
	for _, p := range d.problems {
		for ; at < p.at; at++ {
			if d.data[at] == '\n' {
				line, start = line+1, at+1
			}
		}
		p.error.Line, p.error.Column = line, p.at-start+1
		all = append(all, p.error)
	}
	return errors.Join(all...)
}

// shorten makes a value fit into a message: one line, not too long.
func shorten(value string) string {
	const most = 60
	value = strings.Join(strings.Fields(value), " ")
	if len(value) <= most {
		return value
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(value[cut]) {
		cut--
	}
	return value[:cut] + "…"
}
