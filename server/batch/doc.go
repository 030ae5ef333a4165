// Package batch moves DHCPv6 messages between sockets and memory of its own, up to 64 a system call.
//
// There are two kinds of sockets, and every message arrives on exactly one of them:
//
//   - Packet sockets take what was sent to the multicast groups of DHCPv6 (RFC 9915 §7.1), which is what directly
//     attached clients do. They see the Ethernet source of the frame, the client's identity, and answer with a frame to
//     that very MAC. No neighbour entry is made, so a thousand VMs that boot at once cannot overflow the kernel's table.
//   - UDP sockets take what was sent to an address of this machine: relays, and clients that use unicast. They are told
//     to refuse multicast, whoever on this machine has joined the groups.
//
// What divides them is the destination address of the packet, not of the frame, because a switch or an access point may
// deliver a multicast packet in a unicast frame (RFC 6085). A frame that a host put on the link for somebody else, or
// with a VLAN tag for which there is no VLAN interface, is taken by neither.
//
// A slot holds a message of 12 KiB and a reply of 16 KiB: a message in 32 nested relays is some 3 KiB, and a jumbo frame
// 9 KiB. What is longer is cut by the kernel, and counted, not read. The 64 slots of a socket are 1.8 MiB.
//
// Fragments sent to a multicast group are counted, not reassembled: the kernel hands them to packet sockets as they came
// (PACKET_FANOUT_FLAG_DEFRAG knows only IPv4), and a client's message is far from the 1,280 bytes that any link carries.
// Relays send to an address, and there the kernel does reassemble. Replies to direct clients are not fragmented either;
// one that is longer than the MTU of the interface is counted as too big.
//
// The package neither logs nor decides: it counts. Nothing is allocated after a socket was opened.
package batch
