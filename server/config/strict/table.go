package strict

import (
	"slices"
	"strings"
)

// Table is a table being read. A key becomes known by being asked for.
type Table struct {
	*Node
	known []string
}

// Root returns the table that the file is. It is empty if the file is not TOML, which Err reports.
func (d *Document) Root() *Table { return &Table{Node: d.tree()} }

// Get returns the value of a key, nil if it is not set.
func (t *Table) Get(key string) *Node {
	if !slices.Contains(t.known, key) {
		t.known = append(t.known, key)
	}
	return t.table[key]
}

// Has reports whether a key is set.
func (t *Table) Has(key string) bool { return t.table[key] != nil }

// Table returns a table within the table, an empty one if it is not there.
func (t *Table) Table(key string) *Table {
	n := t.Get(key)
	if n != nil && n.isTable() {
		return &Table{Node: n}
	}
	if n != nil {
		n.Problem("must be a table: write [%s], with single brackets, and its keys on the lines below", n.path)
	}
	return &Table{Node: &Node{doc: t.doc, path: t.pathOf(key), keyAt: t.keyAt, at: t.at}}
}

// Tables returns the tables of a list, [[key]]. The remedy says how to write one, for whoever wrote something else.
func (t *Table) Tables(key, remedy string) []*Table {
	n := t.Get(key)
	if n == nil {
		return nil
	}
	if !n.isTables() || len(n.items) == 0 {
		n.Problem("must be a list of tables: %s", remedy)
		return nil
	}
	all := make([]*Table, 0, len(n.items))
	for _, item := range n.items {
		all = append(all, &Table{Node: item})
	}
	return all
}

// Close reports the keys that nobody asked for. The function home says for a key in which other table it is known, or "".
func (t *Table) Close(home func(key string) string) {
	for _, key := range t.keys {
		if slices.Contains(t.known, key) {
			continue
		}
		n := t.table[key]
		if other := home(key); other != "" {
			n.ProblemAtKey("unknown key here: it belongs under %s", other)
		} else if near := nearest(key, t.known); near != "" {
			n.ProblemAtKey("unknown key: did you mean %s?", near)
		} else {
			n.ProblemAtKey("unknown key: remove it, or use one that is known here: %s", strings.Join(t.known, ", "))
		}
	}
}

// nearest returns the known word that was probably meant, "" if none is near.
func nearest(word string, known []string) string {
	// A third of the letters may be wrong, of a short word two (two letters that changed places) or a half.
	best, least := "", max(len(word)/3, min(len(word)/2, 2))+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance counts the letters to insert, delete or replace to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
