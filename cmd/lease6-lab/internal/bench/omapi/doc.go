// Package omapi measures leases being managed over OMAPI, on lease6d and on the real dhcpd -6 side by side: how many
// changes and look-ups a second, and when a new lease is served.
//
// Both are durable servers: they answer a change when it is on the disk. So the rate of one connection is the disk's, and
// a report says what that can do. The servers may use all CPUs, as they do in production, and share them with the load.
package omapi
