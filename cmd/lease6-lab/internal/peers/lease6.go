package peers

import (
	"bufio"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/leases/isc"
)

// LeaseFile is the name of lease6d's lease file in Site.Dir.
const LeaseFile = "dhcpd6.leases"

func configureCeiling(_ *Peer, s *Site) (args, env []string, err error) {
	return []string{"ceiling", "--mode", s.Mode.String(), "--interface", s.Interface}, nil, nil
}

func configureLease6d(_ *Peer, s *Site) (args, env []string, err error) {
	path := s.file(LeaseFile)
	err = write(path, func(w *bufio.Writer) {
		var b []byte
		for i := range s.Hosts {
			b = AppendLease(b[:0], i)
			w.Write(b)
		}
	})
	if err != nil {
		return nil, nil, err
	}
	config := s.file("lease6d.toml")
	err = write(config, func(w *bufio.Writer) {
		line(w, "server.interfaces = [%q]\nserver.state-dir = %q\nleases.file = %q", s.Interface, s.Dir, path)
		line(w, "server.relays = [\"::/0\"]") // clients and relays share the interface here
		line(w, "[[link]]\nname = \"all\"\nprefixes = [\"::/0\"]\nrapid-commit = true")
	})
	return []string{"--config", config}, nil, err
}

// AppendLease appends the record of client i to a lease file, as ISC writes it.
func AppendLease(b []byte, i int) []byte {
	const digits = "0123456789abcdef"
	mac := guest.MAC(i)
	address := guest.Address(mac)
	name := make([]byte, 0, 17)
	for _, c := range mac {
		name = append(name, digits[c>>4], digits[c&15])
	}
	return isc.AppendHost(b, &isc.Host{
		Name: string(append(name, "_host"...)), Dynamic: true, HardwareType: isc.Ethernet, Hardware: mac[:], Addresses: address[:],
	})
}
