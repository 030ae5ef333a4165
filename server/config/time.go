package config

import (
	"math"
	"time"

	"github.com/lease6/lease6/server/config/strict"
)

// Infinity is the lifetime of what never expires (RFC 9915 §7.7), "infinite" in the file.
const Infinity = math.MaxUint32 * time.Second

// Seconds returns d in whole seconds as the protocol carries them: from Infinity on 0xffffffff, below zero 0.
func Seconds(d time.Duration) uint32 {
	return uint32(min(max(d, 0), Infinity) / time.Second)
}

// lifetime makes a parser of times from low to Infinity.
func lifetime(low time.Duration) strict.Parser[time.Duration] {
	return strict.Duration(low, Infinity, Infinity)
}

// part is n/d of a lifetime in whole seconds. Part of infinity (RFC 9915 §7.7) is infinity.
func part(whole time.Duration, n, d int64) time.Duration {
	if whole == Infinity {
		return Infinity
	}
	return time.Duration(int64(whole/time.Second)*n/d) * time.Second
}
