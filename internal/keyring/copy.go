package keyring

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"modernc.org/sqlite"

	"lethe/internal/room"
)

// Copy says what a copy of the key store holds. It is not secret.
type Copy struct {
	Store    string      // the key store's ID, in hexadecimal
	EpochSeq uint64      // changes of the epoch keys that it knows of
	Epochs   []CopyEpoch // the newest ones that wrap its keys; none when that is not known
	FenceSeq uint64      // destructions up to here are in it
	Keys     uint64      // rows, those of destroyed keys too
	Fences   uint64
	Journal  uint64 // entries of the erasure journal that were applied to it
}

// CopyEpoch is an epoch, with the buckets whose newest it was when a copy was
// made: "0-255".
type CopyEpoch struct {
	Epoch   uint32
	Buckets string
}

// CopyTo writes a consistent copy of the key store to a file that must not be
// there, durably and for its owner's eyes only. The keyring goes on meanwhile;
// only the clearing of the write-ahead log behind a destruction waits for it,
// and may report itself incomplete. The copy has what is live: pages of the
// file that are free, and so bytes of destroyed keys, are not in it. Neither
// are the root key and the epoch keys, without which it cannot be read.
func (k *Keyring) CopyTo(ctx context.Context, path string) (c Copy, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("copying the key store: %w", err)
		}
	}()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the caller names it
	if err != nil {
		return Copy{}, err
	}
	_, err = k.reads.ExecContext(ctx, "VACUUM INTO ?", path) // takes an empty file, and would make one that all may read
	if err = errors.Join(room.Explain(path, err), f.Sync(), f.Close()); err != nil {
		return Copy{}, err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return Copy{}, err
	}
	c, err = inspectCopy(ctx, path, func(scan func(...any) error) (*state, error) { return scanState(&k.secrets, scan) })
	if err != nil {
		return Copy{}, err
	}
	return k.withEpochs(c), nil
}

// Describe says what a copy would hold now.
func (k *Keyring) Describe(ctx context.Context) (Copy, error) {
	st, err := scanState(&k.secrets, k.reads.QueryRowContext(ctx, selectState).Scan)
	if err != nil {
		return Copy{}, err
	}
	return k.withEpochs(copyOf(k.storeID[:], st)), nil
}

func copyOf(id []byte, st *state) Copy {
	return Copy{
		Store: hex.EncodeToString(id), EpochSeq: epochSequence(st.epochSeq).counter(), FenceSeq: st.fenceSeq,
		Keys: st.keys.count, Fences: st.fences.count, Journal: st.journal.seq,
	}
}

// withEpochs notes the newest epochs. Those of now are at least as new as the
// copy's, so that it is never called dead too early; those of a process that
// has not seen a rotation yet would not be.
func (k *Keyring) withEpochs(c Copy) Copy {
	e := k.epochs.Load()
	if e.sequence.counter() < c.EpochSeq {
		return c
	}
	by := map[uint32]*bucketSet{}
	for _, x := range e.live {
		if by[x.number] == nil {
			by[x.number] = &bucketSet{}
		}
		by[x.number].add(x.bucket)
	}
	for _, number := range slices.Sorted(maps.Keys(by)) {
		c.Epochs = append(c.Epochs, CopyEpoch{Epoch: number, Buckets: by[number].String()})
	}
	return c
}

// CopyDead tells since when, or from when, nobody can open a copy any more:
// the epoch keys that wrap it were deleted at every place. false: some are
// there still, or nobody knows. It reads the files of the places that are
// there, and needs no key. purgeAfter is Options.PurgeAfter.
func CopyDead(c Copy, purgeAfter time.Duration, dirs ...string) (since time.Time, dead bool) {
	var newest *epochForm
	for _, dir := range dirs {
		f := readPlace(dir).form
		if f != nil && hex.EncodeToString(f.Store[:]) == c.Store && (newest == nil || f.Sequence.counter() > newest.Sequence.counter()) {
			newest = f
		}
	}
	if newest == nil || len(c.Epochs) == 0 || purgeAfter < 0 {
		return time.Time{}, false
	}
	for _, x := range c.Epochs {
		last, gone := newest.gone(x)
		if !gone {
			return time.Time{}, false
		}
		since = later(since, last)
	}
	return since.Add(purgeAfter), true
}

// gone is when the last of an epoch's keys was deleted at the last place.
func (f *epochForm) gone(x CopyEpoch) (last time.Time, gone bool) {
	var of, deleted bucketSet
	if of.UnmarshalText([]byte(x.Buckets)) != nil {
		return last, false
	}
	for i := range f.Gone {
		if g := &f.Gone[i]; g.Epoch == x.Epoch {
			if at, ok := g.destroyed(); ok {
				deleted, last = deleted.union(g.Buckets), later(last, at)
			}
		}
	}
	return last, of.within(deleted)
}

// destroyed is when the last place deleted the keys.
func (g *goneForm) destroyed() (last time.Time, ok bool) {
	for _, c := range g.Copies {
		if c.At.IsZero() {
			return time.Time{}, false
		}
		last = later(last, c.At)
	}
	return last, true
}

// InspectCopy reads what a copy of a key store says of itself, and checks the
// structure of its file. It changes nothing and needs no key, so that the
// MACs of the rows are not checked: opening the restored copy does that. Of
// the epochs it says nothing.
func InspectCopy(ctx context.Context, path string) (Copy, error) {
	c, err := inspectCopy(ctx, path, func(scan func(...any) error) (*state, error) {
		var st state
		_, err := st.scan(scan)
		return &st, err
	})
	if err != nil {
		return Copy{}, fmt.Errorf("reading a copy of the key store: %w", err)
	}
	return c, nil
}

func inspectCopy(ctx context.Context, path string, read func(scan func(...any) error) (*state, error)) (c Copy, err error) {
	uri := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: "mode=ro&immutable=1&_pragma=trusted_schema(OFF)"}
	base, err := sqlite.NewConnector(uri.String())
	if err != nil {
		return Copy{}, err
	}
	db := sql.OpenDB(base)
	defer func() { err = errors.Join(err, db.Close()) }()
	var sound string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&sound); err != nil {
		return Copy{}, err
	}
	if sound != "ok" {
		return Copy{}, &IntegrityError{Table: "of a copy", Row: sound}
	}
	var version, id []byte
	if err := db.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'version'").Scan(&version); err != nil {
		return Copy{}, err
	}
	if len(version) != 1 || version[0] > storeVersion {
		return Copy{}, ErrNewer
	}
	if err := db.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'store'").Scan(&id); err != nil {
		return Copy{}, err
	}
	st, err := read(db.QueryRowContext(ctx, selectState).Scan)
	if err != nil {
		return Copy{}, err
	}
	return copyOf(id, st), nil
}
