// Package keyring holds the keys that make personal values readable, and is
// the only place that can make them unreadable for good.
//
// # Model
//
// The key file of the root wraps 256 epoch keys, which wrap one data key per
// compartment: one owner's values of one retention group. A value is sealed
// under a secret of its own that follows from the data key, so that one value
// can be disclosed without the others. Destroying a data key leaves a fence
// behind, and the compartment never gets a key again by itself.
//
// Opening a part has four outcomes that are never confused: the value,
// erased (a fence names the key), key missing (neither key nor fence: an
// alarm) and tampered.
//
// # Stores
//
// Three, on purpose in files of their own: data keys and fences (keys.db in
// Dir), epoch keys (epochs in EpochDir, meant to be in no backup), and blind
// index and claims (lookup.db in LookupDir, in no backup, rebuilt from sealed
// values). Keys.db must never share a backup with the event log.
//
// # Limits
//
// Destruction is attested for the files of this keyring. Copies of a file
// that others made die with their epoch key, not before.
//
// # Compatibility
//
// The format of parts is that of internal/part. Wrapped keys and row MACs
// carry a version with their store; stores of a newer version are refused.
package keyring
