package main

import (
	"strings"
	"testing"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/clients"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/datacenter"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/labtest"
)

// forgery speaks like a relay: it wraps a Solicit in a Relay-forward with an option 79 of the victim's MAC and sends it,
// first to the multicast group, then to an address, and prints what comes back.
const forgery = `
import socket, sys
nic, victim, server = sys.argv[1:]
mac = bytes.fromhex(victim.replace(":", ""))
def option(code, data): return code.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data
solicit = b"\x01abc" + option(1, b"\x00\x03\x00\x01" + mac) + option(3, b"\x00" * 12)
link = socket.inet_pton(socket.AF_INET6, "2001:db8:10::1")
peer = socket.inet_pton(socket.AF_INET6, "fe80::1234:5678:9abc:def0")
forged = b"\x0c\x00" + link + peer + option(79, b"\x00\x01" + mac) + option(9, solicit)
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 547))
s.settimeout(2)
index = socket.if_nametoindex(nic)
for to in ("ff02::1:2", server):
    s.sendto(forged, (to, 547, 0, index))
    try:
        print(to, "answered", s.recvfrom(4096)[0].hex())
    except socket.timeout:
        print(to, "silent")
`

// TestForgedRelay: a tenant wraps its Solicit in a Relay-forward of its own, directly and behind a real relay that
// passes it on. Whoever believes it gives away any VM's address.
func TestForgedRelay(t *testing.T) {
	const python = "/usr/bin/python3"
	for _, path := range []datacenter.Path{datacenter.Direct, datacenter.Relayed} {
		t.Run(path.String(), func(t *testing.T) {
			t.Parallel()
			labtest.Needs(t, python)
			w := newWorld(t, "", path)
			victim, tenant := w.guest("victim", path, 1), w.stranger("tenant", path, 3)
			w.must(tenant.machine.WriteFile("/run/forgery.py", []byte(forgery), 0o644))
			server := "2001:db8:10::1"
			if path == datacenter.Direct {
				// Where it is the server's own link, the address that the tenant can reach without a route.
				w.must(tenant.machine.AddAddress("eth0", "2001:db8:10::666/64"))
			} else {
				server = "ff05::1:3"
			}
			out, err := tenant.machine.Run(w.ctx, python, "/run/forgery.py", "eth0", victim.mac(), server)
			w.must(err)
			if strings.Count(out, "silent") != 2 {
				t.Errorf("the server believes it:\n%s", out)
			}
			w.must(w.server.AwaitOutput(w.ctx, "relays that are not believed"))
			// The relay that it came through is still believed.
			victim.start(clients.Dhclient(), clients.Identity{LinkLayer: true})
			victim.awaitLeases()
		})
	}
}
