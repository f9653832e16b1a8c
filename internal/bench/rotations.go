package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"lethe/domain"
	"lethe/internal/keyring"
)

// rotations measures wrapping every key anew, at two places of epoch keys,
// beside rewriting as many rows of that size in the same kind of file.
func (b *bench) rotations(ctx context.Context) (err error) {
	dir := filepath.Join(b.Dir, "rotated")
	k, err := keyring.Open(ctx, keyring.Options{
		Dir: dir, EpochDir: filepath.Join(dir, "epochs"), EpochReplicas: []string{filepath.Join(dir, "replica")},
		LookupDir: dir, RootKeyFile: filepath.Join(dir, "root.key"), CreateRoot: true, Rand: b.Rand,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	b.tell("rotation of the epoch keys of %d keys", b.Rotated)
	if err := provisionKeys(ctx, k, b.Rotated); err != nil {
		return err
	}
	start := begin()
	if _, err := k.Rotate(ctx, keyring.RotateOptions{}); err != nil {
		return err
	}
	all := start.rate(b.Rotated)
	took := time.Since(start.start)
	one := time.Now()
	if _, err := k.Rotate(ctx, keyring.RotateOptions{Buckets: []uint8{7}}); err != nil {
		return err
	}
	urgent := time.Since(one)
	base, err := rewriteRows(ctx, filepath.Join(dir, "rows.db"), b.Rotated)
	if err != nil {
		return err
	}
	b.add(Figure{
		Name: "rotation of every epoch key", Unit: "keys/s",
		Note: fmt.Sprintf("%d keys in %s: rewrapped, read back and unwrapped, the old epoch keys deleted at two places; one bucket of 256 alone takes %s",
			b.Rotated, took.Round(time.Millisecond), urgent.Round(time.Millisecond)),
	}.of(all).against("rewriting as many rows, same pragmas and transactions", base, 0))
	return nil
}

func provisionKeys(ctx context.Context, k *keyring.Keyring, n int) error {
	const batch = 16_384
	for from := 0; from < n; from += batch {
		var of []keyring.Compartment
		for i := from; i < min(n, from+batch); i++ {
			of = append(of, keyring.Compartment{Owner: fmt.Sprintf("subject-s%09d", i), Group: domain.Name("contact")})
		}
		if _, err := k.Provision(ctx, of); err != nil {
			return err
		}
	}
	return nil
}

// rewriteRows updates every row of a table once, 1,024 to a transaction.
func rewriteRows(ctx context.Context, path string, n int) (rate, error) {
	db, err := sql.Open("sqlite", "file:"+path+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=secure_delete(ON)&_pragma=cache_size(-16384)&_pragma=wal_autocheckpoint(16384)")
	if err != nil {
		return rate{}, fmt.Errorf("opening a bare table: %w", err)
	}
	defer db.Close() //nolint:errcheck // scratch
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, `CREATE TABLE keys (owner TEXT NOT NULL, wrapped BLOB NOT NULL, mac BLOB NOT NULL, PRIMARY KEY (owner)) WITHOUT ROWID;
		WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < `+fmt.Sprint(n)+`)
		INSERT INTO keys SELECT printf('subject-s%09d', i), randomblob(140), randomblob(16) FROM n`)
	if err != nil {
		return rate{}, fmt.Errorf("filling a bare table: %w", err)
	}
	wrapped, mac := make([]byte, 140), make([]byte, 16)
	start := begin()
	for from := 0; from < n; from += 1024 {
		if err := rewriteSome(ctx, db, wrapped, mac, from, min(n, from+1024)); err != nil {
			return rate{}, fmt.Errorf("rewriting bare rows: %w", err)
		}
	}
	return start.rate(n), nil
}

func rewriteSome(ctx context.Context, db *sql.DB, wrapped, mac []byte, from, to int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	update, err := tx.PrepareContext(ctx, "UPDATE keys SET wrapped = ?, mac = ? WHERE owner = ?")
	if err != nil {
		return err
	}
	defer update.Close() //nolint:errcheck // with its transaction
	for i := from; i < to; i++ {
		if _, err := update.ExecContext(ctx, wrapped, mac, fmt.Sprintf("subject-s%09d", i)); err != nil {
			return err
		}
	}
	return tx.Commit()
}
