package keyring

import (
	"context"
	"database/sql"
	"fmt"
)

// Verify reads the whole key store and compares it with its counts and sums:
// an *IntegrityError names the table where rows were lost, put back or
// changed outside the program. It reads one consistent state and holds
// nobody up, but takes about a second for 200,000 keys.
func (k *Keyring) Verify(ctx context.Context) error {
	return k.verify(ctx, true, 0)
}

// verifyAtOpen checks fences always, since a lost fence is the worst loss,
// and keys when they are few enough not to delay the start.
func (k *Keyring) verifyAtOpen(ctx context.Context) error {
	if err := k.refresh(ctx); err != nil {
		return err
	}
	return k.verify(ctx, false, k.opts.VerifyRows)
}

// verify leaves out keys when they are more than limit, unless all is wanted.
func (k *Keyring) verify(ctx context.Context, all bool, limit int) error {
	tx, err := k.reads.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("verifying the key store: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // read only
	st, err := scanState(&k.secrets, tx.QueryRowContext(ctx, selectState).Scan)
	if err != nil {
		return err
	}
	err = k.verifyTable(ctx, tx, "fences", fenceColumns, st.fences, func(scan func(...any) error) ([]byte, []byte, string, error) {
		var f fenceRow
		err := f.scan(scan)
		return f.mac, k.secrets.rowMAC(f.message()), f.id.String(), err
	})
	if err != nil || !all && st.keys.count > uint64(max(limit, 0)) {
		return err
	}
	var scratch [512]byte
	return k.verifyTable(ctx, tx, "keys", keyColumns, st.keys, func(scan func(...any) error) ([]byte, []byte, string, error) {
		var r keyRow
		err := r.scan(scan)
		return r.mac, k.secrets.rowMAC(r.message(scratch[:0])), r.id.String(), err
	})
}

func (k *Keyring) verifyTable(ctx context.Context, tx *sql.Tx, table, columns string, want tally,
	read func(func(...any) error) (stored, computed []byte, name string, err error),
) error {
	rows, err := tx.QueryContext(ctx, "SELECT "+columns+" FROM "+table)
	if err != nil {
		return fmt.Errorf("verifying the key store: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only
	var found tally
	for rows.Next() {
		stored, computed, name, err := read(rows.Scan)
		if err != nil {
			return fmt.Errorf("verifying the key store: %w", err)
		}
		if !equal(stored, computed) {
			return &IntegrityError{Table: table, Row: "the MAC of key " + name + " is wrong"}
		}
		found.add(stored)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("verifying the key store: %w", err)
	}
	if found != want {
		return &IntegrityError{Table: table, Want: want.count, Found: found.count}
	}
	return nil
}
