package keyring

import (
	"context"
	"crypto/cipher"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"lethe/domain"
	"lethe/internal/room"
)

// The key store. A row of keys is one generation of a compartment; the newest
// generation's row is the compartment's state: live, or fenced. Rows are
// never deleted: a destroyed key's row loses its wrapped key and stays, so
// that a fenced compartment is not a new one. Fences say by key ID what was
// destroyed. Every row carries a MAC, and the one row of state counts the
// rows of each table and sums their MACs, so that a row that was lost or put
// back is noticed.
const schema = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE state (
	id INTEGER PRIMARY KEY CHECK (id = 1),
	fence_seq INTEGER NOT NULL, epoch_seq INTEGER NOT NULL,
	keys_count INTEGER NOT NULL, keys_sum BLOB NOT NULL,
	fences_count INTEGER NOT NULL, fences_sum BLOB NOT NULL,
	marks_count INTEGER NOT NULL, marks_sum BLOB NOT NULL,
	lookup_id BLOB NOT NULL, journal BLOB NOT NULL, log_mark INTEGER NOT NULL, gaps INTEGER NOT NULL, mac BLOB NOT NULL);
CREATE TABLE keys (
	owner TEXT NOT NULL, grp TEXT NOT NULL, generation INTEGER NOT NULL,
	lifecycle INTEGER NOT NULL, fenced INTEGER NOT NULL,
	key_id BLOB NOT NULL, epoch INTEGER NOT NULL, wrapped BLOB NOT NULL, mac BLOB NOT NULL,
	PRIMARY KEY (owner, grp, generation)) WITHOUT ROWID;
CREATE TABLE fences (
	key_id BLOB PRIMARY KEY, fingerprint BLOB NOT NULL,
	owner TEXT NOT NULL, grp TEXT NOT NULL, generation INTEGER NOT NULL,
	erasure BLOB NOT NULL, cause TEXT NOT NULL, marks INTEGER NOT NULL, at INTEGER NOT NULL, mac BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX fences_by_fingerprint ON fences (fingerprint);
CREATE TABLE marks (
	mac BLOB PRIMARY KEY, by_what TEXT NOT NULL, kinds INTEGER NOT NULL, cause TEXT NOT NULL,
	day INTEGER NOT NULL, until INTEGER NOT NULL, version INTEGER NOT NULL, row_mac BLOB NOT NULL) WITHOUT ROWID;
`

const (
	storeVersion = 1
	storeFile    = "keys.db"
	macSize      = 16 // of a row: HMAC-SHA-256 cut to 128 bits
)

// secrets are keys of their own that the root key wraps in table meta.
type secrets struct {
	rows    [keySize]byte // MACs of the key store's rows
	index   [keySize]byte // blind index
	command [keySize]byte // command IDs and bodies of creations
	imports [keySize]byte // source keys and values of imports
	journal [keySize]byte // MACs of the erasure journal
	marks   [keySize]byte // marks of suppression
}

func (s *secrets) each() map[string]*[keySize]byte {
	return map[string]*[keySize]byte{
		"key.rows": &s.rows, "key.index": &s.index, "key.command": &s.command, "key.import": &s.imports,
		"key.journal": &s.journal, "key.mark": &s.marks,
	}
}

// tally counts rows and sums their MACs, independent of order.
type tally struct {
	count uint64
	sum   [2]uint64
}

func (t *tally) add(mac []byte) {
	t.count++
	t.sum[0] += binary.BigEndian.Uint64(mac)
	t.sum[1] += binary.BigEndian.Uint64(mac[8:])
}

func (t *tally) replace(old, mac []byte) {
	t.sum[0] += binary.BigEndian.Uint64(mac) - binary.BigEndian.Uint64(old)
	t.sum[1] += binary.BigEndian.Uint64(mac[8:]) - binary.BigEndian.Uint64(old[8:])
}

func (t *tally) remove(mac []byte) {
	t.count--
	t.sum[0] -= binary.BigEndian.Uint64(mac)
	t.sum[1] -= binary.BigEndian.Uint64(mac[8:])
}

func (t *tally) bytes() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, t.sum[0]), t.sum[1])
}

func (t *tally) read(b []byte) {
	if len(b) == macSize {
		t.sum = [2]uint64{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
	}
}

// state is the key store's one row of state.
type state struct {
	fenceSeq, epochSeq uint64
	keys, fences       tally
	marks              tally
	lookupID           []byte
	journal            head   // the last entry of the erasure journal that was applied
	logMark            uint64 // the position up to which the log's erasures were applied
	gaps               uint64 // keys that were fenced in a place above the first, which was never there
}

func (s *state) message() []byte {
	b := lp(nil, "state")
	b = lp64(lp64(b, s.fenceSeq), s.epochSeq)
	b = lp(lp64(b, s.keys.count), s.keys.bytes())
	b = lp(lp64(b, s.fences.count), s.fences.bytes())
	b = lp(lp64(b, s.marks.count), s.marks.bytes())
	return lp64(lp64(lp(lp(b, s.lookupID), s.journal.bytes()), s.logMark), s.gaps)
}

// keyRow is a row of keys.
type keyRow struct {
	c          Compartment
	generation uint32
	lifecycle  uint32
	fenced     bool
	id         KeyID
	epoch      uint32
	wrapped    []byte
	mac        []byte
}

const keyColumns = "owner, grp, generation, lifecycle, fenced, key_id, epoch, wrapped, mac"

func (r *keyRow) message(dst []byte) []byte {
	dst = lp(lp(lp(dst, "key"), r.c.Owner), r.c.Group)
	dst = lp32(lp32(dst, r.generation), r.lifecycle)
	dst = lp(append(dst, flag(r.fenced)), r.id[:])
	return lp(lp32(dst, r.epoch), r.wrapped)
}

func (r *keyRow) scan(scan func(...any) error) error {
	var id []byte
	err := scan((*rowOwner)(&r.c.Owner), &r.c.Group, &r.generation, &r.lifecycle, &r.fenced, &id, &r.epoch, &r.wrapped, &r.mac)
	copy(r.id[:], id)
	return err
}

// context binds a wrapped key to its row.
func (r *keyRow) context(dst []byte, storeID [16]byte) []byte {
	dst = lp(lp(lp(dst, "dek"), storeID[:]), r.c.Owner)
	dst = lp(lp32(lp(dst, r.c.Group), r.generation), r.id[:])
	return lp32(lp(dst, []byte{bucketOf(r.c.Owner)}), r.epoch)
}

// fenceRow is a row of fences.
type fenceRow struct {
	id          KeyID
	fingerprint []byte // empty when the key was lost before it was destroyed
	c           Compartment
	generation  uint32
	erasure     domain.ID
	cause       domain.Name
	marks       uint32 // that the destruction left
	at          int64  // Unix microseconds
	mac         []byte
}

const fenceColumns = "key_id, fingerprint, owner, grp, generation, erasure, cause, marks, at, mac"

func (r *fenceRow) message() []byte {
	b := lp(lp(lp(nil, "fence"), r.id[:]), r.fingerprint)
	b = lp32(lp(lp(b, r.c.Owner), r.c.Group), r.generation)
	b = lp32(lp(lp(b, r.erasure[:]), r.cause), r.marks)
	return lp64(b, uint64(r.at)) //nolint:gosec // the bits
}

func (r *fenceRow) scan(scan func(...any) error) error {
	var id, erasure []byte
	err := scan(&id, &r.fingerprint, &r.c.Owner, &r.c.Group, &r.generation, &erasure, &r.cause, &r.marks, &r.at, &r.mac)
	copy(r.id[:], id)
	copy(r.erasure[:], erasure)
	return err
}

// rowMAC is the MAC of a row's or the state's message.
func (s *secrets) rowMAC(message []byte) []byte {
	full := hmacOf(&s.rows, message)
	return full[:macSize]
}

// StoreThere reports whether a directory, as Options.Dir is one, has a key store.
func StoreThere(dir string) (bool, error) { return fileExists(filepath.Join(dir, storeFile)) }

// fileExists reports whether path is there.
func fileExists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for %s: %w", path, err)
	}
	return true, nil
}

// makeDir makes a directory, durably, unless it is there.
func makeDir(dir string) error {
	if there, err := fileExists(dir); err != nil || there {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// createFile makes an empty file that only its owner may read, before SQLite
// would make it readable by all.
func createFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("creating %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // a file of ours
	if err != nil {
		return fmt.Errorf("creating %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("creating %s: %w", path, err)
	}
	return syncDir(filepath.Dir(path))
}

// create fills an empty key store in one transaction. Until that has
// committed there is no key store.
func create(w *writer, root cipher.AEAD, e *epochs, rand io.Reader) error {
	var s secrets
	defer s.wipe()
	return w.tx(func() error {
		if _, err := w.conn.ExecContext(context.Background(), schema); err != nil {
			return fmt.Errorf("creating the key store: %w", room.Explain(w.path, err))
		}
		if err := putMeta(w, "version", []byte{storeVersion}); err != nil {
			return err
		}
		if err := putMeta(w, "store", e.storeID[:]); err != nil {
			return err
		}
		for name, key := range s.each() {
			if _, err := io.ReadFull(rand, key[:]); err != nil {
				return fmt.Errorf("drawing a key: %w", err)
			}
			if err := putMeta(w, name, wrap(nil, root, secretContext(e.storeID, name), key[:])); err != nil {
				return err
			}
		}
		st := state{fenceSeq: 1, epochSeq: uint64(e.sequence)}
		_, err := w.exec("INSERT INTO state VALUES (1,?,?,0,?,0,?,0,?,x'',?,0,0,?)",
			st.fenceSeq, st.epochSeq, st.keys.bytes(), st.fences.bytes(), st.marks.bytes(), st.journal.bytes(), s.rowMAC(st.message()))
		if err != nil {
			return fmt.Errorf("creating the key store: %w", err)
		}
		return nil
	})
}

func putMeta(w *writer, name string, value []byte) error {
	if _, err := w.exec("INSERT INTO meta VALUES (?,?)", name, value); err != nil {
		return fmt.Errorf("creating the key store: %w", err)
	}
	return nil
}

func secretContext(storeID [16]byte, name string) []byte {
	return lp(lp(lp(nil, "secret"), storeID[:]), name)
}

func (s *secrets) wipe() {
	for _, key := range s.each() {
		clear(key[:])
	}
}

// isCreated reports whether the file holds a committed key store.
func isCreated(w *writer) (bool, error) {
	var n int
	err := w.row("SELECT count(*) FROM sqlite_schema WHERE name = 'state'", nil, &n)
	if err != nil {
		return false, fmt.Errorf("reading the key store: %w", err)
	}
	return n == 1, nil
}

// readMeta reads version, store ID and secrets; ErrRootWrong when the root
// key does not unwrap them.
func readMeta(w *writer, root cipher.AEAD) (storeID [16]byte, s secrets, err error) {
	get := func(name string) (value []byte, err error) {
		if err = w.row("SELECT value FROM meta WHERE name = ?", []any{name}, &value); err != nil {
			err = fmt.Errorf("reading the key store's %s: %w", name, err)
		}
		return value, err
	}
	version, err := get("version")
	if err != nil {
		return storeID, s, err
	}
	if len(version) != 1 || version[0] > storeVersion {
		return storeID, s, ErrNewer
	}
	id, err := get("store")
	if err != nil {
		return storeID, s, err
	}
	copy(storeID[:], id)
	for name, key := range s.each() {
		blob, err := get(name)
		if err != nil {
			return storeID, s, err
		}
		if *key, err = unwrap(root, secretContext(storeID, name), blob); err != nil {
			return storeID, s, ErrRootWrong
		}
	}
	return storeID, s, nil
}

const selectState = `SELECT fence_seq, epoch_seq, keys_count, keys_sum, fences_count, fences_sum,
	marks_count, marks_sum, lookup_id, journal, log_mark, gaps, mac FROM state WHERE id = 1`

// scan reads the row of state and returns its MAC, unchecked.
func (s *state) scan(scan func(...any) error) (mac []byte, err error) {
	var keys, fences, marks, journal []byte
	err = scan(&s.fenceSeq, &s.epochSeq, &s.keys.count, &keys, &s.fences.count, &fences,
		&s.marks.count, &marks, &s.lookupID, &journal, &s.logMark, &s.gaps, &mac)
	s.keys.read(keys)
	s.fences.read(fences)
	s.marks.read(marks)
	s.journal.read(journal)
	return mac, err
}

func scanState(s *secrets, scan func(...any) error) (*state, error) {
	var st state
	mac, err := st.scan(scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, &IntegrityError{Table: "state", Row: "its one row is gone"}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the key store's state: %w", err)
	}
	if !equal(s.rowMAC(st.message()), mac) {
		return nil, &IntegrityError{Table: "state", Row: "its MAC is wrong: it was changed outside the program"}
	}
	return &st, nil
}

func readState(w *writer, s *secrets) (*state, error) {
	stmt, err := w.stmt(selectState)
	if err != nil {
		return nil, err
	}
	return scanState(s, stmt.QueryRow().Scan)
}

func writeState(w *writer, s *secrets, st *state) error {
	n, err := w.exec(`UPDATE state SET fence_seq=?, epoch_seq=?, keys_count=?, keys_sum=?,
		fences_count=?, fences_sum=?, marks_count=?, marks_sum=?, lookup_id=?, journal=?, log_mark=?, gaps=?, mac=? WHERE id = 1`,
		st.fenceSeq, st.epochSeq, st.keys.count, st.keys.bytes(),
		st.fences.count, st.fences.bytes(), st.marks.count, st.marks.bytes(), st.lookupID, st.journal.bytes(), st.logMark, st.gaps, s.rowMAC(st.message()))
	if err != nil {
		return fmt.Errorf("writing the key store's state: %w", err)
	}
	if n != 1 {
		return &IntegrityError{Table: "state", Row: "its one row is gone"}
	}
	return nil
}
