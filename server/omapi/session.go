package omapi

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"time"

	"github.com/lease6/lease6/server/omapi/access"
	"github.com/lease6/lease6/server/omapi/codec"
)

const (
	greetingTime = 30 * time.Second // for the client's greeting, which may come glued to its first request
	messageTime  = 30 * time.Second // for the rest of a message of which a byte has come
	replyTime    = 30 * time.Second // for a reply to be taken
	maxText      = 400              // bytes of an error's text, so that a reply stays below record.MaxReply
)

// session is one connection.
type session struct {
	server  *Server
	conn    net.Conn
	peer    *access.Peer
	log     *slog.Logger
	dec     *codec.Decoder
	in, out codec.Message
	buf     []byte
	nextID  uint32
	handles handles

	keyHandle uint32        // of the key, once the client has opened it
	signer    *codec.Signer // that goes with it
	told      bool          // the log has a refused signature of this connection
}

// run serves the connection until the client or ctx ends it.
func (s *session) run(ctx context.Context) {
	defer s.conn.Close()
	// Ends a read that waits; the request being carried out is still answered.
	stop := context.AfterFunc(ctx, func() { s.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err := s.serve(ctx)
	switch {
	case errors.Is(err, errProtocol), errors.Is(err, codec.ErrGreeting), errors.Is(err, codec.ErrTooBig):
		s.server.counters.Malformed.Add(1)
		s.server.quiet(s.log, slog.LevelWarn, "connection closed", "error", err)
	case err == nil, ctx.Err() != nil, errors.Is(err, io.EOF), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, io.ErrUnexpectedEOF):
		s.log.Debug("connection ends", "error", err)
	default:
		s.log.Debug("connection broke", "error", err)
	}
}

// errProtocol is a message that ISC dhcpd, too, answers by closing.
var errProtocol = errors.New("a message that no client may send")

func (s *session) serve(ctx context.Context) error {
	// At once, alone, and before the client has said anything: Abiquo's client waits for it.
	if err := s.write(codec.AppendGreeting(nil)); err != nil {
		return err
	}
	if err := s.await(ctx, greetingTime); err != nil {
		return err
	}
	if err := s.dec.Greeting(); err != nil {
		return err
	}
	for {
		if err := s.await(ctx, s.server.o.IdleTimeout); err != nil {
			return err
		}
		if err := s.dec.Wait(); err != nil {
			return err
		}
		if err := s.await(ctx, messageTime); err != nil {
			return err
		}
		if err := s.dec.Read(&s.in); errors.Is(err, codec.ErrTooBig) {
			s.refuse(codec.Refuse(codec.InvalidArgument, "%v", err), nil)
			return errors.Join(err, s.write(s.out.Append(s.buf[:0], nil)), s.drain())
		} else if err != nil {
			return err
		}
		if err := s.server.gate.Wait(ctx, s.peer); err != nil {
			return err
		}
		s.server.counters.Requests.Add(1)
		signer, ok := s.answer(ctx)
		if !ok {
			return errProtocol
		}
		s.buf = s.out.Append(s.buf[:0], signer)
		if err := s.write(s.buf); err != nil {
			return err
		}
	}
}

// await bounds the next read.
func (s *session) await(ctx context.Context, d time.Duration) error {
	if err := s.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	return ctx.Err() // it may have ended before the new deadline was set
}

// write sends one reply in one write: Abiquo's client takes it by one read.
func (s *session) write(b []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(replyTime)); err != nil {
		return err
	}
	_, err := s.conn.Write(b)
	return err
}

// drain reads what was under way when the connection was given up: closed with bytes unread, a reply is lost.
func (s *session) drain() error {
	const most, patience = 1 << 20, time.Second
	if c, ok := s.conn.(interface{ CloseWrite() error }); ok {
		c.CloseWrite()
	}
	s.conn.SetReadDeadline(time.Now().Add(patience))
	_, err := io.CopyN(io.Discard, s.conn, most)
	return err
}

// answer carries out the request s.in and makes the reply s.out, to be signed by signer unless that is nil. It is
// false if the connection must be closed without a word.
func (s *session) answer(ctx context.Context) (signer *codec.Signer, ok bool) {
	m := &s.in
	if m.Op < codec.Open || m.Op > codec.Delete || m.Op == codec.Status || m.ReplyTo != 0 {
		return nil, false
	}
	if m.AuthID != 0 && m.AuthID != s.keyHandle {
		return nil, false
	}
	if m.AuthID != 0 {
		if !s.signer.Check(m) {
			s.server.counters.BadSignatures.Add(1)
			s.tell("request with a wrong signature refused")
			s.refuse(codec.Refuse(codec.InvalidKey, "the signature is wrong"), nil)
			return nil, true
		}
		signer = s.signer
	} else if s.server.o.Key != nil && !opensKey(m) {
		s.server.counters.Unsigned.Add(1)
		s.tell("unsigned request refused")
		s.refuse(codec.Refuse(codec.NoKey, "No authenticator on message"), nil)
		return nil, true
	}
	a, refused := s.carryOut(ctx, m)
	if refused != nil {
		s.refuse(refused, signer)
		return signer, true
	}
	s.server.counters.Results[codec.Success].Add(1)
	s.begin(codec.Status, signer)
	if a.object != nil {
		s.out.Op, s.out.Handle, s.out.Object = codec.Update, a.handle, append(s.out.Object, a.object...)
	} else {
		s.out.Values = append(s.out.Values, codec.Value{Name: "result", Data: make([]byte, 4)})
	}
	return signer, true
}

// begin makes s.out an empty reply to s.in.
func (s *session) begin(op codec.Op, signer *codec.Signer) {
	s.out = codec.Message{Op: op, ID: s.nextID, ReplyTo: s.in.ID, Values: s.out.Values[:0], Object: s.out.Object[:0]}
	if signer != nil {
		s.out.AuthID = s.keyHandle
	}
	s.nextID++
}

// refuse makes s.out say why a request is not carried out.
func (s *session) refuse(r *codec.Refusal, signer *codec.Signer) {
	s.server.counters.Results[r.Result].Add(1)
	s.begin(codec.Status, signer)
	code := r.Result.Code(s.server.o.Codes)
	text := strings.ToValidUTF8(r.Text[:min(len(r.Text), maxText)], "?")
	s.out.Values = append(s.out.Values,
		codec.Value{Name: "result", Data: binary.BigEndian.AppendUint32(nil, code)}, codec.Value{Name: "message", Data: []byte(text)})
}

// tell logs a refused client, once a connection.
func (s *session) tell(what string) {
	if !s.told {
		s.told = true
		s.server.quiet(s.log, slog.LevelWarn, what)
	}
}

// opensKey reports whether a message is the one that must come without signature.
func opensKey(m *codec.Message) bool {
	kind, _ := codec.Find(m.Values, "type")
	return m.Op == codec.Open && string(kind) == "authenticator"
}

// openKey answers a client that says which key it will sign with.
func (s *session) openKey(m *codec.Message, change bool) (answer, *codec.Refusal) {
	key := s.server.o.Key
	name, _ := codec.Find(m.Object, "name")
	algorithm, _ := codec.Find(m.Object, "algorithm")
	if change {
		return answer{}, codec.Refuse(codec.PermissionDenied, "keys are not made or changed over OMAPI")
	}
	if key == nil || !strings.EqualFold(string(name), key.Name()) || !strings.EqualFold(string(algorithm), key.Algorithm()) {
		return answer{}, codec.Refuse(codec.NotFound, "no object matches specification")
	}
	if s.signer == nil {
		s.keyHandle, s.signer = s.handles.of(reference{kind: keyKind}), key.NewSigner()
	}
	return s.showKey(), nil
}

func (s *session) showKey() answer {
	key := s.server.o.Key
	return answer{handle: s.keyHandle, object: []codec.Value{
		{Name: "name", Data: []byte(key.Name())}, {Name: "algorithm", Data: []byte(key.Algorithm())}}}
}

// newSession makes the session of a connection that was admitted.
func newSession(server *Server, conn net.Conn, p *access.Peer) *session {
	return &session{
		server: server, conn: conn, peer: p, log: server.o.Logger.With("peer", conn.RemoteAddr().String()),
		dec: codec.NewDecoder(conn), nextID: rand.Uint32(), handles: newHandles(),
	}
}
