package isc

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkScan reads hosts laid out as ISC lays them out; one operation is one host.
func BenchmarkScan(b *testing.B) {
	const hosts = 10_000
	var text []byte
	for i := range hosts {
		h := Host{Name: fmt.Sprintf("525400%06x_host", i), Dynamic: true, HardwareType: Ethernet,
			Hardware: []byte{0x52, 0x54, 0, byte(i >> 16), byte(i >> 8), byte(i)}, Addresses: []byte{0x20, 1, 0xd, 0xb8, 12: byte(i >> 8), 15: byte(i)}}
		text = AppendHost(text, &h)
	}
	b.SetBytes(int64(len(text) / hosts))
	b.ReportAllocs()
	s := NewScanner(bytes.NewReader(text), Options{})
	for b.Loop() {
		if !s.Scan() {
			s = NewScanner(bytes.NewReader(text), Options{})
		}
	}
}

func ExampleScanner() {
	file := bytes.NewBufferString(`host vm-1 {
  dynamic;
  hardware ethernet 52:54:00:00:00:01;
  fixed-address 32.1.13.184,0.1.0.0,0.0.0.0,0.0.0.16;
}
`)
	s := NewScanner(file, Options{File: "dhcpd6.leases"})
	for s.Scan() {
		if s.Kind() == KindHost {
			h := s.Host()
			fmt.Printf("%s %x %x\n", h.Name, h.Hardware, h.Addresses)
		}
	}
	for _, d := range s.Diagnostics() {
		fmt.Println(d)
	}
	// Output: vm-1 525400000001 20010db8000100000000000000000010
}
