package omapi_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/lease6/lease6/leases"
	"github.com/lease6/lease6/server/omapi"
	"github.com/lease6/lease6/server/omapi/codec"
)

// A server owns a lease file; a client creates a host, as Abiquo does.
func Example() {
	dir, err := os.MkdirTemp("", "omapi-example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "dhcpd6.leases")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		panic(err)
	}
	store, err := leases.OwnFile(file, leases.JournalOptions{})
	if err != nil {
		panic(err)
	}
	server, err := omapi.New(store, omapi.Options{})
	if err != nil {
		panic(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	storeCtx, stopStore := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { store.Run(storeCtx, func() {}) })
	wg.Go(func() { server.Serve(ctx, ln); stopStore() })
	defer wg.Wait()
	defer stop()

	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	request := codec.Message{
		Op:     codec.Open,
		ID:     1,
		Values: []codec.Value{{Name: "type", Data: []byte("host")}, {Name: "create", Data: []byte{0, 0, 0, 1}}},
		Object: []codec.Value{
			{Name: "name", Data: []byte("005056000011_host")},
			{Name: "hardware-address", Data: []byte{0, 0x50, 0x56, 0, 0, 0x11}},
			{Name: "ip-address", Data: net.ParseIP("2001:db8::11")},
		},
	}
	if _, err := conn.Write(request.Append(codec.AppendGreeting(nil), nil)); err != nil {
		panic(err)
	}
	d := codec.NewDecoder(conn)
	var reply codec.Message
	if err := d.Greeting(); err != nil {
		panic(err)
	}
	if err := d.Read(&reply); err != nil {
		panic(err)
	}
	fmt.Println(reply.Op, "handle", reply.Handle)
	text, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	fmt.Print(string(text))
	// Output:
	// update handle 1
	// host 005056000011_host {
	//   dynamic;
	//   hardware ethernet 00:50:56:00:00:11;
	//   fixed-address 32.1.13.184,0.0.0.0,0.0.0.0,0.0.0.17;
	// }
}
