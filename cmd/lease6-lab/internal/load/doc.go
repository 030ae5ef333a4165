// Package load asks a DHCPv6 server for addresses as fast as it is told to, as any number of clients, and checks every
// answer: each client must get exactly its address, which follows from its number.
//
// Clients speak directly, as Ethernet frames, each from a MAC and a link-local address of its own; or through relays,
// which tell the MAC by option 79 (RFC 6939). They go in a closed loop with so many exchanges in flight, or in an open
// loop that begins so many a second whatever becomes of them, and repeat what is not answered as RFC 9915 §15 says.
// A boot storm is a closed loop in which every client is in flight.
//
// One thread does it all: receive up to 64 messages, look at each, write what follows into its place, send up to 64.
// Nothing is allocated after the beginning, so that the generator outruns what it measures. The transaction id names the
// exchange, so an answer finds its client without a search.
package load
