package keyring

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"

	"lethe/domain"
)

func (k *Keyring) epochPath() string { return filepath.Join(k.opts.EpochDir, epochFile) }

// Destroy fences and deletes keys in one transaction, then clears the
// write-ahead log, so that their bytes are in no file of the key store.
// Afterwards nothing sealed with them opens, here at once and in other
// processes within a second, and their compartments get no new key. cause is
// a controlled term. Keys that are destroyed already are left as they are; a
// key that was lost is fenced too.
//
// Errors: *IncompleteError when the fences stand but the old bytes may still
// be in a file (call again); anything else means that nothing was destroyed.
func (k *Keyring) Destroy(ctx context.Context, keys []KeyInfo, cause domain.Name) error {
	if !cause.Valid() {
		return errors.New("destroying keys: the cause is malformed")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	k.writeMu.Lock()
	defer k.writeMu.Unlock()
	if k.writer == nil {
		return ErrClosed
	}
	var seq uint64
	err := k.writer.tx(func() error {
		st, err := readState(k.writer, &k.secrets)
		if err != nil {
			return err
		}
		for _, info := range keys {
			if err := k.destroyOne(st, info, cause); err != nil {
				return err
			}
		}
		st.fenceSeq++
		seq = st.fenceSeq
		return writeState(k.writer, &k.secrets, st)
	})
	if err != nil {
		return fmt.Errorf("destroying keys: %w", err)
	}
	ids := make([]KeyID, len(keys))
	for i, info := range keys {
		ids[i] = info.ID
	}
	k.cache.destroy(ids)
	// Own destruction is known; one by another process in between is not.
	k.known.CompareAndSwap(seq-1, seq)
	if err := k.writer.truncate(); err != nil {
		return &IncompleteError{Err: err}
	}
	return nil
}

func (k *Keyring) destroyOne(st *state, info KeyInfo, cause domain.Name) error {
	if !info.Compartment.Valid() || info.Generation == 0 {
		return errors.New("the compartment is malformed")
	}
	row, err := k.generation(info.Compartment, info.Generation)
	if errors.Is(err, sql.ErrNoRows) { // lost: fence it all the same
		row = keyRow{c: info.Compartment, generation: info.Generation, lifecycle: 1, fenced: true, id: info.ID, wrapped: []byte{}}
		row.mac = k.secrets.rowMAC(row.message(nil))
		if err := k.insertFenced(&row); err != nil {
			return err
		}
		st.keys.add(row.mac)
		return k.fence(st, &row, nil, cause)
	}
	if err != nil {
		return err
	}
	if row.id != info.ID {
		return fmt.Errorf("generation %d of the compartment has another key than %s", info.Generation, info.ID)
	}
	if row.fenced {
		return nil
	}
	key, err := k.unwrapLocal(&row)
	if err != nil {
		return err
	}
	defer key.wipe()
	fp, _ := key.fingerprint()
	old := row.mac
	row.fenced, row.wrapped, row.epoch = true, []byte{}, 0
	row.mac = k.secrets.rowMAC(row.message(nil))
	if err := k.updateRow(&row); err != nil {
		return err
	}
	st.keys.replace(old, row.mac)
	return k.fence(st, &row, fp[:], cause)
}

func (k *Keyring) generation(c Compartment, generation uint32) (row keyRow, err error) {
	stmt, err := k.writer.stmt("SELECT " + keyColumns + " FROM keys WHERE owner = ? AND grp = ? AND generation = ?")
	if err != nil {
		return row, err
	}
	if err = row.scan(stmt.QueryRow(c.Owner, c.Group, generation).Scan); err != nil {
		return row, fmt.Errorf("reading a key: %w", err)
	}
	return row, k.checkRow(&row)
}

func (k *Keyring) insertFenced(row *keyRow) error {
	_, err := k.writer.exec("INSERT INTO keys ("+keyColumns+") VALUES (?,?,?,?,1,?,0,x'',?)",
		row.c.Owner, string(row.c.Group), int64(row.generation), int64(row.lifecycle), row.id[:], row.mac)
	if err != nil {
		return fmt.Errorf("fencing a lost key: %w", err)
	}
	return nil
}

func (k *Keyring) updateRow(row *keyRow) error {
	n, err := k.writer.exec("UPDATE keys SET fenced = ?, epoch = ?, wrapped = ?, mac = ? WHERE owner = ? AND grp = ? AND generation = ?",
		row.fenced, int64(row.epoch), row.wrapped, row.mac, row.c.Owner, string(row.c.Group), int64(row.generation))
	if err != nil {
		return fmt.Errorf("deleting a key: %w", err)
	}
	if n != 1 {
		return fmt.Errorf("deleting a key: %d rows changed", n)
	}
	return nil
}

func (k *Keyring) fence(st *state, row *keyRow, fingerprint []byte, cause domain.Name) error {
	if fingerprint == nil {
		fingerprint = []byte{}
	}
	f := fenceRow{
		id: row.id, fingerprint: fingerprint, c: row.c, generation: row.generation,
		cause: cause, at: k.opts.Now().UnixMicro(),
	}
	f.mac = k.secrets.rowMAC(f.message())
	n, err := k.writer.exec("INSERT INTO fences ("+fenceColumns+") VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
		f.id[:], f.fingerprint, f.c.Owner, string(f.c.Group), int64(f.generation), string(f.cause), f.at, f.mac)
	if err != nil {
		return fmt.Errorf("fencing a key: %w", err)
	}
	if n == 1 { // else the key was put back and its first fence stands
		st.fences.add(f.mac)
	}
	return nil
}
