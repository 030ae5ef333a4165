package strict

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestPlaces writes every value of a file with its path, place and text, as the tree has them.
func TestPlaces(t *testing.T) {
	const text = `# comment
top . "dotted" = 1   # the key has spaces
'quoted key'	=	[ 1,
  "two", [3, 4],
  { five = 6 } ]
multi = """
text"""

[a]
b.c = true
[[a.list]]
d = { e = 1, f.g = "é", h = 2 }
[a.list.sub]
i = 1979-05-27
[[a.list]]
j = []
`
	want := []string{
		`2:18 top.dotted: 1`,
		`3:16 quoted key: [ 1, "two", [3, 4], { five = 6 } ]`,
		`3:18 quoted key: 1`,
		`4:3 quoted key: "two"`,
		`3:16 quoted key: `,
		`4:11 quoted key: 3`,
		`4:14 quoted key: 4`,
		`5:12 quoted key.five: 6`,
		`6:9 multi: """ text"""`,
		`10:7 a.b.c: true`,
		`12:11 a.list.d.e: 1`,
		`12:20 a.list.d.f.g: "é"`,
		`12:30 a.list.d.h: 2`,
		`14:5 a.list.sub.i: 1979-05-27`,
		`16:5 a.list.j: []`,
	}
	d := Open("x", []byte(text))
	root := d.Root()
	if err := d.Err(); err != nil {
		t.Fatal(err)
	}
	var got []string
	var walk func(n *Node)
	walk = func(n *Node) {
		for _, key := range n.keys {
			walk(n.table[key])
		}
		if !n.isTable() && !(len(n.items) > 0 && n.isTables()) {
			column := n.at - strings.LastIndexByte(text[:n.at], '\n')
			got = append(got, fmt.Sprintf("%d:%d %s: %s", n.Line(), column, n.path, shorten(n.raw)))
		}
		for _, item := range n.items {
			walk(item)
		}
	}
	walk(root.Node)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestClose: what is not asked for is unknown, at whatever depth, and what is asked for is offered instead.
func TestClose(t *testing.T) {
	d := Open("x", []byte("name = 1\nnaem = 2\n[table]\nnane = 3\nother = 4\nfar-away = 5\n"))
	root := d.Root()
	var v int
	if !Read(root, "name", Integer(0, 9), &v) || v != 1 {
		t.Errorf("name %d", v)
	}
	if Read(root, "absent", Integer(0, 9), &v) || v != 1 {
		t.Errorf("a key that is not set was read: %d", v)
	}
	sub := root.Table("table")
	sub.Get("name")
	home := func(key string) string {
		if key == "far-away" {
			return "[elsewhere]"
		}
		return ""
	}
	sub.Close(home)
	root.Table("none").Close(home)
	root.Close(home)
	want := "x:2:1: naem: unknown key: did you mean name?\n" +
		"x:4:1: table.nane: unknown key: did you mean name?\n" +
		"x:5:1: table.other: unknown key: remove it, or use one that is known here: name\n" +
		"x:6:1: table.far-away: unknown key here: it belongs under [elsewhere]"
	if diff := cmp.Diff(want, fmt.Sprint(d.Err())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"valid-lifetime", "preferred-lifetime", "t1", "t2", "name", "interfaces", "interface-ids"}
	for _, tt := range []struct{ word, want string }{
		{"valid_lifetime", "valid-lifetime"}, {"VALID-LIFETIME", "valid-lifetime"}, {"prefered-lifetime", "preferred-lifetime"},
		{"T1", "t1"}, {"t3", "t1"}, {"x", ""}, {"", ""}, {"nmae", "name"}, {"names", "name"}, {"interface", "interfaces"},
		{"interface-id", "interface-ids"}, {"lifetime", ""}, {"unrelated", ""},
	} {
		if got := nearest(tt.word, known); got != tt.want {
			t.Errorf("nearest(%q) = %q, want %q", tt.word, got, tt.want)
		}
	}
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "axc", 1}, {"abc", "bc", 1}, {"kitten", "sitting", 3}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

// value reads one value with a parser.
func value[T any](text string, parse Parser[T]) (v T, err error) {
	d := Open("x", []byte("v = "+text))
	Read(d.Root(), "v", parse, &v)
	return v, d.Err()
}

func TestDuration(t *testing.T) {
	const infinite = 100 * 24 * time.Hour
	for _, tt := range []struct {
		text string
		want time.Duration // negative: refused
	}{
		{`0`, 0}, {`7200`, 2 * time.Hour}, {`1_000`, 1000 * time.Second}, {`"2h"`, 2 * time.Hour}, {`"1h30m"`, 90 * time.Minute},
		{`"30m1h"`, 90 * time.Minute}, {`"1w2d3h4m5s"`, (9*24+3)*time.Hour + 245*time.Second}, {`"0s"`, 0}, {`"007s"`, 7 * time.Second},
		{`"99d23h59m59s"`, infinite - time.Second}, {`"infinite"`, infinite},
		{`"100d"`, -1}, {`8640000`, -1}, {`-1`, -1}, {`9223372036854775807`, -1}, {`"99999999999999999999999s"`, -1}, {`"99d99d99d"`, -1},
		{`""`, -1}, {`"h"`, -1}, {`"1"`, -1}, {`"1 h"`, -1}, {`"1h "`, -1}, {`"1.5h"`, -1}, {`"-1h"`, -1}, {`"+1h"`, -1}, {`"1ms"`, -1},
		{`"1H"`, -1}, {`"１h"`, -1}, {`"Infinite"`, -1}, {`1.5`, -1}, {`true`, -1}, {`inf`, -1}, {`[]`, -1}, {`{}`, -1}, {`07:00:00`, -1},
	} {
		got, err := value(tt.text, Duration(0, infinite, infinite))
		if (err == nil) != (tt.want >= 0) || err == nil && got != tt.want {
			t.Errorf("%s is %v, %v; want %v", tt.text, got, err, tt.want)
		}
	}
	for _, text := range []string{`"59s"`, `"1h1s"`, `"infinite"`, `59`, `3601`} {
		if got, err := value(text, Duration(time.Minute, time.Hour, infinite)); err == nil {
			t.Errorf("%s is out of bounds and read as %v", text, got)
		}
	}
}

// TestFormatDuration: what is written is read as the same time.
func TestFormatDuration(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0s"}, {time.Second, "1s"}, {time.Minute, "1m"}, {90 * time.Second, "1m30s"}, {time.Hour, "1h"}, {time.Hour + time.Second, "1h0m1s"},
		{10 * time.Hour, "10h"}, {90 * time.Minute, "1h30m"}, {24 * time.Hour, "1d"}, {36 * time.Hour, "36h"}, {14 * 24 * time.Hour, "14d"},
	} {
		got := FormatDuration(tt.d)
		if got != tt.want {
			t.Errorf("%v is written %q, want %q", tt.d, got, tt.want)
		}
		if back, err := value(strconv.Quote(got), Duration(0, 1<<62, 1<<62)); err != nil || back != tt.d {
			t.Errorf("%q is read back as %v, %v", got, back, err)
		}
	}
}

func TestSize(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int // 0: refused
	}{
		{`1024`, 1024}, {`0x400`, 1024}, {`"1 KiB"`, 1024}, {`"1KiB"`, 1024}, {`"8 MiB"`, 8 << 20}, {`"1 GiB"`, 1 << 30}, {`"1024 MiB"`, 1 << 30},
		{`1023`, 0}, {`"2 GiB"`, 0}, {`"65535 GiB"`, 0}, {`"99999999999 KiB"`, 0}, {`"1 KB"`, 0}, {`"1024"`, 0}, {`"KiB"`, 0}, {`"-1 KiB"`, 0},
		{`"1.5 MiB"`, 0}, {`1024.0`, 0}, {`""`, 0}, {`true`, 0}, {`["1 KiB"]`, 0},
	} {
		got, err := value(tt.text, Size(1024, 1<<30))
		if got != tt.want || (err == nil) != (tt.want != 0) {
			t.Errorf("%s is %d, %v; want %d", tt.text, got, err, tt.want)
		}
	}
}

func TestParseHex(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "ok"}, {"00", "00 ok"}, {"0a0B", "0a0b ok"}, {"0a:0b", "0a0b ok"}, {"a:b", "0a0b ok"}, {"0a-0b", "0a0b ok"}, {"0:1-2", "000102 ok"},
		{"0", ""}, {"abc", ""}, {":", ""}, {"0a:", ""}, {":0a", ""}, {"0a::0b", ""}, {"0a:0b0c", ""}, {"0g", ""}, {"0 a", ""}, {"0x00", ""}, {"é:é", ""},
	} {
		b, err := ParseHex(tt.text)
		got := ""
		if err == nil {
			got = strings.TrimSpace(fmt.Sprintf("%x ok", b))
		}
		if got != tt.want {
			t.Errorf("ParseHex(%q) = %x, %v; want %q", tt.text, b, err, tt.want)
		}
	}
}

// TestLists: an item that is bad hides neither other bad ones nor repetitions.
func TestLists(t *testing.T) {
	word := Text(func(s string) (string, error) {
		if strings.ContainsRune(s, '!') {
			return "", fmt.Errorf("bad word")
		}
		return s, nil
	})
	for _, tt := range []struct {
		name, text string
		parse      Parser[[]string]
		want       string
	}{
		{"list", `["a", "b", "a"]`, List(word), "[a b a]"},
		{"empty list", `[]`, List(word), "[]"},
		{"no list", `"a"`, List(word), `x:1:5: v = "a": must be a list: write ["a"]`},
		{"set", `["a", "b"]`, Set(word), "[a b]"},
		{"set with everything", `["a", "!", "a", "?!", 5]`, Set(word), "x:1:11: v = \"!\": bad word\n" +
			"x:1:16: v = \"a\": is in the list twice: remove one\nx:1:21: v = \"?!\": bad word\nx:1:27: v = 5: must be text in double quotes"},
		{"some", `["a"]`, Some(List(word)), "[a]"},
		{"some, empty", `[]`, Some(List(word)), "x:1:5: v = []: must not be empty: write one at least"},
		{"some, bad", `["!"]`, Some(List(word)), `x:1:6: v = "!": bad word`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := value(tt.text, tt.parse)
			got := fmt.Sprint(v)
			if err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestShorten(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""}, {"a\n\t b", "a b"}, {strings.Repeat("a", 60), strings.Repeat("a", 60)}, {strings.Repeat("a", 61), strings.Repeat("a", 60) + "…"},
		{strings.Repeat("a", 59) + "éé", strings.Repeat("a", 59) + "…"},
	} {
		if got := shorten(tt.text); got != tt.want {
			t.Errorf("shorten(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

// TestManyProblems: places are worked out in one pass, so that a large file that is all wrong does not take minutes.
func TestManyProblems(t *testing.T) {
	const n = 20_000
	d := Open("x", []byte(strings.Repeat("[[t]]\nlonger = 1\n", n)))
	for _, table := range d.Root().Tables("t", "") {
		table.Close(func(string) string { return "" })
	}
	all := d.Err().(interface{ Unwrap() []error }).Unwrap()
	if len(all) != n {
		t.Fatalf("%d problems", len(all))
	}
	lines := make([]int, 0, n)
	for _, err := range all {
		lines = append(lines, err.(*Error).Line)
	}
	if !slices.IsSorted(lines) || lines[n-1] != 2*n {
		t.Errorf("the last problem is in line %d", lines[n-1])
	}
}
