// Package record turns what OMAPI says about hosts and groups into records of the lease file, and back.
package record
