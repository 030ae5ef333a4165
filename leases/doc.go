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
// # Journal
//
// A Journal owns the lease file: it appends what ISC dhcpd would append. What holds, and is tested by letting every
// operation on the disk fail, by a crash at each of them, and by a cut at every byte:
//
//   - Answered implies durable, and served implies durable. The order in the file is that of publication.
//   - One goroutine writes the file and changes the index. Changes that arrive while the disk is busy share the next sync:
//     some 0.2 ms for one change on a virtual disk, 0.01 ms each for 64 callers.
//   - A write or sync that fails is taken back and refuses all changes until the next start. Leases are served on.
//   - A change is there as a whole after a crash, or not at all. An update is two records; the first has a blank that ISC
//     dhcpd would not write, so that it is not taken for a deletion when the second is missing.
//   - A file that is mostly history is written anew in the background. Changes wait for the last step only, 1 to 3 ms with
//     a million leases, of a rewrite that takes ten seconds. At every moment a complete file has the name, and its owner
//     the lock on it.
//
// # Why one lock
//
// Measured with 2^20 leases: a lock taken once for a batch of 64 packets costs nothing that can be seen, also with
// 20,000 changes a second; 256 sharded locks or a sync.Map cost more for every look-up than they save.
package leases
