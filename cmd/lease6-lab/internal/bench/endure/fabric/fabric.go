// Package fabric makes and deletes interfaces of a server in an arena, each with a VM's end behind it.
package fabric

// Prefix begins the names of the server's interfaces.
const Prefix = "v"

// MaxInterfaces is how many VLANs there are (IEEE 802.1Q: identifiers 1 to 4094).
const MaxInterfaces = 4094
