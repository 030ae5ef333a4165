package vitals

import (
	"strings"
	"testing"
)

func TestLastLine(t *testing.T) {
	for _, tt := range []struct{ name, log, want string }{
		{"none", "a\nb\n", ""},
		{"one", "a\ntime=1 mark x=1\nb\n", "time=1 mark x=1"},
		{"the last of two", "time=1 mark\ntime=2 mark\n", "time=2 mark"},
		{"the last is not whole", "time=1 mark\ntime=2 mark x=", "time=1 mark"},
		{"the beginning is cut off", "ark\ntime=2 mark\n", "time=2 mark"},
		{"only half a line", "time=1 mark", ""},
		{"empty", "", ""},
	} {
		if got := lastLine(tt.log, "mark"); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestParseProcess(t *testing.T) {
	var v Vitals
	if err := v.parseProcess("time=2026-09-07T10:00:00.000Z level=INFO msg=process goroutines=15 heap-bytes=1048576 collections=7"); err != nil {
		t.Fatal(err)
	}
	if v.Goroutines != 15 || v.Heap != 1<<20 {
		t.Errorf("%+v", v)
	}
	for _, line := range []string{"", "msg=process goroutines=15", "msg=process goroutines=many heap-bytes=1"} {
		if err := v.parseProcess(line); err == nil {
			t.Errorf("%q was taken", line)
		}
	}
}

func TestMemberships(t *testing.T) {
	const v1, v2 = "6    v1              ff020000000000000000000000010002     1 00000004 0\n6    v1              ff050000000000000000000000010003     1 00000004 0\n",
		"7    v2              ff020000000000000000000000010002     1 00000004 0\n7    v2              ff050000000000000000000000010003     1 00000004 0\n"
	const others = "1    lo              ff020000000000000000000000000001     1 0000000C 0\n6    v1              ff0200000000000000000001ff000001     2 00000004 0\n"
	for _, tt := range []struct {
		name, text string
		want       Memberships
	}{
		{"as it should be", others + v1 + v2, Memberships{Interfaces: 2, Joined: 2}},
		{"one is missing", others + v1, Memberships{Interfaces: 2, Joined: 1}},
		{"one group is missing", others + v1 + strings.SplitAfter(v2, "\n")[0], Memberships{Interfaces: 2, Joined: 1, Stray: 1}},
		{"no such interface", v1 + v2 + strings.ReplaceAll(v1, "v1", "v9"), Memberships{Interfaces: 2, Joined: 2, Stray: 2}},
		{"joined twice", v1 + strings.ReplaceAll(v2, " 1 ", " 2 "), Memberships{Interfaces: 2, Joined: 1, Stray: 2}},
	} {
		got := parseMemberships(tt.text, func(name string) bool { return name == "v1" || name == "v2" }, 2)
		if got != tt.want || got.Complete() != (tt.want.Joined == 2 && tt.want.Stray == 0) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
