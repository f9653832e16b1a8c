package keyring

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
)

// Copy says what a copy of the key store holds. It is not secret.
type Copy struct {
	Store    string `json:"store"`     // the key store's ID, in hexadecimal
	EpochSeq uint64 `json:"epoch_seq"` // of the epoch keys that wrap it
	FenceSeq uint64 `json:"fence_seq"` // destructions up to here are in it
	Keys     uint64 `json:"keys"`      // rows, those of destroyed keys too
	Fences   uint64 `json:"fences"`
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
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return Copy{}, err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return Copy{}, err
	}
	return inspectCopy(ctx, path, func(scan func(...any) error) (*state, error) { return scanState(&k.secrets, scan) })
}

// Describe says what a copy would hold now.
func (k *Keyring) Describe(ctx context.Context) (Copy, error) {
	st, err := scanState(&k.secrets, k.reads.QueryRowContext(ctx, selectState).Scan)
	if err != nil {
		return Copy{}, err
	}
	return copyOf(k.storeID[:], st), nil
}

func copyOf(id []byte, st *state) Copy {
	return Copy{
		Store: hex.EncodeToString(id), EpochSeq: st.epochSeq, FenceSeq: st.fenceSeq, Keys: st.keys.count, Fences: st.fences.count,
	}
}

// InspectCopy reads what a copy of a key store says of itself, and checks the
// structure of its file. It changes nothing and needs no key, so that the
// MACs of the rows are not checked: opening the restored copy does that.
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
