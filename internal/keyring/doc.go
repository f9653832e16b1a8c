// Package keyring holds the keys that make personal values readable, and is
// the only place that can make them unreadable for good.
//
// # Model
//
// The key file of the root wraps 256 epoch keys, which wrap one data key per
// compartment: one owner's values of one retention group. A value is sealed
// under a secret of its own that follows from the data key, so that one value
// can be disclosed without the others.
//
// A compartment has keys of one generation after the other: the newest seals,
// older ones open what they sealed, until they are destroyed. Destroying a
// key leaves a fence behind. Where the newest key was destroyed, the
// compartment is erased and gets no key again by itself: only Reopen, which
// starts a lifecycle, makes one above the fence. In every transaction a key is
// inserted only above the newest row that it has read there.
//
// Opening a part has four outcomes that are never confused: the value,
// erased (a fence names the key), key missing (neither key nor fence: an
// alarm) and tampered.
//
// # Stores
//
// On purpose in files of their own:
//
//   - data keys, fences and marks of suppression: keys.db in Dir;
//   - epoch keys: epochs in EpochDir and its replicas, meant to be in no backup;
//   - blind index and claims: lookup.db in LookupDir, in no backup, rebuilt
//     from sealed values;
//   - the erasure journal, erasures in JournalDir, and beside it the marks once
//     more, in marks: in no backup of the key store or of the log;
//   - a second copy of the journal's head: erasures.head in HeadDir.
//
// Keys.db must never share a backup with the event log.
//
// # Destruction
//
// The journal's entry comes first and decides: before it nothing has happened,
// after it every way leads to the same end. Whatever is behind the journal's
// head that the key store holds is done by the next Destroy or by Open, before
// that returns; so a key store that was restored from before an erasure holds
// nothing readable of it when it serves. A journal that is lost or older is an
// error, unless the head's second copy shows that the key store is as new as
// the last entry; then it is written again from the fences. Where nothing shows
// that, somebody can declare it gone for good: it is begun anew and says so, and
// what was destroyed since the key store was copied is for the log to tell.
//
// What goes from the lookup file leaves marks of suppression, if that is
// wanted: keyed hashes that answer for whoever comes with the same source key
// or address, and that lead back neither to a token nor to an erasure.
//
// # Limits
//
// Destruction is attested for the files of this keyring. Copies of a file
// that others made die with their epoch key, not before. Until the next start
// the marks lie in their file in the order in which they came, so that who has
// the live keys, the journal and that file can guess which belong together.
//
// # Compatibility
//
// The format of parts is that of internal/part. Wrapped keys and row MACs
// carry a version with their store; stores of a newer version are refused.
package keyring
