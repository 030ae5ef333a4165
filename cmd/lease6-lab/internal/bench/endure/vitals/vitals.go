// Package vitals looks at a running lease6d from outside: at what it holds, and at the multicast groups that it has joined.
package vitals

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Vitals is what a process holds at one moment.
type Vitals struct {
	At         time.Duration `json:"at"`         // since the measurement began
	RSS        int64         `json:"rss"`        // bytes
	Heap       int64         `json:"heap"`       // bytes, of which some is garbage
	Goroutines int           `json:"goroutines"` //
	Files      int           `json:"files"`      // open descriptors
}

// String is the vitals on one line.
func (v Vitals) String() string {
	return fmt.Sprintf("RSS %.1f MiB, heap %.1f MiB, %d goroutines, %d descriptors", MiB(v.RSS), MiB(v.Heap), v.Goroutines, v.Files)
}

// MiB is a number of bytes in MiB.
func MiB(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// parseProcess takes goroutines and heap from the line that lease6d logs of its process.
func (v *Vitals) parseProcess(line string) error {
	found := 0
	for word := range strings.FieldsSeq(line) {
		name, value, _ := strings.Cut(word, "=")
		n, err := strconv.ParseInt(value, 10, 64)
		switch {
		case err != nil:
			continue
		case name == "goroutines":
			v.Goroutines = int(n)
		case name == "heap-bytes":
			v.Heap = n
		default:
			continue
		}
		found++
	}
	if found != 2 {
		return fmt.Errorf("vitals: lease6d tells of its process without goroutines and heap-bytes: %q", line)
	}
	return nil
}

// lastLine is the last whole line of a log that has a mark in it, "" if there is none.
func lastLine(log, mark string) string {
	for end := len(log); ; {
		at := strings.LastIndex(log[:end], mark)
		if at < 0 {
			return ""
		}
		if n := strings.IndexByte(log[at:], '\n'); n >= 0 {
			return log[strings.LastIndexByte(log[:at], '\n')+1 : at+n]
		}
		end = at
	}
}

// The groups of DHCPv6 (RFC 9915 §7.1) as /proc/net/igmp6 writes them.
const (
	agentsAndServers = "ff020000000000000000000000010002"
	servers          = "ff050000000000000000000000010003"
)

// Memberships compares the interfaces that exist with those whose DHCPv6 multicast groups have been joined.
type Memberships struct {
	Interfaces int `json:"interfaces"`
	Joined     int `json:"joined"` // both groups, once each
	Stray      int `json:"stray"`  // something else: one group only, twice, or no such interface
}

// parseMemberships counts in the text of /proc/net/igmp6.
func parseMemberships(igmp6 string, exists func(name string) bool, interfaces int) Memberships {
	m := Memberships{Interfaces: interfaces}
	groups := make(map[string]int)
	for line := range strings.Lines(igmp6) {
		// Index, interface, group, users, flags, timer.
		f := strings.Fields(line)
		if len(f) < 4 || f[2] != agentsAndServers && f[2] != servers {
			continue
		}
		if f[3] != "1" || !exists(f[1]) {
			m.Stray++
			continue
		}
		groups[f[1]]++
	}
	for _, n := range groups {
		if n == 2 {
			m.Joined++
		} else {
			m.Stray++
		}
	}
	return m
}

// Complete reports whether there is a membership for every interface and no other.
func (m Memberships) Complete() bool { return m.Joined == m.Interfaces && m.Stray == 0 }
