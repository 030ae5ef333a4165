// Package peers knows how to start the servers that are measured side by side, each with the same reservations: lease6d,
// the ceiling, ISC dhcpd, Kea, dnsmasq and CoreDHCP.
//
// A reservation is the MAC and the address of a client of package load. Every server gets them in its own best form: a
// file of hosts that it reads at its start. Where a server has a choice, it is the one that is quicker and no less right:
// no lease is written to disk by Kea and dnsmasq, and nothing is logged by packet.
package peers
