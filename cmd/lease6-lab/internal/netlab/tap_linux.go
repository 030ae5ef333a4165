package netlab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/frame"
)

// Tap listens to the DHCPv6 of one NIC until its machine is closed.
type Tap struct {
	socket *os.File
	done   chan struct{}
	seen   func(*frame.Packet)
	output func(program, line string)

	mu      sync.Mutex
	packets []*frame.Packet
}

// Tap begins to listen. It calls seen, if that is not nil, for every packet.
func (m *Machine) Tap(nic string, seen func(*frame.Packet)) (*Tap, error) {
	t := &Tap{done: make(chan struct{}), seen: seen, output: m.lab.output}
	var own net.HardwareAddr
	err := m.inside(func() error {
		iface, err := net.InterfaceByName(nic)
		if err != nil {
			return fmt.Errorf("tap %s: %w", nic, err)
		}
		own = iface.HardwareAddr
		// Only a socket for all protocols sees what the machine itself sends.
		protocol := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("tap %s: %w", nic, err)
		}
		t.socket = os.NewFile(uintptr(fd), "tap of "+m.Name+" "+nic)
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: iface.Index}); err != nil {
			t.socket.Close()
			return fmt.Errorf("tap %s: %w", nic, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.taps = append(m.taps, t)
	m.mu.Unlock()
	// Tap.close waits for it.
	go t.listen(own)
	return t, nil
}

func (t *Tap) close() {
	t.socket.Close()
	<-t.done
}

func (t *Tap) listen(own net.HardwareAddr) {
	defer close(t.done)
	buf := make([]byte, 65536)
	for {
		n, err := t.socket.Read(buf)
		if errors.Is(err, unix.ENETDOWN) {
			continue // told once when a client turns its NIC off; it will be on again
		}
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				t.output(t.socket.Name(), "ends: "+err.Error())
			}
			return
		}
		p := frame.Parse(buf[:n])
		if p == nil {
			continue
		}
		p.At = time.Now()
		p.Out = p.FrameSource.String() == own.String()
		t.mu.Lock()
		t.packets = append(t.packets, p)
		t.mu.Unlock()
		if t.seen != nil {
			t.seen(p)
		}
	}
}

// Packets are all packets seen so far.
func (t *Tap) Packets() []*frame.Packet {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]*frame.Packet(nil), t.packets...)
}
