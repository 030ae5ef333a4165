// Package datacenter builds the datacenter of the lab: a server, two real relays, and three links for VMs.
//
//	       vms (direct)
//	dc ────┴──────────────── VMs
//	 ├─── relay1, dhcrelay ─ VMs        Relay-forward without option 79
//	 └─── relay2, dnsmasq ── VMs        Relay-forward with option 79 (RFC 6939)
//
// The relays reach the server, dc, over wires of their own. All VM links are bridges, so that VMs of a link see each
// other's multicast, as on a real one.
package datacenter
