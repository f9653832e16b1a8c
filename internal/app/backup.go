package app

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
	"lethe/internal/backup"
	"lethe/internal/config"
	"lethe/internal/keyring"
	"lethe/internal/part"
)

// sealSoon is how long a backup waits for what it copies to be sealed.
const sealSoon = 2 * time.Second

// Backups are the places that an open ledger is backed up to.
type Backups struct {
	App     *App
	To      config.Backup
	Program string // its version
}

// Places tells what there is a place for.
func (b *Backups) Places() (ledger, keys bool) { return b.To.LedgerTo != "", b.To.KeysTo != "" }

// List shows the backups there are, of the ledger first.
func (b *Backups) List(context.Context) (ledger, keys []backup.Entry, err error) {
	return ListBackups(b.To, b.App.Config.Storage)
}

// ListBackups shows the backups at places. No ledger need be there; where its
// epoch keys are, backups of keys that are dead say so.
func ListBackups(at config.Backup, of config.Storage) (ledger, keys []backup.Entry, err error) {
	if at.LedgerTo != "" {
		if ledger, err = backup.List(vfs.Default, at.LedgerTo); err != nil {
			return nil, nil, err
		}
	}
	if at.KeysTo != "" {
		keys, err = backup.List(vfs.Default, at.KeysTo)
	}
	for i := range keys {
		if keys[i].Err == nil {
			keys[i].Dead = dead(of, keys[i].Manifest)
		}
	}
	return ledger, keys, err
}

// Create backs up the ledger and then its keys, or one of them, while both go
// on. progress may be nil.
func (b *Backups) Create(ctx context.Context, ledger, keys bool, progress func(of backup.Kind, done, total int64)) ([]backup.Made, error) {
	a, to := b.App, b.To
	if !ledger {
		to.LedgerTo = ""
	}
	if !keys {
		to.KeysTo = ""
	}
	to, err := Places(to, a.Config.Storage)
	if err != nil {
		return nil, err
	}
	s := a.Config.Storage.Resolved()
	waiting, cancel := context.WithTimeout(ctx, sealSoon)
	_ = a.Seal.WaitFor(waiting, a.Store.Stats().Head) // the manifest says how far the copy is sealed
	cancel()
	return backup.Create(ctx, backup.Options{
		LedgerTo: to.LedgerTo, KeysTo: to.KeysTo, Log: a.Store, Seal: a.sealState, Keys: keyStore{a.Keys},
		Policy: filepath.Join(s.Data, "seal", "policy"), LogKeys: filepath.Join(s.Keys, "log-keys"),
		Program: b.Program, Now: time.Now, Progress: progress,
	})
}

// Places gives absolute places, or why a backup does not belong there.
func Places(to config.Backup, of config.Storage) (config.Backup, error) {
	places := of.Places()
	dirs := []*string{&to.LedgerTo, &to.KeysTo}
	for i := range places {
		dirs = append(dirs, &places[i])
	}
	for _, dir := range dirs {
		if *dir == "" {
			continue
		}
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return to, fmt.Errorf("finding %s: %w", *dir, err)
		}
		*dir = abs
	}
	return to, backup.Separate(to.LedgerTo, to.KeysTo, places...)
}

// sealState is how far history is sealed. The published checkpoint is read
// first: it is never ahead of the rest.
func (a *App) sealState() (backup.SealState, error) {
	published := a.Seal.Published()
	at, err := a.Seal.Standing()
	if err != nil {
		return backup.SealState{}, err
	}
	s := backup.SealState{
		Origin: at.Origin, Restarts: at.Restarts, Size: at.Size, Position: at.Position, Root: slices.Clone(at.Root[:]),
		KeyList: string(a.Seal.KeyList()),
	}
	if published != nil {
		s.Checkpoint = string(published.Note)
	}
	return s, nil
}

// keyStore is the keyring as a backup sees it.
type keyStore struct{ keys *keyring.Keyring }

var _ backup.KeyStore = keyStore{}

// State implements backup.KeyStore.
func (k keyStore) State(ctx context.Context) (backup.KeyState, error) {
	c, err := k.keys.Describe(ctx)
	return keyState(c), err
}

// CopyTo implements backup.KeyStore.
func (k keyStore) CopyTo(ctx context.Context, path string) (backup.KeyState, error) {
	c, err := k.keys.CopyTo(ctx, path)
	return keyState(c), err
}

func keyState(c keyring.Copy) backup.KeyState {
	k := backup.KeyState{
		Store: c.Store, EpochSeq: c.EpochSeq, FenceSeq: c.FenceSeq, Keys: c.Keys, Fences: c.Fences, Journal: c.Journal,
	}
	for _, e := range c.Epochs {
		k.Epochs = append(k.Epochs, backup.KeyEpoch(e))
	}
	return k
}

// dead tells since when, or from when, a backup of keys cannot be opened any more.
func dead(of config.Storage, m *backup.Manifest) (since time.Time) {
	c := keyring.Copy{Store: m.Keys.Store}
	for _, e := range m.Keys.Epochs {
		c.Epochs = append(c.Epochs, keyring.CopyEpoch(e))
	}
	at := of.Resolved()
	since, _ = keyring.CopyDead(c, at.PurgeAfter, append([]string{at.Epochs}, at.EpochReplicas...)...)
	return since
}

// WithoutKey counts the values that were sealed in events after a position and
// whose key is neither there nor fenced, as after keys were restored that are
// older than the log.
func (a *App) WithoutKey(ctx context.Context, after eventstore.Position) (values int, err error) {
	var keys []keyring.KeyInfo
	ask := func() error {
		states, err := a.Keys.KeyStates(ctx, keys)
		for _, s := range states {
			if s == keyring.KeyLost {
				values++
			}
		}
		keys = keys[:0]
		return err
	}
	for rec, err := range a.Store.ReadAll(ctx, after) {
		if err != nil {
			return 0, fmt.Errorf("looking for values without a key: %w", err)
		}
		for _, p := range rec.Sealed {
			h, err := part.Parse(p)
			if err != nil {
				continue // the audit says so
			}
			keys = append(keys, keyring.KeyOf(&h))
		}
		if len(keys) >= manyErasures {
			if err := ask(); err != nil {
				return 0, err
			}
		}
	}
	return values, ask()
}

// VerifyBackup verifies a backup.
func VerifyBackup(ctx context.Context, dir string, o backup.VerifyOptions) (backup.Report, error) {
	o.InspectKeys = func(ctx context.Context, path string) (backup.KeyState, error) {
		c, err := keyring.InspectCopy(ctx, path)
		return keyState(c), err
	}
	return backup.Verify(ctx, dir, o)
}

// unfinished refuses to open what is being restored.
func unfinished(of config.Storage) error {
	s := of.Resolved()
	return backup.Unfinished(vfs.Default, s.Data, s.Keys)
}
