package strict

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Parser makes a typed value of a node, or reports why it cannot.
type Parser[T any] func(*Node) (T, bool)

// Read parses the value of a key into v. It reports whether there was a good one.
func Read[T any](t *Table, key string, parse Parser[T], v *T) bool {
	n := t.Get(key)
	if n == nil {
		return false
	}
	got, ok := parse(n)
	if ok {
		*v = got
	}
	return ok
}

// Text makes a parser of text from a function that parses it. Its error says what is wrong and what to write instead.
func Text[T any](parse func(string) (T, error)) Parser[T] {
	return func(n *Node) (v T, ok bool) {
		if n.kind != unstable.String {
			n.Problem("must be text in double quotes")
			return v, false
		}
		v, err := parse(n.text)
		if err != nil {
			n.Problem("%v", err)
		}
		return v, err == nil
	}
}

// Choice makes a parser of words that each stand for a value.
func Choice[T fmt.Stringer](values ...T) Parser[T] {
	return Text(func(s string) (T, error) {
		var words []string
		for _, v := range values {
			if v.String() == s {
				return v, nil
			}
			words = append(words, strconv.Quote(v.String()))
		}
		var none T
		return none, errors.New("not known here: write " + strings.Join(words, " or "))
	})
}

// Boolean parses true and false.
func Boolean(n *Node) (v, ok bool) {
	if n.kind != unstable.Bool {
		n.Problem("must be true or false, without quotes")
		return false, false
	}
	return n.text == "true", true
}

// Integer makes a parser of whole numbers within bounds.
func Integer(low, high int) Parser[int] {
	return func(n *Node) (int, bool) {
		v, ok := n.Int()
		if !ok || v < int64(low) || v > int64(high) {
			n.Problem("must be a whole number from %d to %d, without quotes", low, high)
			return 0, false
		}
		return int(v), true
	}
}

// Size makes a parser of numbers of bytes within bounds: a number, or text with a unit such as "8 MiB".
func Size(low, high int) Parser[int] {
	return func(n *Node) (int, bool) {
		v, ok := n.Int()
		for unit, shift := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30} {
			if digits, found := strings.CutSuffix(n.text, unit); found {
				count, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 16)
				v, ok = int64(count)<<shift, err == nil
			}
		}
		if !ok || v < int64(low) || v > int64(high) {
			n.Problem(`must be a number of bytes from %d to %d without quotes, or text such as "512 KiB" or "8 MiB"`, low, high)
			return 0, false
		}
		return int(v), true
	}
}

// List makes a parser of lists. All bad items of a list are reported.
func List[T any](item Parser[T]) Parser[[]T] {
	return func(n *Node) ([]T, bool) {
		if n.kind != unstable.Array {
			n.Problem("must be a list: write [%s]", n.raw)
			return nil, false
		}
		all, good := make([]T, 0, len(n.items)), true
		for _, i := range n.items {
			v, ok := item(i)
			all, good = append(all, v), good && ok
		}
		return all, good
	}
}

// Set makes a parser of lists without repetitions.
func Set[T comparable](item Parser[T]) Parser[[]T] {
	return func(n *Node) ([]T, bool) {
		seen := make(map[T]bool)
		return List(func(n *Node) (T, bool) {
			v, ok := item(n)
			if ok && seen[v] {
				n.Problem("is in the list twice: remove one")
				return v, false
			}
			seen[v] = ok
			return v, ok
		})(n)
	}
}

// Some makes a parser that refuses the empty list.
func Some[T any](list Parser[[]T]) Parser[[]T] {
	return func(n *Node) ([]T, bool) {
		all, ok := list(n)
		if ok && len(all) == 0 {
			n.Problem("must not be empty: write one at least")
		}
		return all, ok && len(all) > 0
	}
}

// ParseHex reads bytes in hex: plain pairs of digits, or bytes of one or two digits with colons or dashes between.
func ParseHex(s string) ([]byte, error) {
	wrong := errors.New(`not bytes in hex; write pairs of digits, "0a:0b" or "0a0b"`)
	octets := strings.FieldsFunc(s, func(r rune) bool { return r == ':' || r == '-' })
	if len(octets) > 1 && len(octets) == 1+strings.Count(s, ":")+strings.Count(s, "-") {
		s = ""
		for _, o := range octets {
			if len(o) > 2 {
				return nil, wrong
			}
			s += strings.Repeat("0", 2-len(o)) + o
		}
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil, wrong
	}
	return b, nil
}
