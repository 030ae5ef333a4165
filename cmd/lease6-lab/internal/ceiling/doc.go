// Package ceiling answers DHCPv6 with no logic at all: what the sockets of server/batch allow, and nothing more.
//
// There are no leases, no links and no rules. The address is made from the MAC that option 79 or the frame tells, as
// the clients of package load expect it. What it answers a second is the most that a server on these sockets can reach.
package ceiling
