package client

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/lease6/lease6/leases/isc"
	"github.com/lease6/lease6/server/omapi/codec"
	"github.com/lease6/lease6/server/omapi/record"
)

// Host is a host as it goes over the wire. In a request, what is empty is not said.
type Host struct {
	Handle       uint32 // by which the connection knows it; of replies only
	Name         string
	Hardware     []byte // link-layer address
	HardwareType uint16 // ARP hardware type; 0 with Hardware is Ethernet
	Identifier   []byte // DHCP client identifier
	Addresses    []byte // one behind the other: 16 bytes each, or 4
	Group        string // servers do not tell it
	Statements   string // servers do not tell them
}

// values lists what is to be said. The group comes before the statements: ISC dhcpd forgets those that came before.
func (h *Host) values() []codec.Value {
	var list []codec.Value
	add := func(name string, data []byte) {
		if len(data) > 0 {
			list = append(list, codec.Value{Name: name, Data: data})
		}
	}
	add("name", []byte(h.Name))
	if len(h.Hardware) > 0 {
		add("hardware-address", h.Hardware)
		add("hardware-type", binary.BigEndian.AppendUint32(nil, uint32(max(h.HardwareType, isc.Ethernet))))
	}
	add("dhcp-client-identifier", h.Identifier)
	add("ip-address", h.Addresses)
	add("group", []byte(h.Group))
	add("statements", []byte(h.Statements))
	return list
}

// hostOf reads a reply, which will not last.
func hostOf(m *codec.Message) *Host {
	h := &Host{Handle: m.Handle}
	for _, v := range m.Object {
		switch v.Name {
		case "name":
			h.Name = record.RealName(string(v.Data))
		case "hardware-address":
			h.Hardware = bytes.Clone(v.Data)
		case "hardware-type":
			if len(v.Data) == 4 {
				h.HardwareType = uint16(binary.BigEndian.Uint32(v.Data))
			}
		case "dhcp-client-identifier":
			h.Identifier = bytes.Clone(v.Data)
		case "ip-address":
			h.Addresses = bytes.Clone(v.Data)
		case "group":
			h.Group = string(v.Data)
		case "statements":
			h.Statements = string(v.Data)
		}
	}
	return h
}

var one = []byte{0, 0, 0, 1}

// CreateRequest is the request that creates a host, and fails if there is one of its name or keys.
func CreateRequest(h *Host) *codec.Message {
	return &codec.Message{Op: codec.Open, Object: h.values(), Values: []codec.Value{
		{Name: "type", Data: []byte("host")}, {Name: "create", Data: one}, {Name: "exclusive", Data: one}}}
}

// FindRequest is the request for the host of which all keys are those of by.
func FindRequest(by *Host) *codec.Message {
	return &codec.Message{Op: codec.Open, Object: by.values(), Values: []codec.Value{{Name: "type", Data: []byte("host")}}}
}

// UpdateRequest is the request that changes what is said in h of the host with that handle.
func UpdateRequest(handle uint32, h *Host) *codec.Message {
	return &codec.Message{Op: codec.Update, Handle: handle, Object: h.values()}
}

// DeleteRequest is the request that deletes the host with that handle.
func DeleteRequest(handle uint32) *codec.Message {
	return &codec.Message{Op: codec.Delete, Handle: handle}
}

// Create creates a host and returns it as the server has it.
func (c *Conn) Create(h *Host) (*Host, error) { return c.host(CreateRequest(h)) }

// Find finds a host. A name that ISC dhcpd could not read back is also looked for as lease6 stores it, so that it is
// found on a dhcpd that has lease6's file.
func (c *Conn) Find(by *Host) (*Host, error) {
	h, err := c.host(FindRequest(by))
	if stored := record.StoredName(by.Name); by.Name != "" && stored != by.Name && IsNotFound(err) {
		other := *by
		other.Name = stored
		return c.host(FindRequest(&other))
	}
	return h, err
}

// Update changes what is said in h of the host with that handle.
func (c *Conn) Update(handle uint32, h *Host) error {
	var reply codec.Message
	return c.Ask(UpdateRequest(handle, h), &reply)
}

// Delete deletes the host with that handle.
func (c *Conn) Delete(handle uint32) error {
	var reply codec.Message
	return c.Ask(DeleteRequest(handle), &reply)
}

// host asks for what is answered with a host.
func (c *Conn) host(request *codec.Message) (*Host, error) {
	var reply codec.Message
	if err := c.Ask(request, &reply); err != nil {
		return nil, err
	}
	if reply.Op != codec.Update {
		return nil, fmt.Errorf("%w: a host was asked for, and the answer is %v", ErrProtocol, reply.Op)
	}
	return hostOf(&reply), nil
}
