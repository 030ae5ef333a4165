// Package isc reads and writes the syntax of ISC dhcpd's lease file: tokens with positions, host and group records.
package isc
