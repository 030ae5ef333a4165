package strict

import (
	"errors"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Node is a value of the file and its place there.
type Node struct {
	doc   *Document
	path  string // of the key, "link.options.name-servers"; "" for the file itself
	keyAt int    // offset of the key
	at    int    // offset of the value
	raw   string // the value as it was written; "" for a table with a header
	kind  unstable.Kind
	text  string           // of a scalar, without quotes
	items []*Node          // of an array
	table map[string]*Node // of a table
	keys  []string         // of a table, in file order
}

func (n *Node) isTable() bool { return n.kind == unstable.Table }

// Int returns the value of a whole number.
func (n *Node) Int() (int64, bool) {
	v, err := strconv.ParseInt(n.text, 0, 64)
	return v, n.kind == unstable.Integer && err == nil
}

// Empty reports whether a table has no keys.
func (n *Node) Empty() bool { return len(n.keys) == 0 }

// EmptyList reports whether n is [].
func (n *Node) EmptyList() bool { return n.kind == unstable.Array && len(n.items) == 0 }

// isTables reports whether n is a list of tables, [[n]].
func (n *Node) isTables() bool {
	for _, item := range n.items {
		if !item.isTable() {
			return false
		}
	}
	return n.kind == unstable.Array
}

// pathOf is the path of a key in the table.
func (n *Node) pathOf(key string) string {
	if n.path == "" {
		return key
	}
	return n.path + "." + key
}

// child returns a member of the table, made if it is not there.
func (n *Node) child(key *unstable.Node, kind unstable.Kind) *Node {
	name := string(key.Data)
	if c := n.table[name]; c != nil {
		return c
	}
	c := &Node{doc: n.doc, path: n.pathOf(name), keyAt: int(key.Raw.Offset), at: int(key.Raw.Offset), kind: kind}
	if kind == unstable.Table {
		c.table = make(map[string]*Node)
	}
	n.table[name], n.keys = c, append(n.keys, name)
	return c
}

// descend follows a dotted key down from n and returns the table that holds its last part, and that part. Through an
// array of tables the way is by its latest element.
func (n *Node) descend(key unstable.Iterator) (*Node, *unstable.Node) {
	for key.Next() {
		if n.kind == unstable.Array {
			n = n.items[len(n.items)-1]
		}
		if key.IsLast() {
			break
		}
		n = n.child(key.Node(), unstable.Table)
	}
	return n, key.Node()
}

// tree reads the file into its tree, empty if the file is not TOML, which is then reported.
func (d *Document) tree() *Node {
	root := &Node{doc: d, kind: unstable.Table, table: make(map[string]*Node)}
	var checked map[string]any
	if err := toml.Unmarshal(d.data, &checked); err != nil {
		d.syntax(err)
		return root
	}
	here := root
	var p unstable.Parser
	p.Reset(d.data)
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table:
			parent, key := root.descend(e.Key())
			here = parent.child(key, unstable.Table)
		case unstable.ArrayTable:
			parent, key := root.descend(e.Key())
			list := parent.child(key, unstable.Array)
			here = &Node{doc: d, path: list.path, keyAt: int(key.Raw.Offset), at: int(key.Raw.Offset),
				kind: unstable.Table, table: make(map[string]*Node)}
			list.items = append(list.items, here)
		case unstable.KeyValue:
			here.assign(e)
		}
	}
	return root
}

// assign puts a key and its value into the table.
func (n *Node) assign(e *unstable.Node) {
	parent, key := n.descend(e.Key())
	// The library does not tell where an array begins; it is where the key, spaces and the equals sign end.
	end := int(e.Raw.Offset + e.Raw.Length)
	at := int(key.Raw.Offset + key.Raw.Length)
	rest := strings.TrimLeft(string(n.doc.data[at:end]), " \t=")
	c := parent.child(key, e.Value().Kind)
	c.at, c.raw = end-len(rest), rest
	c.fill(e.Value())
}

// fill takes over what a value consists of.
func (n *Node) fill(v *unstable.Node) {
	n.kind, n.text = v.Kind, string(v.Data)
	switch v.Kind {
	case unstable.Array:
		for it := v.Children(); it.Next(); {
			item := &Node{doc: n.doc, path: n.path, keyAt: n.keyAt, at: n.at}
			if r := it.Node().Raw; r.Length > 0 {
				item.at, item.keyAt = int(r.Offset), int(r.Offset)
				item.raw = string(n.doc.data[r.Offset : r.Offset+r.Length])
			}
			item.fill(it.Node())
			n.items = append(n.items, item)
		}
	case unstable.InlineTable:
		n.kind, n.raw, n.table = unstable.Table, "", make(map[string]*Node)
		for it := v.Children(); it.Next(); {
			n.assign(it.Node())
		}
	}
}

// syntax reports what the library has against the file.
func (d *Document) syntax(err error) {
	e := &Error{File: d.file, Line: 1, Column: 1, Problem: strings.TrimPrefix(err.Error(), "toml: ")}
	var at *toml.DecodeError
	if errors.As(err, &at) {
		e.Line, e.Column = at.Position()
		if lines := strings.Split(string(d.data), "\n"); e.Line <= len(lines) {
			e.Value = shorten(strings.TrimSpace(lines[e.Line-1]))
		}
	}
	e.Problem += "; " + syntaxRemedy(e.Problem)
	d.fatal = e
}

// syntaxRemedy says what to do about the commonest mistakes, by what the library says about them.
func syntaxRemedy(message string) string {
	for _, r := range []struct{ contains, remedy string }{
		{"already", "give each key and each [table] once, and write [[link]] with two brackets for every link"},
		{"keyword", `write text in double quotes, key = "text"; without stand only numbers, true and false`},
		{"start of value", `write text in double quotes: key = "text"`},
		{"string", "close the text with the quote that opened it, on the same line"},
		{"array", `write lists as ["one", "two"]`},
		{"newline", "write one key = value on each line, lists in [ ] and comments behind #"},
	} {
		if strings.Contains(message, r.contains) {
			return r.remedy
		}
	}
	return "write key = value, text in double quotes, lists in [ ] and comments behind #"
}
