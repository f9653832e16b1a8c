package keyring

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"lethe/internal/room"
)

// The lookup file holds the blind index and the claims. It is in no backup:
// old copies of it beside live index keys would confirm an erased address to
// whoever guesses it. It is rebuilt from sealed values instead. What it maps
// are MACs, cut to 128 bits, to tokens.
//
// Every row carries a MAC over itself (row_mac), so that Check finds a changed
// one. There is no count and sum as in the key store: those would have every
// writer read what it replaces, and what they find beyond the rows' MACs is
// rows that are gone, which a damaged page cannot lose without the structure
// of the file showing it (PRAGMA integrity_check). Comparing with what the
// log rebuilds would not do either: the log does not say what a source said,
// which is what claims are for.
//
// Forgotten are those who were erased: an import under way that finishes
// behind the erasure makes no claim for them.
const lookupSchema = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE lookup (
	mac BLOB NOT NULL, token TEXT NOT NULL, field TEXT NOT NULL, event_id BLOB NOT NULL,
	kind TEXT NOT NULL, at INTEGER NOT NULL, row_mac BLOB NOT NULL,
	PRIMARY KEY (mac, token, field, event_id)) WITHOUT ROWID;
CREATE INDEX lookup_by_token ON lookup (token);
CREATE TABLE creations (
	principal BLOB NOT NULL, command BLOB NOT NULL, token TEXT NOT NULL, body BLOB NOT NULL, at INTEGER NOT NULL,
	row_mac BLOB NOT NULL,
	PRIMARY KEY (principal, command)) WITHOUT ROWID;
CREATE INDEX creations_by_token ON creations (token);
CREATE TABLE imports (
	mac BLOB PRIMARY KEY, token TEXT NOT NULL, done INTEGER NOT NULL, version INTEGER NOT NULL,
	mapping BLOB NOT NULL, catalogue INTEGER NOT NULL, fields BLOB NOT NULL, row_mac BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX imports_by_token ON imports (token);
CREATE TABLE forgotten (token TEXT PRIMARY KEY, row_mac BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE files (mac BLOB PRIMARY KEY, import BLOB NOT NULL, done INTEGER NOT NULL, row_mac BLOB NOT NULL) WITHOUT ROWID;
`

const (
	lookupFile    = "lookup.db"
	lookupVersion = 2 // 1 had no MACs of rows; such a file is rebuilt
	lookupBatch   = 16_384
)

// lookup is the open lookup file.
type lookup struct {
	writer *writer
	reads  *sql.DB
	read   lookupStatements
	group  *committer[*lookupJob]
	lost   atomic.Pointer[string] // why, until rebuilt
}

// lookupJob is one caller's part of a transaction. What it makes is for its
// caller to read once do has returned nil.
type lookupJob struct {
	rows int
	run  func(*writer) error
	put  []lookupRow // or else: rows to add

	clear      bool  // cut the write-ahead log afterwards, so that no old page is left in it
	notCleared error // result of that
}

func (l *lookup) commit(jobs []*lookupJob) error {
	err := l.writer.tx(func() error {
		var put []lookupRow
		for _, j := range jobs {
			put = append(put, j.put...)
			if j.run == nil {
				continue
			}
			if err := j.run(l.writer); err != nil {
				return err
			}
		}
		return putRows(l.writer, put)
	})
	if err != nil {
		return err
	}
	if slices.ContainsFunc(jobs, func(j *lookupJob) bool { return j.clear }) {
		err := l.writer.truncate()
		for _, j := range jobs {
			j.notCleared = err
		}
	}
	return nil
}

// putRows adds the rows of all who wait with few statements, neighbours
// together.
func putRows(w *writer, rows []lookupRow) error {
	slices.SortFunc(rows, func(a, b lookupRow) int { return bytes.Compare(a.mac, b.mac) })
	const columns = 7
	args := make([]any, 0, columns*len(rows))
	for i := range rows {
		r := &rows[i]
		args = append(args, r.mac, r.token, r.field, r.eventID, r.kind, r.at, r.rowMAC)
	}
	return insertRows(w, "INSERT OR IGNORE INTO lookup ("+lookupColumns+") VALUES ", columns, args)
}

// submit runs f in the next transaction and waits until it is durable.
func (l *lookup) submit(ctx context.Context, rows int, f func(*writer) error) error {
	return l.group.do(ctx, &lookupJob{rows: rows, run: f})
}

func (l *lookup) close() error {
	if l.group != nil {
		l.group.close()
	}
	var errs []error
	if l.reads != nil {
		errs = append(errs, l.read.close(), l.reads.Close())
	}
	if l.writer != nil {
		errs = append(errs, l.writer.close())
	}
	return errors.Join(errs...)
}

// LookupLost tells that the lookup file was lost or is not whole, and why.
// Until Rebuild has returned nil, people are not found and a repeated
// creation or import is not recognised: the program must not serve.
func (k *Keyring) LookupLost() (why string, lost bool) {
	if p := k.lookups.lost.Load(); p != nil {
		return *p, true
	}
	return "", false
}

// openLookup opens the lookup file. The key store remembers its ID, so that a
// missing or foreign file is noticed and replaced by an empty one that waits
// to be rebuilt.
func (k *Keyring) openLookup(ctx context.Context) error {
	path := filepath.Join(k.opts.LookupDir, lookupFile)
	st, err := readState(k.writer, &k.secrets)
	if err != nil {
		return err
	}
	k.lookups = &lookup{}
	why, err := k.inspectLookup(ctx, path, st.lookupID)
	if err != nil {
		return err
	}
	if why != "" {
		if err := k.createLookup(ctx, path, len(st.lookupID) == 0); err != nil {
			return err
		}
	}
	l := k.lookups
	if len(st.lookupID) > 0 {
		state, err := lookupState(l.writer)
		if err != nil {
			return err
		}
		if state != "ready" {
			if why == "" {
				why = "the last rebuild did not finish"
			}
			l.lost.Store(&why)
		}
	}
	if l.reads, err = openDB(path, 4); err != nil {
		return err
	}
	if err := l.read.prepare(ctx, l.reads); err != nil {
		return err
	}
	l.group = newCommitter(lookupBatch, func(j *lookupJob) int { return j.rows }, l.commit)
	return nil
}

// inspectLookup opens the file if it is the right one; else it says why not.
func (k *Keyring) inspectLookup(ctx context.Context, path string, id []byte) (why string, err error) {
	there, err := fileExists(path)
	if err != nil {
		return "", err
	}
	if len(id) == 0 || !there {
		return "the lookup file is missing", nil
	}
	w, err := newWriter(ctx, path)
	if room.None(err) {
		return "", err // it may be whole
	}
	if err != nil {
		return "the lookup file cannot be opened", nil //nolint:nilerr // it is replaced
	}
	var found, version []byte
	err = errors.Join(
		w.row("SELECT value FROM meta WHERE name = 'id'", nil, &found),
		w.row("SELECT value FROM meta WHERE name = 'version'", nil, &version))
	if err == nil && len(version) == 1 && version[0] > lookupVersion {
		return "", errors.Join(ErrNewer, w.close())
	}
	if room.None(err) {
		return "", errors.Join(err, w.close())
	}
	if err == nil && bytes.Equal(found, id) && bytes.Equal(version, []byte{lookupVersion}) {
		k.lookups.writer = w
		return "", nil
	}
	why = "the lookup file is of an older format"
	switch {
	case err != nil:
		why = "the lookup file is damaged"
	case !bytes.Equal(found, id):
		why = "the lookup file belongs to another key store"
	}
	if err := w.close(); err != nil {
		return "", fmt.Errorf("closing the lookup file: %w", err)
	}
	return why, nil
}

// createLookup replaces the lookup file by an empty one and makes the key
// store remember it. ready: there was none before, so that nothing is lost.
func (k *Keyring) createLookup(ctx context.Context, path string, ready bool) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("replacing the lookup file: %w", err)
		}
	}
	id := make([]byte, 16)
	if _, err := io.ReadFull(k.opts.Rand, id); err != nil {
		return fmt.Errorf("drawing an ID: %w", err)
	}
	if err := createFile(path); err != nil {
		return err
	}
	w, err := newWriter(ctx, path)
	if err != nil {
		return err
	}
	k.lookups.writer = w
	state := "rebuilding"
	if ready {
		state = "ready"
	}
	err = w.tx(func() error {
		if _, err := w.conn.ExecContext(ctx, lookupSchema); err != nil {
			return fmt.Errorf("creating the lookup file: %w", room.Explain(path, err))
		}
		return errors.Join(putMeta(w, "version", []byte{lookupVersion}), putMeta(w, "id", id), putMeta(w, "state", []byte(state)))
	})
	if err != nil {
		return err
	}
	return k.writer.tx(func() error {
		st, err := readState(k.writer, &k.secrets)
		if err != nil {
			return err
		}
		st.lookupID = id
		return writeState(k.writer, &k.secrets, st)
	})
}

func lookupState(w *writer) (string, error) {
	var state []byte
	if err := w.row("SELECT value FROM meta WHERE name = 'state'", nil, &state); err != nil {
		return "", fmt.Errorf("reading the lookup file's state: %w", err)
	}
	return string(state), nil
}
