// Package codec reads, writes and signs the messages of OMAPI, in both directions: a server and a client need no more.
//
// A message is a header of six numbers, two lists of named values, and a signature. Lengths come from the other side,
// before anybody knows who that is: a Decoder takes no more memory than what has arrived, and never more than
// MaxMessage.
package codec

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Op says what a message wants, or what it answers.
type Op uint32

// The operations. Open finds or creates an object, Update also answers with one, Status answers without.
const (
	Open Op = iota + 1
	Refresh
	Update
	Notify
	Status
	Delete
)

// String names the operation.
func (o Op) String() string {
	names := [...]string{"open", "refresh", "update", "notify", "status", "delete"}
	if o < Open || o > Delete {
		return fmt.Sprintf("operation %d", uint32(o))
	}
	return names[o-Open]
}

const (
	// MaxMessage bounds a message, its signature included. The longest that clients send is some 400 bytes.
	MaxMessage = 64 << 10

	version    = 100
	headerSize = 24
	maxHeader  = 1024
	maxValues  = 64 // in both lists together
	step       = 4096
)

// Errors after which there is no telling where the next message begins.
var (
	ErrTooBig   = errors.New("codec: message larger than 64 KiB, or of more than 64 values")
	ErrGreeting = errors.New("codec: not an OMAPI greeting of protocol version 100")
)

// Value is one named value of a message.
type Value struct {
	Name string
	Data []byte
}

// Message is one message. What a Decoder put into it is valid until the next Read.
type Message struct {
	AuthID  uint32 // handle of the key that signs; 0 = unsigned
	Op      Op
	Handle  uint32 // of the object that the message is about; 0 = none
	ID      uint32
	ReplyTo uint32  // ID of the message that this one answers; 0 in requests
	Values  []Value // about the operation
	Object  []Value // about the object

	Signature []byte
	covered   []byte // by the signature
}

// Find returns the value of a name, the last if it is there more than once.
func Find(list []Value, name string) (data []byte, ok bool) {
	for i := range list {
		if list[i].Name == name {
			data, ok = list[i].Data, true
		}
	}
	return data, ok
}

// AppendGreeting appends what both sides send before anything else.
func AppendGreeting(dst []byte) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(dst, version), headerSize)
}

// Append appends m, signed by s if that is not nil.
func (m *Message) Append(dst []byte, s *Signer) []byte {
	begin := len(dst)
	size := 0
	if s != nil {
		size = s.mac.Size()
	}
	for _, n := range [...]uint32{m.AuthID, uint32(size), uint32(m.Op), m.Handle, m.ID, m.ReplyTo} {
		dst = binary.BigEndian.AppendUint32(dst, n)
	}
	for _, list := range [...][]Value{m.Values, m.Object} {
		for i := range list {
			dst = binary.BigEndian.AppendUint16(dst, uint16(len(list[i].Name)))
			dst = append(dst, list[i].Name...)
			dst = binary.BigEndian.AppendUint32(dst, uint32(len(list[i].Data)))
			dst = append(dst, list[i].Data...)
		}
		dst = append(dst, 0, 0)
	}
	if s != nil {
		dst = append(dst, s.sign(dst[begin+4:])...)
	}
	return dst
}

// Decoder reads messages from a stream.
type Decoder struct {
	r      *bufio.Reader
	header uint32 // bytes in a header of the other side
	buf    []byte // the message being read
	spans  []span
}

// span is where a value lies in the buffer, which moves while it grows.
type span struct {
	object                 bool
	name, data, end, nameN uint32
}

// NewDecoder makes a Decoder that reads r.
func NewDecoder(r io.Reader) *Decoder {
	return &Decoder{r: bufio.NewReaderSize(r, step), header: headerSize}
}

// Greeting reads the other side's greeting.
func (d *Decoder) Greeting() error {
	var b [8]byte
	if _, err := io.ReadFull(d.r, b[:]); err != nil {
		return err
	}
	d.header = binary.BigEndian.Uint32(b[4:])
	if binary.BigEndian.Uint32(b[:]) != version || d.header < headerSize || d.header > maxHeader {
		return ErrGreeting
	}
	return nil
}

// Wait waits for the first byte of the next message.
func (d *Decoder) Wait() error {
	_, err := d.r.Peek(1)
	return err
}

// Read reads the next message. io.EOF means that there is none; with ErrTooBig the numbers of the header are valid.
func (d *Decoder) Read(m *Message) error {
	if cap(d.buf) > 2*step {
		d.buf = nil // one large message does not keep its memory for ever
	}
	d.buf, d.spans = d.buf[:0], d.spans[:0]
	*m = Message{Values: m.Values[:0], Object: m.Object[:0]}
	if err := d.Wait(); err != nil {
		return err
	}
	if err := d.take(d.header); err != nil {
		return err
	}
	number := func(i int) uint32 { return binary.BigEndian.Uint32(d.buf[4*i:]) }
	signature := number(1)
	m.AuthID, m.Op, m.Handle, m.ID, m.ReplyTo = number(0), Op(number(2)), number(3), number(4), number(5)
	for _, object := range [...]bool{false, true} {
		if err := d.list(object); err != nil {
			return err
		}
	}
	covered := len(d.buf)
	if err := d.take(signature); err != nil {
		return err
	}
	m.covered, m.Signature = d.buf[4:covered], d.buf[covered:]
	for _, s := range d.spans {
		v := Value{Name: intern(d.buf[s.name : s.name+s.nameN]), Data: d.buf[s.data:s.end]}
		if s.object {
			m.Object = append(m.Object, v)
		} else {
			m.Values = append(m.Values, v)
		}
	}
	return nil
}

// list reads one list, up to the empty name that ends it.
func (d *Decoder) list(object bool) error {
	for {
		at := len(d.buf)
		if err := d.take(2); err != nil {
			return err
		}
		s := span{object: object, name: uint32(at + 2), nameN: uint32(binary.BigEndian.Uint16(d.buf[at:]))}
		if s.nameN == 0 {
			return nil
		}
		if len(d.spans) == maxValues {
			return ErrTooBig
		}
		if err := d.take(s.nameN + 4); err != nil {
			return err
		}
		s.data = uint32(len(d.buf))
		if err := d.take(binary.BigEndian.Uint32(d.buf[s.data-4:])); err != nil {
			return err
		}
		s.end = uint32(len(d.buf))
		d.spans = append(d.spans, s)
	}
}

// take reads n more bytes of the message. Memory grows as they arrive, not as they are promised.
func (d *Decoder) take(n uint32) error {
	if n > uint32(MaxMessage-len(d.buf)) {
		return ErrTooBig
	}
	for n > 0 {
		part := min(n, step)
		at := len(d.buf)
		d.buf = slices.Grow(d.buf, int(part))[:at+int(part)]
		if _, err := io.ReadFull(d.r, d.buf[at:]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		n -= part
	}
	return nil
}

// intern returns a name as a string, without allocating for those that are in use.
func intern(name []byte) string {
	switch string(name) {
	case "type":
		return "type"
	case "create":
		return "create"
	case "update":
		return "update"
	case "exclusive":
		return "exclusive"
	case "result":
		return "result"
	case "message":
		return "message"
	case "name":
		return "name"
	case "algorithm":
		return "algorithm"
	case "ip-address":
		return "ip-address"
	case "hardware-address":
		return "hardware-address"
	case "hardware-type":
		return "hardware-type"
	case "dhcp-client-identifier":
		return "dhcp-client-identifier"
	case "statements":
		return "statements"
	}
	return string(name)
}
