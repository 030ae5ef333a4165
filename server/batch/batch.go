package batch

// Options are what sockets can be opened without.
type Options struct {
	// ReceiveBytes is the receive buffer of each socket in bytes; 0 is 32 MiB, room for some 40,000 messages. Without
	// CAP_NET_ADMIN the kernel gives at most net.core.rmem_max; Stats tells what it gave.
	ReceiveBytes int
}

// Meta is what is known of a message beside its bytes.
type Meta struct {
	Ifindex   int32    // the interface it arrived on
	Src       [16]byte // the address it was sent from
	SrcPort   uint16
	MAC       [6]byte // the Ethernet source of its frame, if HasMAC
	HasMAC    bool
	Multicast bool // it was sent to ff02::1:2 or ff05::1:3
}

// Stats is what became of the messages of one socket since it was opened.
type Stats struct {
	Received    uint64 // by the process, the ones below among them
	BadChecksum uint64 // UDP checksum wrong or missing
	Malformed   uint64 // lengths that lie, a source that nobody can have
	Truncated   uint64 // longer than a slot
	Fragments   uint64 // first fragments of messages that were sent to a multicast group

	KernelDrops   uint64 // never received: the receive buffer was full (on UDP sockets also: checksum wrong)
	ReceiveErrors uint64 // passed over, such as an interface that went down

	Sent            uint64
	SendBufferFull  uint64 // the send buffer or the queue of the interface was full
	SendTooBig      uint64 // longer than the interface can send, or than a slot
	SendNoInterface uint64 // the interface is down or gone
	SendUnreachable uint64 // no route, or the address that was asked is no longer ours
	SendErrors      uint64 // anything else

	ReceiveBuffer uint64 // its size in bytes as the kernel counts it: twice what was asked for
}

const (
	batchSize = 64 // measured: 8 a call give 89 % of the throughput of 64, 128 another 2 %

	receiveSize = 12 << 10
	replySize   = 16 << 10
	// What is added to the slot spreads the beginnings of the slots over the sets of the CPU's caches. Were they a
	// multiple of 4 KiB apart, the 64 messages of a batch would evict each other.
	slotSize = receiveSize + frameHeader + replySize + 272

	defaultReceiveBytes = 32 << 20
)
