package codec

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// TestSignature holds the signature against one that ISC's omshell made.
func TestSignature(t *testing.T) {
	recorded := mustHex(t, "00000001"+
		"00000010000000010000000 06b8b456800000000"+"0006637265617465000000040000000100096578636c757369766500000004000000010004747970650000"+
		"0004686f73740000"+"00046e616d650000000b766d2d6372656174652d31001068617264776172652d6164647265737300000006525400aabb01"+
		"000d68617264776172652d747970650000000400000001000a69702d616464726573730000001020010db80001000000000000000000100000"+
		"b6496e4d2b740498a7a09d26e5ba90be")
	key, err := NewKey("omapi_key", "hmac-md5", []byte("md5-secret-12345"))
	if err != nil {
		t.Fatal(err)
	}
	var m Message
	if err := NewDecoder(bytes.NewReader(recorded)).Read(&m); err != nil {
		t.Fatal(err)
	}
	s := key.NewSigner()
	if !s.Check(&m) {
		t.Error("a right signature is not taken")
	}
	if got := m.Append(nil, s); !bytes.Equal(got, recorded) {
		t.Errorf("written anew:\n got %x\nwant %x", got, recorded)
	}
	for _, wrong := range [][]byte{nil, {}, m.Signature[:15], append(bytes.Clone(m.Signature), 0), bytes.Repeat([]byte{1}, 16)} {
		other := m
		other.Signature = wrong
		if s.Check(&other) {
			t.Errorf("signature %x is taken", wrong)
		}
	}
}

func mustHex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sample is a message with all there is in one.
func sample() *Message {
	return &Message{AuthID: 1, Op: Open, Handle: 2, ID: 3, ReplyTo: 4,
		Values: []Value{{"type", []byte("host")}, {"create", []byte{0, 0, 0, 1}}},
		Object: []Value{{"name", []byte("a")}, {"name", []byte("b")}, {"bogus", nil}, {"ip-address", make([]byte, 16)}}}
}

func TestRoundTrip(t *testing.T) {
	m := sample()
	b := m.Append([]byte("before"), nil)[6:]
	var got Message
	d := NewDecoder(bytes.NewReader(append(b, b...)))
	for range 2 {
		if err := d.Read(&got); err != nil {
			t.Fatal(err)
		}
		if again := got.Append(nil, nil); !bytes.Equal(again, b) {
			t.Errorf("read and written again:\n%x\n%x", again, b)
		}
	}
	if v, ok := Find(got.Object, "name"); !ok || string(v) != "b" {
		t.Errorf("of two values the last counts, got %q", v)
	}
	if v, ok := Find(got.Object, "bogus"); !ok || v == nil || len(v) != 0 {
		t.Errorf("an empty value is not a missing one: %v %v", v, ok)
	}
	if _, ok := Find(got.Values, "name"); ok {
		t.Error("found in the wrong list")
	}
	if err := d.Read(&got); err != io.EOF {
		t.Errorf("behind the last: %v", err)
	}
	for n := 1; n < len(b); n++ {
		if err := NewDecoder(bytes.NewReader(b[:n])).Read(&got); err != io.ErrUnexpectedEOF {
			t.Fatalf("cut behind %d bytes: %v", n, err)
		}
	}
}

func TestBounds(t *testing.T) {
	header := make([]byte, 24)
	huge := append(bytes.Clone(header), 0, 1, 'n', 0x7f, 0xff, 0xff, 0xff)
	signed := bytes.Clone(header)
	binary.BigEndian.PutUint32(signed[4:], 0xffffffff)
	most := Message{Op: Open, Object: []Value{{"n", make([]byte, MaxMessage-35)}}}
	more := Message{Op: Open, Object: []Value{{"n", make([]byte, MaxMessage-34)}}}
	var many Message
	for range maxValues + 1 {
		many.Values = append(many.Values, Value{Name: "n"})
	}
	for _, test := range []struct {
		name string
		data []byte
		want error
	}{
		{"value of 2 GiB", huge, ErrTooBig},
		{"signature of 4 GiB", append(signed, 0, 0, 0, 0), ErrTooBig},
		{"64 KiB", most.Append(nil, nil), nil},
		{"64 KiB and a byte", more.Append(nil, nil), ErrTooBig},
		{"64 values", (&Message{Values: many.Values[1:]}).Append(nil, nil), nil},
		{"65 values", many.Append(nil, nil), ErrTooBig},
		{"promised, not sent", append(bytes.Clone(header), 0, 1, 'n', 0, 0, 0xff, 0), io.ErrUnexpectedEOF},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var m Message
		if err := NewDecoder(bytes.NewReader(test.data)).Read(&m); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 32<<10+4*uint64(len(test.data)) {
			t.Errorf("%s: %d bytes allocated for a message of %d", test.name, n, len(test.data))
		}
	}
}

// repeat is an endless stream of one message.
type repeat struct {
	b []byte
	i int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.b[r.i:])
	r.i = (r.i + n) % len(r.b)
	return n, nil
}

func TestNoAllocation(t *testing.T) {
	key, err := NewKey("k", "hmac-sha256", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	s := key.NewSigner()
	m := sample()
	m.Object[2].Name = "statements"
	d := NewDecoder(&repeat{b: m.Append(nil, s)})
	out := make([]byte, 0, 512)
	var got Message
	if n := testing.AllocsPerRun(1000, func() {
		if err := d.Read(&got); err != nil || !s.Check(&got) {
			t.Fatal(err)
		}
		out = got.Append(out[:0], s)
	}); n != 0 {
		t.Errorf("%v allocations a message", n)
	}
}

// FuzzDecoder holds that reading takes no more memory than it may, that what is read can be written, and that this
// reads back as the same.
func FuzzDecoder(f *testing.F) {
	key, err := NewKey("k", "hmac-md5", []byte("secret"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(AppendGreeting(nil))
	f.Add(sample().Append(AppendGreeting(nil), key.NewSigner()))
	f.Add(append([]byte{0, 0, 0, 100, 0, 0, 0, 28}, sample().Append(nil, nil)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := NewDecoder(bytes.NewReader(data))
		if d.Greeting() != nil {
			return
		}
		var m, again Message
		for d.Read(&m) == nil {
			if len(m.Values)+len(m.Object) > maxValues || cap(d.buf) > 2*MaxMessage {
				t.Fatalf("%d values, %d bytes", len(m.Values)+len(m.Object), cap(d.buf))
			}
			s := key.NewSigner()
			written := m.Append(nil, s)
			if err := NewDecoder(bytes.NewReader(written)).Read(&again); err != nil && len(written) <= MaxMessage {
				t.Fatalf("written, and not read back: %v", err)
			} else if err == nil {
				if !s.Check(&again) {
					t.Fatal("the signature is wrong")
				}
				m.Signature, m.covered, again.Signature, again.covered = nil, nil, nil, nil
				if len(m.Values)+len(again.Values) > 0 && !reflect.DeepEqual(m.Values, again.Values) ||
					len(m.Object)+len(again.Object) > 0 && !reflect.DeepEqual(m.Object, again.Object) || m.Op != again.Op || m.ID != again.ID {
					t.Fatalf("%+v\n%+v", m, again)
				}
			}
		}
	})
}

func TestReadKey(t *testing.T) {
	const secret = "c2VjcmV0L3dpdGgvL3NsYXNoZXM="
	for _, test := range []struct{ name, text, wrong string }{
		{"one line", "key omapi_key { algorithm hmac-sha256; secret " + secret + "; };", ""},
		{"as tsig-keygen writes it", "key \"omapi_key\" {\n\talgorithm hmac-sha256;\n\tsecret \"" + secret + "\";\n};\n", ""},
		{"the other order, comments", "# a key\nkey omapi_key { // it\n secret " + secret + ";\t# quiet\n algorithm HMAC-SHA256.SIG-ALG.REG.INT.;\n}\n", ""},
		{"no algorithm of that name", "key omapi_key { algorithm hmac-sha3; secret " + secret + "; };", "no such algorithm"},
		{"no base64", "key omapi_key { algorithm hmac-md5; secret =" + secret + "; };", "the secret is not base64"},
		{"no secret", "key omapi_key { algorithm hmac-md5; secret ; };", "want key NAME"},
		{"two keys", strings.Repeat("key omapi_key { algorithm hmac-md5; secret "+secret+"; };", 2), "want key NAME"},
		{"something else", secret, "want key NAME"},
		{"nothing", "", "want key NAME"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			key, err := ReadKey(path)
			if err != nil {
				if test.wrong == "" || !strings.Contains(err.Error(), test.wrong) || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), path) {
					t.Errorf("%v", err)
				}
				return
			}
			if test.wrong != "" || key.Name() != "omapi_key" || key.Algorithm() != "hmac-sha256.SIG-ALG.REG.INT." || string(key.secret) != "secret/with//slashes" {
				t.Errorf("%q %q", key.Name(), key.Algorithm())
			}
		})
	}
}

func TestReadKeyRefusesWhatOthersRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("key k { algorithm hmac-md5; secret c2VjcmV0; };"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o620: false, 0o601: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKey(path); (err == nil) != want || err != nil && !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	for _, other := range []string{filepath.Dir(path), path + "-missing"} {
		if _, err := ReadKey(other); err == nil {
			t.Errorf("%s is taken for a key file", other)
		}
	}
}

func TestKeyIsNotPrinted(t *testing.T) {
	key, err := NewKey("k", "hmac-md5", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := strings.ToLower(reflect.ValueOf(key).Type().String() + sprint(format, key)); strings.Contains(text, "secret") || strings.Contains(text, "736563726574") || strings.Contains(text, "115 101") {
			t.Errorf("%s prints %s", format, text)
		}
	}
	for _, bad := range []struct{ name, algorithm, secret string }{{"", "hmac-md5", "s"}, {"k", "hmac-md5", ""}, {"k", "md5", "s"}} {
		if _, err := NewKey(bad.name, bad.algorithm, []byte(bad.secret)); err == nil {
			t.Errorf("a key of %v", bad)
		}
	}
}

func sprint(format string, v any) string { return fmt.Sprintf(format, v) }
