//go:build !linux

package keyring

// DisableCoreDumps does nothing here: turn core dumps off in the service
// manager.
func DisableCoreDumps() error { return nil }
