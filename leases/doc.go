// Package leases keeps leases by MAC: the index that packets are answered from, the lease file, and news of changes.
//
// # Index
//
// The packet path asks one question: which addresses has this MAC? The Index answers it from three hash tables of
// plain numbers (by MAC, by name, by address) over an array of 48-byte entries. There is no pointer in any of them, so
// the garbage collector has nothing to look at however many leases there are, and one lease costs about 110 bytes.
// What few hosts have (several addresses, a client identifier, hardware that is not Ethernet) lies beside the array;
// statements, which whole networks have in common, are kept once.
//
// # File
//
// The ISC lease file is the journal; there is no second format. The last record of a name wins, "deleted;" cancels.
// A File follows a file that somebody else writes: what is appended is read from where the last complete record ended,
// a replaced or truncated file is read anew beside the old index and swapped in whole.
//
// Three rules hold whatever happens to the file:
//
//   - A damaged record costs only itself.
//   - Nothing that stands in the way of reading the file takes a lease away: a missing, empty, torn or damaged file
//     leaves served what was served, and says so. Only a sound file, or an operator, removes leases by not having them.
//   - Readers never wait for a file. They wait for the publication of at most 256 records, some 0.1 ms.
//
// # Why one lock
//
// Measured with 2^20 leases: a lock taken once for a batch of 64 packets costs nothing that can be seen, also with
// 20,000 changes a second; 256 sharded locks or a sync.Map cost more for every look-up than they save.
package leases
