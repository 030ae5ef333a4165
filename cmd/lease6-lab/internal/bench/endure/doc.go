// Package endure sees whether lease6d stays what it was: while interfaces come and go under it, and while it is kept at
// its limit for a long time. Clients must get their addresses all along, and nothing may be left behind, be it memory,
// goroutines, file descriptors or memberships in multicast groups.
package endure
