package keyring

import (
	"database/sql"
	"errors"
	"fmt"
)

func (k *Keyring) generation(c Compartment, generation uint32) (row keyRow, err error) {
	stmt, err := k.writer.stmt("SELECT " + keyColumns + " FROM keys WHERE owner = ? AND grp = ? AND generation = ?")
	if err != nil {
		return row, err
	}
	if err = row.scan(stmt.QueryRow(rowOwner(c.Owner), c.Group, generation).Scan); err != nil {
		return row, fmt.Errorf("reading a key: %w", err)
	}
	return row, k.checkRow(&row)
}

// insertLost makes the fenced row of a key that the key store does not have.
func (k *Keyring) insertLost(c *changes, info *KeyInfo) error {
	row := keyRow{c: info.Compartment, generation: info.Generation, lifecycle: 1, fenced: true, id: info.ID, wrapped: []byte{}}
	newest, err := k.newest(info.Compartment)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		if info.Generation > 1 {
			c.gaps++
		}
	case err != nil:
		return err
	default:
		row.lifecycle = newest.lifecycle
	}
	return k.insertRow(c, &row)
}

// insertRow inserts a row of any generation and state.
func (k *Keyring) insertRow(c *changes, row *keyRow) error {
	row.mac = k.secrets.rowMAC(row.message(nil))
	_, err := k.writer.exec("INSERT INTO keys ("+keyColumns+") VALUES (?,?,?,?,?,?,?,?,?)",
		rowOwner(row.c.Owner), string(row.c.Group), int64(row.generation), int64(row.lifecycle), row.fenced,
		row.id[:], int64(row.epoch), row.wrapped, row.mac)
	if err != nil {
		return fmt.Errorf("inserting a key: %w", err)
	}
	c.keys.add(row.mac)
	c.written = true
	return nil
}

func (k *Keyring) updateRow(row *keyRow) error {
	n, err := k.writer.exec("UPDATE keys SET lifecycle = ?, fenced = ?, epoch = ?, wrapped = ?, mac = ? WHERE owner = ? AND grp = ? AND generation = ?",
		int64(row.lifecycle), row.fenced, int64(row.epoch), row.wrapped, row.mac, rowOwner(row.c.Owner), string(row.c.Group), int64(row.generation))
	if err != nil {
		return fmt.Errorf("changing a key: %w", err)
	}
	if n != 1 {
		return fmt.Errorf("changing a key: %d rows changed", n)
	}
	return nil
}

func (k *Keyring) fence(c *changes, e *entry, of *ending) error {
	f := fenceRow{
		id: of.key.ID, fingerprint: append([]byte{}, of.fingerprint...), c: of.key.Compartment, generation: of.key.Generation,
		erasure: e.erasure, cause: e.cause, marks: e.marks, at: e.at,
	}
	f.mac = k.secrets.rowMAC(f.message())
	n, err := k.writer.exec("INSERT INTO fences ("+fenceColumns+") VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
		f.id[:], f.fingerprint, f.c.Owner, string(f.c.Group), int64(f.generation), f.erasure[:], string(f.cause), int64(f.marks), f.at, f.mac)
	if err != nil {
		return fmt.Errorf("fencing a key: %w", err)
	}
	if n == 1 { // else the key was put back and its first fence stands
		c.fences.add(f.mac)
		c.written = true
	}
	return nil
}
