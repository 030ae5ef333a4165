// Package server speaks DHCPv6 (RFC 9915): it decides what to answer, on which link, from the leases of a store.
//
// A packet comes in by the batch (server/batch), is taken apart in place (server/wire), its client is identified by the
// most trustworthy source of a MAC that is present, the lease of that MAC is looked up, and answer, a pure function,
// appends the reply to the slot it will be sent from. One goroutine, no channel, no allocation, no log line and no lock
// a packet: the index is held once for a batch.
//
// Directly attached clients are received on a packet socket and answered as frames to the MAC that asked, because that
// MAC is the client's identity, and because no neighbour entry is then needed: the kernel's table of 1,024 overflows
// when a thousand VMs boot at once. Relays are received on UDP sockets, spread over the workers.
//
// What it costs, measured on 2026-11-24 on two CPUs with the load on the other one: an exchange of four packets behind a
// relay takes 10.6 µs of CPU with a thousand leases and 12.7 µs with a hundred thousand, the system calls included. The
// same sockets without any logic take 10.0 and 10.7 µs. What is left is mostly the look-up, two or three cache misses a
// packet. Go's bookkeeping around system calls was 2 µs of it until server/batch went around that.
//
// Nobody but a relay may speak for others: see believed.
//
// What answering depends on beside the leases, configuration and interfaces, is an immutable policy behind an atomic
// pointer. A reload makes a new one; no packet waits for it.
package server
