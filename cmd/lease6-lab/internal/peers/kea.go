package peers

import (
	"bufio"
	"net/netip"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
)

// configureKea declares the reservations in the subnet, which is told in one mode to be used for hosts only. Kea then
// looks a client up once, by its MAC, which it takes from option 79 (RFC 6939), else from the DUID.
func configureKea(_ *Peer, s *Site) (args, env []string, err error) {
	config := s.file("kea.json")
	err = write(config, func(w *bufio.Writer) {
		line(w, `{"Dhcp6": {
"interfaces-config": {"interfaces": ["%s/%s"]},`, s.Interface, "2001:db8:ff::1")
		line(w, `"lease-database": {"type": "memfile", "persist": false},
"mac-sources": ["client-link-addr-option", "duid"],
"host-reservation-identifiers": ["hw-address"],
"data-directory": "%s",
"expired-leases-processing": {"reclaim-timer-wait-time": 0},
"preferred-lifetime": 3600, "valid-lifetime": 7200, "renew-timer": 1800, "rebind-timer": 2880,
"loggers": [{"name": "kea-dhcp6", "severity": "ERROR", "output_options": [{"output": "stdout"}]}],
"subnet6": [{"id": 1, "subnet": "%s", "interface": "%s", "rapid-commit": true,`, s.Dir, guest.Prefix, s.Interface)
		line(w, `"reservations-in-subnet": true, "reservations-out-of-pool": true,
"reservations": [`)
		s.hosts(func(i int, mac string, address netip.Addr) {
			comma := ","
			if i == s.Hosts-1 {
				comma = ""
			}
			line(w, `{"hw-address": "%s", "ip-addresses": ["%s"]}%s`, mac, address, comma)
		})
		line(w, `]}]}}`)
	})
	return []string{"-c", config}, []string{"KEA_PIDFILE_DIR=" + s.Dir, "KEA_LOCKFILE_DIR=none"}, err
}
