package strict

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Duration makes a parser of times within bounds, in whole seconds: a number of seconds, or text such as "1d12h". The
// word infinite stands for the time of that name, if the bounds include it; everything else must be shorter.
func Duration(low, high, infinite time.Duration) Parser[time.Duration] {
	word, bounds := "", "from "+FormatDuration(low)+" to "+FormatDuration(high)
	if high >= infinite {
		high, word = infinite-time.Second, ` or "infinite"`
		bounds = fmt.Sprintf("%s or more, up to %d seconds,%s", FormatDuration(low), high/time.Second, word)
	}
	return func(n *Node) (d time.Duration, ok bool) {
		if v, isInt := n.Int(); isInt {
			d, ok = -1, true
			if v >= 0 && v <= int64(high/time.Second) {
				d = time.Duration(v) * time.Second
			}
		} else if word != "" && n.text == "infinite" {
			return infinite, true
		} else if n.kind == unstable.String {
			d, ok = parseDuration(n.text, high)
		}
		switch {
		case !ok:
			n.Problem(`not a time: write whole seconds without quotes (7200), or numbers with the units w, d, h, m, s ("2h", "1h30m")%s`, word)
		case d < low || d > high:
			n.Problem("must be %s", bounds)
			ok = false
		}
		return d, ok
	}
}

// parseDuration reads numbers with units. What is longer than the bound comes back as something longer.
func parseDuration(s string, high time.Duration) (time.Duration, bool) {
	units := map[byte]time.Duration{
		's': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour,
	}
	var total time.Duration
	for rest := s; rest != ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		if digits == 0 || digits == len(rest) || units[rest[digits]] == 0 {
			return 0, false
		}
		unit := units[rest[digits]]
		v, err := strconv.ParseInt(rest[:digits], 10, 64)
		if err != nil || v > int64(high/unit) || total > high {
			total = high + 1
		} else {
			total += time.Duration(v) * unit
		}
		rest = rest[digits+1:]
	}
	return total, s != ""
}

// FormatDuration writes a time the way it is read.
func FormatDuration(d time.Duration) string {
	if days := d / (24 * time.Hour); days > 0 && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", days)
	}
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}
