// Package netlab makes small networks of Linux namespaces for real programs to run in.
//
// A Lab owns everything. A Machine of it is a network namespace with a name that ip(8) knows, a process namespace and a
// mount namespace in which /etc and /var are throw-away copies and /run is empty. Programs on it change resolv.conf,
// write leases and pid files and leave daemons behind as they like: nothing of it reaches the host, and all of it is
// gone when the machine's first process is. That process ends when the lab closes its standard input, so it also ends
// when the lab is killed.
//
// Programs are started in the machine's namespaces by a thread that has entered them, without a helper in between, so
// that the process known to the lab is the program itself.
//
// A Tap sees every DHCPv6 packet of one NIC, with its frame, in both directions.
package netlab
