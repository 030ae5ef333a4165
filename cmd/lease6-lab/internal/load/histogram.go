package load

import (
	"math/bits"
	"time"
)

const (
	subBits     = 6 // 64 buckets an octave: within 1.6 %
	histBuckets = 42 << subBits
)

// histogram counts durations.
type histogram struct {
	counts [histBuckets]uint64
	total  uint64
	most   int64
}

func (h *histogram) add(ns int64) {
	h.counts[min(bucket(ns), histBuckets-1)]++
	h.total++
	h.most = max(h.most, ns)
}

// bucket is exact below 2^subBits and logarithmic above.
func bucket(ns int64) int {
	v := uint64(max(ns, 0))
	shift := max(bits.Len64(v)-subBits-1, 0)
	return shift<<subBits + int(v>>shift)
}

// floor is the least value of a bucket.
func floor(bucket int) int64 {
	if bucket < 2<<subBits {
		return int64(bucket)
	}
	shift := bucket>>subBits - 1
	return int64(bucket-shift<<subBits) << shift
}

// quantile is the value that a part q of all do not exceed, to the precision of the buckets.
func (h *histogram) quantile(q float64) time.Duration {
	rank := uint64(q * float64(h.total))
	var sum uint64
	for i, n := range h.counts {
		if sum += n; sum > rank {
			return time.Duration(min(floor(i+1)-1, h.most))
		}
	}
	return time.Duration(h.most)
}
