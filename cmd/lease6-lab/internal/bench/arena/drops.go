package arena

// Drops is how many packets the kernel has dropped for want of room. Only the first two are the arena's own.
type Drops struct {
	Server  uint64 `json:"server"`  // by the UDP sockets of the server's side
	Clients uint64 `json:"clients"` // by those of the clients' side
	Backlog uint64 `json:"backlog"` // of the machine, between its interfaces and its sockets (net.core.netdev_max_backlog)
}

// Sub is what was dropped since another time.
func (d Drops) Sub(o Drops) Drops {
	return Drops{d.Server - o.Server, d.Clients - o.Clients, d.Backlog - o.Backlog}
}
