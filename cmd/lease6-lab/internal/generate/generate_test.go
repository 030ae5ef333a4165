package generate

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/lease6/lease6/leases/isc"
)

func TestWrite(t *testing.T) {
	for _, c := range []struct {
		name       string
		n          int
		o          Options
		perHost    int // bytes, about
		statements int
	}{
		{"none", 0, Options{}, 0, 0},
		{"one", 1, Options{}, 126, 0},
		{"many", 100_000, Options{}, 130, 0},
		{"seed", 10_000, Options{Seed: 0xdeadbeef12345678}, 130, 0},
		{"statements", 1000, Options{Statements: true}, 468, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var file, again bytes.Buffer
			for _, b := range []*bytes.Buffer{&file, &again} {
				if err := Write(b, c.n, c.o); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(file.Bytes(), again.Bytes()) {
				t.Error("the same options gave another file")
			}
			if c.n >= 100 {
				if got := file.Len() / c.n; got < c.perHost-5 || got > c.perHost+5 {
					t.Errorf("%d bytes a host, want about %d", got, c.perHost)
				}
			}
			check(t, &file, c.n, c.statements)
		})
	}
}

// check reads a generated file back: all hosts are there, none twice, nothing is odd.
func check(t *testing.T, file *bytes.Buffer, n, statements int) {
	t.Helper()
	macs, addresses, names := make(map[[6]byte]bool), make(map[netip.Addr]bool), make(map[string]bool)
	s := isc.NewScanner(file, isc.Options{File: "generated"})
	duids := 0
	for s.Scan() {
		if s.Kind() == isc.KindServerDUID {
			duids++
		}
		if s.Kind() != isc.KindHost {
			continue
		}
		h := s.Host()
		if !h.Dynamic || h.Damaged || len(h.Statements) != statements || len(h.Hardware) != 6 || len(h.Addresses) != 16 {
			t.Fatalf("odd host %+v", h)
		}
		macs[[6]byte(h.Hardware)], addresses[netip.AddrFrom16([16]byte(h.Addresses))], names[h.Name] = true, true, true
	}
	for _, d := range s.Diagnostics() {
		t.Error(d)
	}
	if len(macs) != n || len(addresses) != n || len(names) != n || duids != 1 {
		t.Errorf("%d MACs, %d addresses, %d names, %d server DUIDs; want %d, %d, %d, 1", len(macs), len(addresses), len(names), duids, n, n, n)
	}
}

func TestSeed(t *testing.T) {
	var a, b bytes.Buffer
	if err := Write(&a, 100, Options{Seed: 1}); err != nil {
		t.Fatal(err)
	}
	if err := Write(&b, 100, Options{Seed: 2}); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("another seed gave the same file")
	}
}

func TestTooMany(t *testing.T) {
	if err := Write(&bytes.Buffer{}, -1, Options{}); err == nil {
		t.Error("a negative number of hosts was accepted")
	}
}

func BenchmarkWrite(b *testing.B) {
	var sink bytes.Buffer
	for b.Loop() {
		sink.Reset()
		if err := Write(&sink, 10_000, Options{}); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(sink.Len()))
}
