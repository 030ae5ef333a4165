package leases

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/lease6/lease6/leases/isc"
)

// bigFile makes a lease file of n hosts, about 126 bytes each.
func bigFile(n int) []byte {
	b := make([]byte, 0, n*hostBytes)
	for i := range n {
		b = isc.AppendHost(b, host(fmt.Sprintf("5254%08x_host", i), uint32(i)))
	}
	return b
}

var benchSizes = []int{1_000, 100_000, 1_000_000}

// BenchmarkLoad reads a whole lease file; one operation is one file.
func BenchmarkLoad(b *testing.B) {
	for _, n := range benchSizes {
		text := bigFile(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var before, after runtime.MemStats
			var ix *Index
			for b.Loop() {
				ix = nil
				runtime.GC()
				runtime.ReadMemStats(&before)
				var err error
				if ix, _, err = Load(bytes.NewReader(text), LoadOptions{Size: int64(len(text))}); err != nil || ix.Len() != n {
					b.Fatal(ix.Len(), err)
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/host")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/host")
			runtime.KeepAlive(ix)
		})
	}
}

// BenchmarkFind looks up random MACs, all of which are there.
func BenchmarkFind(b *testing.B) {
	for _, n := range benchSizes {
		text := bigFile(n)
		ix, _, err := Load(bytes.NewReader(text), LoadOptions{Size: int64(len(text))})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			x := uint64(1)
			for b.Loop() {
				x = x*6364136223846793005 + 1442695040888963407
				id := ix.FindMAC(0x5254_0000_0000 | (x>>33)%uint64(n))
				if _, ok := ix.Addr(id, 0); !ok {
					b.Fatal("not found")
				}
			}
		})
	}
}

// BenchmarkFollow measures how long after an append by somebody else the lease is served; one operation is one lease.
func BenchmarkFollow(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "dhcpd6.leases")
			if err := os.WriteFile(path, bigFile(n), 0o644); err != nil {
				b.Fatal(err)
			}
			f, err := Open(path, FileOptions{})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			ready, done := make(chan struct{}), make(chan error)
			go func() { done <- f.Run(ctx, func() { close(ready) }) }()
			<-ready
			out, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer out.Close()
			var latencies []time.Duration
			for i := n; b.Loop(); i++ {
				h := host(fmt.Sprint("new", i), uint32(i))
				key := MAC(h.Hardware).Key()
				begin := time.Now()
				if _, err := out.Write(isc.AppendHost(nil, h)); err != nil {
					b.Fatal(err)
				}
				for served := false; !served; runtime.Gosched() {
					served = f.Acquire().FindMAC(key) != 0
					f.Release()
				}
				latencies = append(latencies, time.Since(begin))
			}
			cancel()
			if err := <-done; err != nil {
				b.Fatal(err)
			}
			slices.Sort(latencies)
			b.ReportMetric(float64(latencies[len(latencies)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(latencies[len(latencies)-1].Microseconds()), "worst-µs")
		})
	}
}
