// Package leases keeps leases by MAC: the index that packets are answered from, the lease file, and news of changes.
package leases
