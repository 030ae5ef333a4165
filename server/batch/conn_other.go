//go:build !linux

package batch

import "errors"

var errLinux = errors.New("batch: sockets need Linux")

// Conn and its methods need Linux.
type Conn struct{}

// Groups and its methods need Linux.
type Groups struct{}

// ListenPacket needs Linux.
func ListenPacket(int, Options) ([]*Conn, error) { return nil, errLinux }

// ListenUDP needs Linux.
func ListenUDP(uint16, int, Options) ([]*Conn, error) { return nil, errLinux }

// NewGroups needs Linux.
func NewGroups() (*Groups, error) { return nil, errLinux }

func (*Conn) Recv() (int, error)                  { return 0, errLinux }
func (*Conn) Packet(int) ([]byte, Meta)           { return nil, Meta{} }
func (*Conn) Buffer(int) []byte                   { return nil }
func (*Conn) Queue(int, []byte, uint16, [16]byte) {}
func (*Conn) Flush()                              {}
func (*Conn) Stats() Stats                        { return Stats{} }
func (*Conn) Close() error                        { return nil }
func (*Groups) Join(int) error                    { return errLinux }
func (*Groups) Leave(int) error                   { return errLinux }
func (*Groups) Close() error                      { return nil }
