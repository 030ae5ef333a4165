package batch

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

var (
	clientMAC   = [6]byte{0x52, 0x54, 0, 0, 0xc, 1}
	serverMAC   = [6]byte{0x52, 0x54, 0, 0, 0x5, 1}
	clientLocal = [16]byte{0: 0xfe, 1: 0x80, 14: 0xc, 15: 1}
	serverLocal = [16]byte{0: 0xfe, 1: 0x80, 14: 0x5, 15: 1}
)

// checksum is RFC 1071 as it stands there, a word at a time: the tests' own, not that of the package.
func checksum(src, dst *[16]byte, udp []byte) uint16 {
	b := append(append(append([]byte{}, src[:]...), dst[:]...), udp...)
	sum := uint32(len(udp) + 17)
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// packet is an IPv6 packet with a UDP datagram from port 546 to 547, its checksum right.
func packet(src, dst *[16]byte, payload []byte) []byte {
	udp := binary.BigEndian.AppendUint16(nil, 546)
	udp = binary.BigEndian.AppendUint16(udp, 547)
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(payload)))
	udp = append(append(udp, 0, 0), payload...)
	sum := ^checksum(src, dst, udp)
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(udp[6:], sum)
	b := []byte{0x60, 0, 0, 0, byte(len(udp) >> 8), byte(len(udp)), 17, 1}
	return append(append(append(b, src[:]...), dst[:]...), udp...)
}

// frame is a packet from client to group with its Ethernet header.
func frame(mac *[6]byte, src, dst *[16]byte, payload []byte) []byte {
	b := append([]byte{0x33, 0x33}, dst[12:]...)
	b = append(append(b, mac[:]...), 0x86, 0xdd)
	return append(b, packet(src, dst, payload)...)
}

// TestChecksum: headers of our own are right by the plain algorithm and by our own check, for every length, and a
// changed byte is noticed.
func TestChecksum(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for size := range 300 {
		f := make([]byte, frameHeader+size)
		for i := range f {
			f[i] = byte(random.Uint32())
		}
		payload := bytes.Clone(f[frameHeader:])
		putHeaders(f, &serverLocal, &allAgentsAndServers, serverPort)
		if !bytes.Equal(f[frameHeader:], payload) {
			t.Fatalf("%d bytes: payload changed", size)
		}
		if got := checksum(&serverLocal, &allAgentsAndServers, f[ipv6Header:]); got != 0xffff {
			t.Fatalf("%d bytes: sums up to %04x", size, got)
		}
		if got, v := openFrame(f, false); v != frameGood || !bytes.Equal(got, payload) {
			t.Fatalf("%d bytes: own frame refused: verdict %d", size, v)
		}
		at := 8 + random.IntN(len(f)-8)
		if at >= 40 && at < 46 { // ports and length have checks of their own
			continue
		}
		f[at] ^= 1 << random.IntN(8)
		if _, v := openFrame(f, false); v == frameGood {
			t.Fatalf("%d bytes: byte %d changed and accepted", size, at)
		}
	}
}

// TestChecksumZero: the sum that happens to be zero is sent as 0xffff (RFC 8200 §8.1).
func TestChecksumZero(t *testing.T) {
	f := make([]byte, frameHeader+2)
	putHeaders(f, &serverLocal, &clientLocal, 546)
	copy(f[frameHeader:], f[46:48]) // what the checksum was makes the sum of the rest zero
	putHeaders(f, &serverLocal, &clientLocal, 546)
	if got := binary.BigEndian.Uint16(f[46:]); got != 0xffff {
		t.Errorf("checksum %04x, want ffff", got)
	}
}

// FuzzOpenFrame: whatever arrives, the payload lies within it, and is not accepted with a checksum that is wrong.
func FuzzOpenFrame(f *testing.F) {
	f.Add(packet(&clientLocal, &allAgentsAndServers, []byte("solicit")), false)
	f.Add(packet(&clientLocal, &allServers, nil), true)
	f.Fuzz(func(t *testing.T, b []byte, trusted bool) {
		payload, v := openFrame(b, trusted)
		if (v == frameGood) != (payload != nil) {
			t.Fatalf("verdict %d with payload %x", v, payload)
		}
		if v != frameGood {
			return
		}
		end := frameHeader + len(payload)
		if !bytes.Equal(b[frameHeader:end], payload) {
			t.Fatal("payload is not what follows the headers")
		}
		if !trusted && checksum((*[16]byte)(b[8:]), (*[16]byte)(b[24:]), b[ipv6Header:end]) != 0xffff {
			t.Fatal("accepted with a wrong checksum")
		}
	})
}

func BenchmarkOpenFrame(b *testing.B) {
	p := packet(&clientLocal, &allAgentsAndServers, make([]byte, 100))
	for b.Loop() {
		if _, v := openFrame(p, false); v != frameGood {
			b.Fatal(v)
		}
	}
}

func BenchmarkPutHeaders(b *testing.B) {
	f := make([]byte, frameHeader+150)
	for b.Loop() {
		putHeaders(f, &serverLocal, &clientLocal, 546)
	}
}
