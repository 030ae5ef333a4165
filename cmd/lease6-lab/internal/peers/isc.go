package peers

import (
	"bufio"
	"net/netip"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
)

// configureISC declares the reservations as hosts of the configuration. dhcpd finds a host by the MAC in the client's
// DUID: it knows nothing of option 79 here.
func configureISC(_ *Peer, s *Site) (args, env []string, err error) {
	config, leases := s.file("dhcpd6.conf"), s.file("isc.leases")
	err = write(config, func(w *bufio.Writer) {
		line(w, "authoritative;\ndefault-lease-time 7200;\npreferred-lifetime 3600;\nlog-facility local7;\nddns-update-style none;")
		// Without a subnet for the interface where packets arrive, dhcpd does not listen there.
		line(w, "shared-network all {\nsubnet6 2001:db8:ff::/64 { }\nsubnet6 %s { }\n}", guest.Prefix)
		s.hosts(func(i int, mac string, address netip.Addr) {
			line(w, "host h%d { hardware ethernet %s; fixed-address6 %s; }", i, mac, address)
		})
	})
	if err == nil {
		err = write(leases, func(*bufio.Writer) {})
	}
	return []string{"-6", "-f", "-q", "-cf", config, "-lf", leases, "-pf", s.file("isc.pid"), s.Interface}, nil, err
}
