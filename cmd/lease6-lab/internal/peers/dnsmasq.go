package peers

import (
	"bufio"
	"net/netip"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
)

// configureDnsmasq has no pool but the reservations. dnsmasq takes the MAC from option 79, or asks the neighbour table.
func configureDnsmasq(_ *Peer, s *Site) (args, env []string, err error) {
	config, hosts := s.file("dnsmasq.conf"), s.file("dnsmasq.hosts")
	err = write(config, func(w *bufio.Writer) {
		line(w, "port=0\nno-resolv\nno-hosts\nno-ping\nuser=root\nleasefile-ro\nquiet-dhcp6\ndhcp-authoritative\ndhcp-rapid-commit")
		line(w, "pid-file=%s\ninterface=%s\ndhcp-lease-max=%d", s.file("dnsmasq.pid"), s.Interface, s.Hosts+1000)
		line(w, "dhcp-range=%s,static,64,2h\ndhcp-hostsfile=%s", guest.Prefix.Addr(), hosts)
	})
	if err == nil {
		err = write(hosts, func(w *bufio.Writer) {
			s.hosts(func(_ int, mac string, address netip.Addr) { line(w, "%s,[%s]", mac, address) })
		})
	}
	return []string{"--keep-in-foreground", "--log-facility=-", "--conf-file=" + config}, nil, err
}
