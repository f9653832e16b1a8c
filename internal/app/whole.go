package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"lethe/internal/config"
	"lethe/internal/keyring"
	"lethe/internal/seal"
)

// ErrLogMissing: there are keys or known checkpoints, and no log. Nothing was
// changed or made.
var ErrLogMissing = errors.New("the event log is missing")

// RequireLog refuses to begin a ledger beside what is left of another, or of
// one whose disk is not mounted: it would take its keys and known checkpoints
// for its own.
func RequireLog(of config.Storage) error {
	s := of.Resolved()
	if there, err := exists(filepath.Join(s.Data, "log")); there || err != nil {
		return err
	}
	keys, err := keyring.StoreThere(s.Keys)
	if err != nil {
		return err
	}
	if keys {
		return logMissing(s.Data, s.Keys, "a key store")
	}
	pins, err := exists(filepath.Join(s.Pins, seal.LatestFile))
	if pins {
		return logMissing(s.Data, s.Pins, "known checkpoints")
	}
	return err
}

func logMissing(data, dir, what string) error {
	return fmt.Errorf("%w: %s has none, and %s has %s of a ledger: mount the disk of --data, name the right directory, "+
		"or put the log back with `lethe restore --ledger-from`; a new ledger needs directories of its own for all that it keeps",
		ErrLogMissing, data, dir, what)
}

// requireKeys refuses to make keys for a log that has events: its own would not
// fit any more when they are back. It comes between opening the two.
func (a *App) requireKeys() error {
	s := a.Config.Storage.Resolved()
	there, err := keyring.StoreThere(s.Keys)
	if there || err != nil || a.Store.Stats().Head == 0 {
		return err
	}
	return fmt.Errorf("%s has no keys, and the log in %s has events: %w", s.Keys, s.Data, keyring.ErrStoreMissing)
}

func exists(name string) (bool, error) {
	_, err := os.Stat(name)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, fmt.Errorf("looking for what the ledger keeps: %w", err)
}
