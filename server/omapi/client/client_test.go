package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/server/omapi"
	"github.com/lease6/lease6/server/omapi/client"
	"github.com/lease6/lease6/server/omapi/codec"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// serve starts a server over a real journal, and returns where.
func serve(t testing.TB, o omapi.Options) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "dhcpd6.leases")
	check(t, os.WriteFile(file, nil, 0o600))
	store, err := leases.OwnFile(file, leases.JournalOptions{})
	check(t, err)
	server, err := omapi.New(store, o)
	check(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	storeCtx, endStore := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	ready := make(chan struct{})
	wg.Go(func() {
		if err := store.Run(storeCtx, func() { close(ready) }); err != nil {
			t.Errorf("journal: %v", err)
		}
	})
	<-ready
	wg.Go(func() {
		defer endStore()
		if err := server.Serve(ctx, ln); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return ln.Addr().String()
}

func key(t testing.TB, name, algorithm, secret string) *codec.Key {
	t.Helper()
	k, err := codec.NewKey(name, algorithm, []byte(secret))
	check(t, err)
	return k
}

func vm(name string, n byte) *client.Host {
	return &client.Host{Name: name, Hardware: []byte{0x52, 0x54, 0, 0, 7, n}, Addresses: append([]byte{0x20, 1, 0xd, 0xb8}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n)}
}

// TestHosts takes a host through its life, without a key and with each algorithm, on servers with either kind of codes.
func TestHosts(t *testing.T) {
	for i, algorithm := range []string{"", "hmac-md5", "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"} {
		t.Run("key "+algorithm, func(t *testing.T) {
			so, co := omapi.Options{Codes: codec.Codes(i % 2)}, client.Options{}
			if algorithm != "" {
				so.Key, co.Key = key(t, "k", algorithm, "secret"), key(t, "k", algorithm, "secret")
			}
			conn, err := client.Dial(t.Context(), serve(t, so), co)
			check(t, err)
			defer conn.Close()
			const name = "00:50:56:00:00:18_host"
			created, err := conn.Create(vm(name, 1))
			check(t, err)
			if created.Name != name || created.HardwareType != 1 || created.Handle == 0 {
				t.Errorf("created: %+v", created)
			}
			var refused *client.RefusedError
			_, err = conn.Create(vm("other", 1))
			if !errors.As(err, &refused) || !strings.Contains(refused.Text, name) || !strings.Contains(err.Error(), "key-conflict") {
				t.Errorf("the same MAC again: %v", err)
			}
			if r, ok := refused.Result(); !ok || r != codec.KeyConflict {
				t.Errorf("%v %v", r, ok)
			}
			check(t, conn.Update(created.Handle, &client.Host{Addresses: vm("", 2).Addresses, Statements: "default-lease-time 600;"}))
			for what, by := range map[string]*client.Host{"name": {Name: name}, "MAC": {Hardware: created.Hardware}, "address": {Addresses: vm("", 2).Addresses}} {
				got, err := conn.Find(by)
				if err != nil || got.Name != name || !bytes.Equal(got.Addresses, vm("", 2).Addresses) || got.Handle != created.Handle {
					t.Errorf("by %s: %+v, %v", what, got, err)
				}
			}
			check(t, conn.Delete(created.Handle))
			if _, err := conn.Find(&client.Host{Name: name}); !client.IsNotFound(err) {
				t.Errorf("after the deletion: %v", err)
			}
			if err := conn.Delete(created.Handle); !client.IsNotFound(err) {
				t.Errorf("a second deletion: %v", err)
			}
		})
	}
}

// TestPipeline: replies come in the order of the requests, whatever became of these.
func TestPipeline(t *testing.T) {
	conn, err := client.Dial(t.Context(), serve(t, omapi.Options{}), client.Options{})
	check(t, err)
	defer conn.Close()
	const hosts = 200
	var requests []*codec.Message
	for n := range hosts {
		requests = append(requests, client.CreateRequest(vm(fmt.Sprint("h", n), byte(n%100)))) // the second hundred is refused
	}
	for _, r := range requests {
		check(t, conn.Send(r))
	}
	var reply codec.Message
	for n, r := range requests {
		err := conn.Receive(&reply)
		var refused *client.RefusedError
		if reply.ReplyTo != r.ID || errors.As(err, &refused) != (n >= 100) || err != nil && refused == nil {
			t.Fatalf("reply %d is to %d, want %d: %v", n, reply.ReplyTo, r.ID, err)
		}
	}
}

func TestKeysThatAreWrong(t *testing.T) {
	address := serve(t, omapi.Options{Key: key(t, "k", "hmac-sha256", "secret")})
	for _, tt := range []struct {
		name string
		key  *codec.Key
		want func(error) bool
	}{
		{"none", nil, func(err error) bool { return strings.Contains(err.Error(), "permission-denied") }},
		{"another name", key(t, "other", "hmac-sha256", "secret"), func(err error) bool { return errors.Is(err, client.ErrNoSuchKey) }},
		{"another algorithm", key(t, "k", "hmac-md5", "secret"), func(err error) bool { return errors.Is(err, client.ErrNoSuchKey) }},
		{"another secret", key(t, "k", "hmac-sha256", "guessed"), func(err error) bool { return strings.Contains(err.Error(), "signature is wrong") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := client.Dial(t.Context(), address, client.Options{Key: tt.key})
			if err == nil {
				defer conn.Close()
				_, err = conn.Find(&client.Host{Name: "a"})
			}
			if err == nil || !tt.want(err) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "guessed") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestForgedReplies: under a key nothing is believed that is not signed with it.
func TestForgedReplies(t *testing.T) {
	k, wrong := key(t, "k", "hmac-sha256", "secret"), key(t, "k", "hmac-sha256", "guessed")
	host := []codec.Value{{Name: "name", Data: []byte("a")}}
	for _, tt := range []struct {
		name  string
		reply func(m *codec.Message) []byte
		want  error
	}{
		{"signed", func(m *codec.Message) []byte { m.AuthID = 7; return m.Append(nil, k.NewSigner()) }, nil},
		{"unsigned", func(m *codec.Message) []byte { return m.Append(nil, nil) }, client.ErrSignature},
		{"signed with another secret", func(m *codec.Message) []byte { m.AuthID = 7; return m.Append(nil, wrong.NewSigner()) }, client.ErrSignature},
		{"signed with another key", func(m *codec.Message) []byte { m.AuthID = 8; return m.Append(nil, k.NewSigner()) }, client.ErrSignature},
		{"to another request", func(m *codec.Message) []byte {
			m.AuthID, m.ReplyTo = 7, m.ReplyTo+1
			return m.Append(nil, k.NewSigner())
		}, client.ErrProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			check(t, err)
			var wg sync.WaitGroup
			defer wg.Wait()
			defer ln.Close()
			wg.Go(func() {
				conn, err := ln.Accept()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				conn.Write(codec.AppendGreeting(nil))
				d := codec.NewDecoder(conn)
				var m codec.Message
				if err := errors.Join(d.Greeting(), d.Read(&m)); err != nil {
					t.Error(err)
				}
				conn.Write((&codec.Message{Op: codec.Update, Handle: 7, ReplyTo: m.ID}).Append(nil, nil))
				if err := d.Read(&m); err != nil || m.AuthID != 7 || !k.NewSigner().Check(&m) {
					t.Errorf("the request is not signed: %v", err)
				}
				conn.Write(tt.reply(&codec.Message{Op: codec.Update, Handle: 9, ReplyTo: m.ID, Object: host}))
				d.Wait() // for the client to go
			})
			conn, err := client.Dial(t.Context(), ln.Addr().String(), client.Options{Key: k})
			check(t, err)
			defer conn.Close()
			if _, err := conn.Find(&client.Host{Name: "a"}); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

// TestContextEnds: the end of the context ends what waits.
func TestContextEnds(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer ln.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	reason := errors.New("enough")
	go func() { // ends with the connection
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		b := make([]byte, 8)
		conn.Read(b) // the client's greeting: it waits for ours
		cancel(reason)
		conn.Read(b)
	}()
	begin := time.Now()
	if _, err := client.Dial(ctx, ln.Addr().String(), client.Options{Timeout: time.Hour}); !errors.Is(err, reason) {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
}

func TestRefusedError(t *testing.T) {
	for _, tt := range []struct {
		err  client.RefusedError
		want string
	}{
		{client.RefusedError{Code: 18}, "already-exists (result 0x12)"},
		{client.RefusedError{Code: 0x60007, Text: "x\x1b"}, `key-conflict (result 0x60007): "x\x1b"`},
		{client.RefusedError{Code: 44, Text: "of host b"}, `key-conflict (result 0x2c): "of host b"`},
		{client.RefusedError{Code: 9999}, "unknown result (result 0x270f)"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// Ask a server for the address of a NIC.
func ExampleDial() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := client.Dial(ctx, "127.0.0.1:7911", client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	h, err := conn.Find(&client.Host{Hardware: []byte{0x52, 0x54, 0, 0x12, 0x34, 0x56}})
	if client.IsNotFound(err) {
		fmt.Println("it has none")
	} else if err == nil {
		fmt.Println(h.Name, h.Addresses)
	}
}
