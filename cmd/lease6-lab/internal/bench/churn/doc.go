// Package churn sees whether lease6d's clients notice when things change under it: leases are added, the configuration
// is read again, the lease file is replaced, all at half of its capacity. They are compared with the same load on a
// server that is left alone.
package churn
