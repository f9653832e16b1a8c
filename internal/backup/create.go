package backup

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore/segment"
	"lethe/internal/durable"
	"lethe/internal/room"
)

// Options say what is backed up, and where to.
type Options struct {
	FS       vfs.FS // vfs.Default when nil
	LedgerTo string // the place for the ledger; "" = it is not backed up
	KeysTo   string // the place for its keys; "" = they are not backed up

	Log     *segment.Store
	Seal    func() (SealState, error) // how far it is sealed and published
	Keys    KeyStore
	Policy  string // the witness policy's file, which need not be there
	LogKeys string // the signing keys' file

	Program string
	Now     func() time.Time
	// Progress is told how many bytes are done of those to be copied; may be nil.
	Progress func(step Kind, done, total int64)
}

// KeyStore is the key store.
type KeyStore interface {
	// State says where it stands.
	State(ctx context.Context) (KeyState, error)
	// CopyTo writes a consistent copy to a file that is not there yet, durably
	// and for its owner's eyes only, and says what it holds.
	CopyTo(ctx context.Context, path string) (KeyState, error)
}

// Made is a backup that was made.
type Made struct {
	Place    string
	Dir      string
	Manifest *Manifest
	SHA256   [32]byte // of the MANIFEST
	Copied   int64    // bytes that were not linked to an earlier backup
}

// ErrNoRoom: the medium is full.
var ErrNoRoom = errors.New("there is no room for the backup")

// Failed is a backup that was not made.
type Failed struct {
	Of    Kind
	Place string
	Err   error
}

func (f *Failed) Error() string {
	return fmt.Sprintf("backing up the %s to %s: %v", f.Of, f.Place, f.Err)
}

// Unwrap gives the reason.
func (f *Failed) Unwrap() error { return f.Err }

// Create backs up the ledger and then its keys, or one of them, while both go
// on. What is given back is durable. A backup that fails is not listed; the
// next one goes on with what it had copied. Errors: *Failed, which is ErrBusy,
// ErrNoRoom, ctx's, or the file system's.
func Create(ctx context.Context, o Options) (made []Made, err error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Progress == nil {
		o.Progress = func(Kind, int64, int64) {}
	}
	at := o.Now()
	for _, kind := range []Kind{Ledger, Keys} { // never the other way round: an event's key is made before it
		to, fill := o.LedgerTo, o.ledger
		if kind == Keys {
			to, fill = o.KeysTo, o.keys
		}
		if to == "" {
			continue
		}
		m, err := o.create(ctx, kind, to, at, fill)
		if err != nil {
			return made, &Failed{Of: kind, Place: to, Err: err}
		}
		made = append(made, m)
	}
	return made, nil
}

// create makes one backup: its files in a directory with another name, then
// its MANIFEST, then its name.
func (o *Options) create(ctx context.Context, kind Kind, to string, at time.Time, fill func(context.Context, *work) error) (_ Made, err error) {
	p, err := openPlace(o.FS, to, kind)
	if err != nil {
		return Made{}, noRoom(err)
	}
	defer func() { err = errors.Join(err, p.close()) }()
	w := &work{Options: o, place: p, have: map[string]File{}, manifest: &Manifest{Kind: kind, Program: o.Program}}
	w.manifest.Name, w.manifest.Time = p.name(at)
	final := o.FS.PathJoin(p.dir, w.manifest.Name)
	w.dir = final + partialSuffix
	if err := durable.MakeDirs(o.FS, w.dir); err != nil {
		return Made{}, w.failed(err)
	}
	if err := fill(ctx, w); err != nil {
		return Made{}, w.failed(err)
	}
	sum, err := w.finish(final)
	if err != nil {
		return Made{}, w.failed(err)
	}
	return Made{Place: to, Dir: final, Manifest: w.manifest, SHA256: sum, Copied: w.copied}, p.clear()
}

// failed tells a full medium, and then leaves nothing: what it holds is
// wanted back. Otherwise the next backup goes on with what is there.
func (w *work) failed(err error) error {
	if !noSpace(err) {
		return err
	}
	return noRoom(errors.Join(err, w.FS.RemoveAll(w.dir), w.place.clear()))
}

// noRoom says what to do about a full medium.
func noRoom(err error) error {
	if !noSpace(err) || errors.Is(err, ErrNoRoom) {
		return err
	}
	return fmt.Errorf("%w, and nothing of it was kept: make room, or name another place: %w", ErrNoRoom, err)
}

func noSpace(err error) bool {
	return errors.Is(err, ErrNoRoom) || room.None(err)
}

// finish makes everything durable and names it.
func (w *work) finish(final string) (sum [32]byte, err error) {
	for _, sub := range w.subdirs() {
		if err := durable.SyncDir(w.FS, sub); err != nil {
			return sum, err
		}
	}
	if what := w.manifest.fault(); what != "" {
		return sum, fmt.Errorf("writing MANIFEST: %s", what)
	}
	b, err := durable.EncodeJSON(manifestHead, w.manifest)
	if err != nil {
		return sum, err
	}
	if err := durable.ReplaceFile(w.FS, w.dir, manifestName, b); err != nil {
		return sum, err
	}
	if err := private(w.FS, w.FS.PathJoin(w.dir, manifestName)); err != nil {
		return sum, err
	}
	if err := w.FS.Rename(w.dir, final); err != nil {
		return sum, fmt.Errorf("naming the backup: %w", err)
	}
	return sha256.Sum256(b), durable.SyncDir(w.FS, w.place.dir)
}

// ledger fills a backup of the ledger. What the seal and the keys say is read
// before the log, so that none of it is ahead of the copy.
func (o *Options) ledger(ctx context.Context, w *work) (err error) {
	m := w.manifest
	if m.Seal, err = o.Seal(); err != nil {
		return err
	}
	if m.Keys, err = o.Keys.State(ctx); err != nil {
		return err
	}
	return w.log(ctx)
}

func (w *work) log(ctx context.Context) error {
	snap, err := w.Log.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Release()
	w.manifest.Log = LogState{ID: snap.Log, Position: snap.Position, Events: snap.Events}
	w.manifest.Files = nil
	if err := w.segments(ctx, snap); err != nil {
		return err
	}
	for _, f := range snap.Small {
		if err := w.put(logDir+"/"+f.Name, f.Data); err != nil {
			return err
		}
	}
	policy, err := durable.ReadFile(w.FS, w.Policy, manifestMax)
	switch {
	case durable.IsNotExist(err):
		return nil
	case err != nil:
		return fmt.Errorf("reading the witness policy: %w", err)
	}
	return w.put(sealDir+"/"+policyFile, policy)
}

// keys fills a backup of the keys. Where the log stands is read before them:
// what an event up to there needs is in the copy.
func (o *Options) keys(ctx context.Context, w *work) (err error) {
	m := w.manifest
	if m.Seal, err = o.Seal(); err != nil {
		return err
	}
	snap, err := o.Log.Snapshot()
	if err != nil {
		return err
	}
	snap.Release() // only its place is wanted
	m.Log = LogState{ID: snap.Log, Position: snap.Position, Events: snap.Events}
	path := w.FS.PathJoin(w.dir, keysFile)
	if m.Keys, err = o.Keys.CopyTo(ctx, path); err != nil {
		return err
	}
	if err := w.note(ctx, keysFile); err != nil {
		return err
	}
	signing, err := durable.ReadFile(w.FS, w.LogKeys, manifestMax)
	if err != nil {
		return fmt.Errorf("reading the keys that sign the log: %w", err)
	}
	return w.put(logKeysFile, signing)
}
