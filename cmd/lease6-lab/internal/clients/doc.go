// Package clients runs real DHCPv6 clients on the machines of a netlab.Lab, each with the DUID it is told to have.
//
// There is one file for each client. It writes the client's configuration and the state in which the client keeps its
// DUID, as if the machine had booted from an image with that state, and starts the client in the foreground.
package clients
