// Package arena is where a server and the load on it meet: two network namespaces joined by one wire.
//
//	server side                            clients' side
//	2001:db8:ff::1/64   server0 ──── clients0   2001:db8:ff::2 …, one for each relay
//	2001:db8:6::fffe/64                         VMs, as frames
//
// The namespaces have no names, so that nothing is left of them when the process ends, however it ends; the programs
// that run in them end with it too. Whatever else the machine does, no packet of the load leaves them.
package arena
