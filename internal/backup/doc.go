// Package backup copies an open ledger, or its keys, to another place, shows
// and verifies such copies, and puts them back.
//
// # Model
//
// A ledger and its keys are two backups in two places, because they follow
// different rules: the ledger's may be kept for as long as its events have to
// be, and holds nothing readable; the keys' makes it readable, and is kept for
// a short time, since keys that were destroyed live on in it until the epoch
// keys that wrap it are gone. A ledger is copied first and its keys after it:
// a key is durable before the event that needs it, so that every key that an
// event of the copy needs is in the later copy, or was destroyed in between.
//
// The root key, the epoch keys, the lookup, the erasure journal and the known
// checkpoints are in no backup. Neither is what follows from the log: index,
// views, tiles.
//
// # A place
//
//	PLACE/LOCK                                held while a backup is made
//	PLACE/20260131T090000.000000Z/            a backup, by the time it was taken
//	PLACE/20260131T090000.000000Z/MANIFEST    what it holds; written last
//	PLACE/20260131T090000.000000Z.partial/    under way, or left by one that was stopped
//
// Of a ledger:                               of keys:
//
//	log/FORMAT, log/MANIFEST                  keys.db     the key store
//	log/00000001.000.seg …                    log-keys    keys that sign checkpoints, wrapped
//	seal/policy                               the witness policy, if there is one
//
// A segment file that an earlier backup of the place has is linked to it, and
// copied where links are not possible. So every backup is whole by itself, and
// removing one is removing its directory.
//
// # Limits
//
// Linked backups share the bytes of a segment: a damaged byte damages all of
// them. A second place on another disk is what helps.
package backup
