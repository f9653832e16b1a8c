package keyring

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// verifyAtOpen compares the key store's rows with their MACs, counts and sums:
// fences always, since a lost fence is the worst loss, and keys when they are
// few enough not to delay the start. The rest is Check's.
func (k *Keyring) verifyAtOpen(ctx context.Context) error {
	if err := k.refresh(ctx); err != nil {
		return err
	}
	return k.inOneState(ctx, func(tx *sql.Tx, st *state) error {
		if err := verifyTable(ctx, tx, k.fenceTable(), st.fences); err != nil {
			return err
		}
		if st.marks.count <= uint64(max(k.opts.VerifyRows, 0)) {
			if err := verifyTable(ctx, tx, k.markTable(), st.marks); err != nil {
				return err
			}
		}
		if st.keys.count > uint64(max(k.opts.VerifyRows, 0)) {
			return nil
		}
		return verifyTable(ctx, tx, k.keyTable(false), st.keys)
	})
}

// inOneState runs f on one consistent state of the key store. It holds no
// writer up; an erasure that wants the write-ahead log cut meanwhile is
// incomplete until it is repeated.
func (k *Keyring) inOneState(ctx context.Context, f func(*sql.Tx, *state) error) error {
	tx, err := k.reads.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("verifying the key store: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // read only
	st, err := scanState(&k.secrets, tx.QueryRowContext(ctx, selectState).Scan)
	if err != nil {
		return err
	}
	return f(tx, st)
}

// checkedTable is a table whose rows say themselves whether they are whole.
type checkedTable struct {
	name, columns string
	// read scans one row: what it is, its MAC, and what is wrong with it, ""
	// when nothing is.
	read func(scan func(...any) error) (row string, mac []byte, wrong string, err error)
}

// keyTable is the table of keys. Deep also unwraps the live ones.
func (k *Keyring) keyTable(deep bool) checkedTable {
	var scratch [512]byte
	return checkedTable{"keys", keyColumns, func(scan func(...any) error) (string, []byte, string, error) {
		var r keyRow
		if err := r.scan(scan); err != nil {
			return "", nil, "", err
		}
		wrong := k.wrongMAC(r.mac, r.message(scratch[:0]), macSize)
		if deep && wrong == "" && !r.fenced {
			key, err := k.unwrapLocal(&r)
			if errors.Is(err, errDead) { // lost, or rewrapped since this state
				key, err = k.rowNow(&r)
			}
			if err != nil {
				return "", nil, "", err
			}
			if key != nil {
				key.wipe()
			}
		}
		return "key " + r.id.String(), r.mac, wrong, nil
	}}
}

func (k *Keyring) fenceTable() checkedTable {
	return checkedTable{"fences", fenceColumns, func(scan func(...any) error) (string, []byte, string, error) {
		var r fenceRow
		err := r.scan(scan)
		return "fence of key " + r.id.String(), r.mac, k.wrongMAC(r.mac, r.message(), macSize), err
	}}
}

func (k *Keyring) markTable() checkedTable {
	return checkedTable{"marks", markColumns, func(scan func(...any) error) (string, []byte, string, error) {
		var r markRow
		err := r.scan(scan)
		return fmt.Sprintf("mark %x", r.mac), r.rowMAC, k.wrongMAC(r.rowMAC, r.message(), macSize), err
	}}
}

// wrongMAC compares a MAC of macSize or, of the lookup file, shortMAC bytes.
func (k *Keyring) wrongMAC(stored, message []byte, size int) string {
	if equal(stored, k.secrets.rowMAC(message)[:size]) {
		return ""
	}
	return "its MAC is wrong"
}

// verifyTable fails with an *IntegrityError at the first row that is wrong, or
// when the rows are not the ones that were written.
func verifyTable(ctx context.Context, tx *sql.Tx, t checkedTable, want tally) error {
	rows, err := tx.QueryContext(ctx, "SELECT "+t.columns+" FROM "+t.name)
	if err != nil {
		return fmt.Errorf("verifying the key store: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only
	var found tally
	for rows.Next() {
		row, mac, wrong, err := t.read(rows.Scan)
		if err != nil {
			return fmt.Errorf("verifying the key store: %w", err)
		}
		if wrong != "" {
			return &IntegrityError{Table: t.name, Row: row + ": " + wrong}
		}
		found.add(mac)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("verifying the key store: %w", err)
	}
	if found != want {
		return &IntegrityError{Table: t.name, Want: want.count, Found: found.count}
	}
	return nil
}
