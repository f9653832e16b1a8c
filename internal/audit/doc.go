// Package audit verifies a whole ledger: that what lies on the disk is what
// was recorded, sealed and promised, and says of whatever is not where it is,
// what it means and what to do.
//
// # Model
//
// An audit is a row of steps. The log is the root of all of them: every event
// is read from the disk, its leaf is made again, and compared with the tiles
// and entries that were published; the tree above them is computed anew and
// compared with every checkpoint that is known. What else a ledger has follows
// from the log, and is compared with it: the index of streams, the read
// models, the keys that its parts name.
//
//	opening      what opening the directory survived and made good
//	log          segments, leaves, tiles, entries; events name the values that were dropped
//	checkpoints  the tree's root at each known checkpoint, signatures, quorum
//	store        the store's index and small files
//	events       every event decodes; the key of every part is there or fenced, of a dropped one fenced
//	keys         the key store, the lookup, the signing keys
//	views        every row of every view against a fold of the log
//
// The first three need neither keys nor knowledge of what events mean.
//
// # Limits
//
// An audit compares what is there with what was sealed. It opens no value:
// that a part is what was sealed is said by its hash. Events after the newest
// checkpoint are read and counted, and nothing proves them yet. It sees the
// disk through the operating system's cache, and says how things were when it
// read them.
//
// Memory is bounded by the number of workers and by what is found, but for 32
// bytes for each 65,536 events.
package audit
