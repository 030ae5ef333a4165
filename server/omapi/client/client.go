// Package client is the other end of OMAPI: it creates, finds, changes and deletes hosts on lease6d and on ISC dhcpd.
package client

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"github.com/lease6/lease6/server/omapi/codec"
)

const defaultTimeout = 10 * time.Second

// Options are what a Conn can do without.
type Options struct {
	Key     *codec.Key    // that signs; nil: nothing is signed
	Timeout time.Duration // for connecting, and for each reply; 0 = 10 s
}

// Conn is a connection to a server, for one goroutine.
type Conn struct {
	ctx     context.Context
	conn    net.Conn
	dec     *codec.Decoder
	timeout time.Duration
	stop    func() bool // the watch on ctx
	id      uint32
	buf     []byte

	authID uint32        // handle of the key, once it is opened
	signer *codec.Signer // nil: nothing is signed
}

// Errors after which nobody knows whether what was asked for was done.
var (
	ErrClosed    = errors.New("the server has closed the connection")
	ErrTimeout   = errors.New("no answer in time")
	ErrSignature = errors.New("the reply is not signed, or not with this key")
	ErrProtocol  = errors.New("the other side does not speak OMAPI")
)

// ErrNoSuchKey is that the server knows no key of that name and algorithm.
var ErrNoSuchKey = errors.New("the server does not know this key, or not with this algorithm")

// Dial connects to a server, HOST:PORT, and says which key it will sign with. The end of ctx ends the connection.
func Dial(ctx context.Context, address string, o Options) (*Conn, error) {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	d := net.Dialer{Timeout: o.Timeout}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect to OMAPI server: %w", err)
	}
	// Handles and numbers are the connection's own; a random one makes recordings of several easier to tell apart.
	c := &Conn{ctx: ctx, conn: conn, dec: codec.NewDecoder(conn), timeout: o.Timeout, id: rand.Uint32()}
	c.stop = context.AfterFunc(ctx, func() { conn.Close() })
	if err := c.begin(o.Key); err != nil {
		c.Close()
		return nil, fmt.Errorf("OMAPI server %s: %w", address, err)
	}
	return c, nil
}

// Close closes the connection.
func (c *Conn) Close() error {
	c.stop()
	return c.conn.Close()
}

func (c *Conn) begin(key *codec.Key) error {
	if err := c.write(codec.AppendGreeting(nil)); err != nil {
		return err
	}
	if err := c.wait(c.dec.Greeting); err != nil {
		return err
	}
	if key == nil {
		return nil
	}
	var reply codec.Message
	err := c.Ask(&codec.Message{Op: codec.Open,
		Values: []codec.Value{{Name: "type", Data: []byte("authenticator")}},
		Object: []codec.Value{{Name: "name", Data: []byte(key.Name())}, {Name: "algorithm", Data: []byte(key.Algorithm())}}}, &reply)
	if IsNotFound(err) {
		return ErrNoSuchKey
	}
	if err != nil {
		return fmt.Errorf("open key: %w", err)
	}
	c.authID, c.signer = reply.Handle, key.NewSigner()
	return nil
}

// write sends a message in one write, as servers take it that read it by one read.
func (c *Conn) write(b []byte) error {
	if err := c.conn.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return c.translate(err)
	}
	_, err := c.conn.Write(b)
	return c.translate(err)
}

// wait lets read read what the server sends, until the timeout.
func (c *Conn) wait(read func() error) error {
	if err := c.conn.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return c.translate(err)
	}
	return c.translate(read())
}

// translate says what an error of the connection means.
func (c *Conn) translate(err error) error {
	var broken *net.OpError
	switch {
	case err == nil:
		return nil
	case c.ctx.Err() != nil:
		return context.Cause(c.ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w (%v)", ErrTimeout, c.timeout)
	case errors.Is(err, codec.ErrGreeting), errors.Is(err, codec.ErrTooBig):
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &broken):
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return err
}

// Send sends a request and does not wait for its reply. Its number and signature are the connection's concern.
func (c *Conn) Send(m *codec.Message) error {
	c.id++
	m.ID, m.AuthID = c.id, c.authID
	c.buf = m.Append(c.buf[:0], c.signer)
	return c.write(c.buf)
}

// Receive reads the next reply into m; servers answer in the order of the requests. A reply is valid until the next one
// is read. One that refuses the request is a *RefusedError.
func (c *Conn) Receive(m *codec.Message) error {
	if err := c.wait(func() error { return c.dec.Read(m) }); err != nil {
		return err
	}
	refusal := refusalOf(m)
	// Refusals of a signature cannot be signed: who has the wrong secret, or none, could not read them.
	if c.signer != nil && (m.AuthID != c.authID || !c.signer.Check(m)) && (refusal == nil || m.AuthID != 0) {
		return ErrSignature
	}
	if refusal != nil {
		return refusal
	}
	return nil
}

// Ask sends a request and reads its reply.
func (c *Conn) Ask(request, reply *codec.Message) error {
	if err := c.Send(request); err != nil {
		return err
	}
	err := c.Receive(reply)
	var refused *RefusedError
	if (err == nil || errors.As(err, &refused)) && reply.ReplyTo != request.ID {
		return fmt.Errorf("%w: a reply to request %d, want one to %d", ErrProtocol, reply.ReplyTo, request.ID)
	}
	return err
}

// RefusedError is a request that the server does not carry out.
type RefusedError struct {
	Code uint32 // as it came
	Text string // what the server says of it, "" if nothing
}

// refusalOf returns what a reply says against its request.
func refusalOf(m *codec.Message) *RefusedError {
	result, ok := codec.Find(m.Values, "result")
	if m.Op != codec.Status || !ok || len(result) != 4 {
		return nil
	}
	e := &RefusedError{Code: binary.BigEndian.Uint32(result)}
	if e.Code == 0 {
		return nil
	}
	text, _ := codec.Find(m.Values, "message")
	e.Text = string(text)
	return e
}

// Result is what the code means, whichever kind of codes the server has; false if nobody knows.
func (e *RefusedError) Result() (codec.Result, bool) {
	for r := range codec.NumResults {
		if e.Code == r.Code(codec.Classic) || e.Code == r.Code(codec.ISC) {
			return r, true
		}
	}
	return 0, false
}

// Error says it with the code in words.
func (e *RefusedError) Error() string {
	word := "unknown result"
	if r, ok := e.Result(); ok {
		word = r.String()
	}
	if e.Text == "" {
		return fmt.Sprintf("%s (result %#x)", word, e.Code)
	}
	return fmt.Sprintf("%s (result %#x): %q", word, e.Code, e.Text)
}

// IsNotFound reports whether an error is that the server has no such object.
func IsNotFound(err error) bool {
	var refused *RefusedError
	if !errors.As(err, &refused) {
		return false
	}
	r, ok := refused.Result()
	return ok && r == codec.NotFound
}
