package omapi

import (
	"bytes"
	"testing"

	"github.com/lease6/lease6/server/omapi/codec"
)

// BenchmarkAnswer is what a look-up costs without the network.
func BenchmarkAnswer(b *testing.B) {
	f := newFixture(b, Options{}, vm("a", 1))
	conn := &memoryConn{r: bytes.NewReader(nil)}
	s := newSession(f.Server, conn, admitted(f.gate.Admit(conn.RemoteAddr())))
	request := codec.Message{Op: codec.Open, Values: text("type", "host"), Object: text("hardware-address", mac(1), "hardware-type", 1)}
	data := request.Append(nil, nil)
	r := bytes.NewReader(data)
	s.dec = codec.NewDecoder(r)
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(data)
		if err := s.dec.Read(&s.in); err != nil {
			b.Fatal(err)
		}
		if _, ok := s.answer(b.Context()); !ok {
			b.Fatal("closed")
		}
		s.buf = s.out.Append(s.buf[:0], nil)
	}
}
