// Package segment is the embedded event store: preallocated, checksummed
// segment files that are the write-ahead log and the store in one, with an
// index that can be rebuilt from them.
//
// # Model
//
// One committer drains a queue of appends, checks what each expects of its
// stream, encodes them into one group, writes and syncs it, and only then
// acknowledges. Readers are goroutines of the same process and see a group
// once it is durable, never before. One process holds the directory; others
// go through its API.
//
// # Directory
//
//	LOCK                    held while a process has the directory open
//	FORMAT                  versions of what is stored; a newer one is refused
//	MANIFEST                which segment files count, the era, the clean-stop mark
//	00000001.000.seg        segment 1, version 0; a file that replaced it is version 1
//	index/                  stream + revision to position, in Pebble without a WAL
//
// # After an unclean stop
//
// The operating system may hold groups in memory that the disk does not. They
// read back well and vanish with the next power cut. So nothing of the old
// tail is served: the valid prefix of the last segment is copied to a new
// file, synced and swapped in, and only that is read. What follows the prefix
// is cut and reported if nothing durable refers past it; otherwise the store
// refuses to open with a *eventstore.CorruptError.
//
// # Dropped parts
//
// Sealed parts can be dropped from full segments. A replacement is written
// beside the old file, without them but with their hashes, and MANIFEST names
// it from one moment to the next. Readers keep the version that they read. The
// old file is overwritten and removed when nobody reads it any more, and what
// a crash leaves of it by the next opening.
//
// # Promise
//
// Files written by a released version stay readable by later ones, or are
// refused with an error that names the versions; they are never guessed at.
package segment
