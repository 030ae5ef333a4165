// Package soak keeps lease6d at its limit for a long time while leases, the lease file and the configuration change, and
// sees whether it answers all along and stays as large as it was.
package soak
