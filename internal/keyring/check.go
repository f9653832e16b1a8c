package keyring

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Finding is one thing that is wrong with a file of the keyring. It names rows
// by key IDs, tokens and keyed hashes, and holds no value of a person.
type Finding struct {
	File  string // "keys.db", "epochs", "erasures", "erasures.head", "marks", "lookup.db" or the root key's
	Where string // the table and row, or the part of the file
	What  string // what was found there
	Means string // what follows from it, and what to do
}

// maxRowFindings bounds the findings of one table; the rest is counted.
const maxRowFindings = 100

const (
	meansKeys = "values sealed under such a key cannot be opened, or a key could come back that was destroyed; " +
		"they are not erased: restore the key store from its backup and apply the erasures since then again"
	meansFences = "an erased value could be reported as missing, and a destroyed key that is put back would not be known: " +
		"restore the key store from its backup and apply the erasures since then again"
	meansMarks = "somebody who was erased could come back by an import, or get marketing that they objected to: " +
		"restore the key store from its backup and apply the erasures since then again"
	meansEpochs = "keys cannot be unwrapped from the next start on: while this program runs, it writes the epoch keys anew within a minute"
	meansPlace  = "the epoch keys lie in fewer places than they should: the program writes them there anew when it can"
	meansRoot   = "the keyring cannot be opened from the next start on: put the root key back from where you keep it"
	meansLookup = "people may not be found by their addresses, opt-outs of an address may not bind other records, and a repeated " +
		"creation or import may not be recognised: stop, delete lookup.db and start, which rebuilds it from the log"
)

// Check reads everything that the keyring's files hold and reports what is
// not as it was written: the root key's file and the epoch keys; of the key
// store and the lookup file the form of their tables, the structure of their
// pages, and every row with its MAC; counts and sums of the key store; that
// every live key unwraps; and that keys and fences agree. After it, no bit of
// them can be flipped that changes an answer. What is not covered is what has
// no meaning, such as free pages, and rows of the lookup file that were taken
// out by its own means: see its format.
//
// progress, which may be nil, is told the rows that are done and how many
// there are about. Memory is bounded. Check may run beside everything else;
// an erasure that wants the write-ahead log cut meanwhile is incomplete until
// it is repeated. The error says that checking itself was not possible.
func (k *Keyring) Check(ctx context.Context, report func(Finding), progress func(done, total uint64)) error {
	if progress == nil {
		progress = func(uint64, uint64) {}
	}
	c := &checking{k: k, report: report, progress: progress}
	for _, step := range []func(context.Context) error{c.count, c.epochs, c.keys, c.journal, c.lookup} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("checking the keyring: %w", err)
		}
	}
	progress(c.done, c.done)
	return nil
}

type checking struct {
	k           *Keyring
	report      func(Finding)
	progress    func(done, total uint64)
	done, total uint64
}

// lookupTables are the tables of the lookup file whose rows have MACs.
func (k *Keyring) lookupTables() []checkedTable {
	return []checkedTable{
		{"lookup", lookupColumns, rowOf(k, func(r *lookupRow) (string, []byte) { return "a row of " + r.token, r.rowMAC })},
		{"creations", creationColumns, rowOf(k, func(r *creationRow) (string, []byte) { return "the creation of " + r.token, r.rowMAC })},
		{"imports", importColumns, rowOf(k, func(r *importRow) (string, []byte) { return "the claim of " + r.token, r.rowMAC })},
		{"forgotten", forgottenColumns, rowOf(k, func(r *forgottenRow) (string, []byte) { return "the row of " + r.token, r.rowMAC })},
		{"files", fileColumns, rowOf(k, func(r *fileRow) (string, []byte) { return fmt.Sprintf("the claim of file %x", r.mac), r.rowMAC })},
	}
}

// storedRow is a row of the lookup file.
type storedRow[R any] interface {
	*R
	scan(func(...any) error) error
	message([]byte) []byte
}

func rowOf[R any, P storedRow[R]](k *Keyring, about func(P) (string, []byte)) func(func(...any) error) (string, []byte, string, error) {
	var scratch [1024]byte
	return func(scan func(...any) error) (string, []byte, string, error) {
		r := P(new(R))
		if err := r.scan(scan); err != nil {
			return "", nil, "", err
		}
		name, mac := about(r)
		return name, mac, k.wrongMAC(mac, r.message(scratch[:0]), shortMAC), nil
	}
}

// count tells about how many rows there are, for progress.
func (c *checking) count(ctx context.Context) error {
	for _, t := range c.k.lookupTables() {
		var n uint64
		err := c.k.lookups.reads.QueryRowContext(ctx, "SELECT count(*) FROM "+t.name).Scan(&n)
		if err != nil && !isDamage(err) {
			return err
		}
		c.total += n
	}
	if st, err := scanState(&c.k.secrets, c.k.read.state.QueryRowContext(ctx).Scan); err == nil {
		c.total += st.keys.count + st.fences.count + st.marks.count
	}
	return nil // damage is found and reported later
}

// epochs reads root key and epoch keys again from their files, at every place.
func (c *checking) epochs(ctx context.Context) error {
	if err := c.root(ctx); err != nil {
		c.report(Finding{File: "the root key", Where: "as a whole", What: err.Error(), Means: meansRoot})
		return nil
	}
	files, err := c.k.readPlaces()
	if err != nil {
		c.report(Finding{File: epochFile, Where: "the places", What: err.Error(), Means: meansEpochs})
		return nil
	}
	now, sound := c.k.epochs.Load(), false
	for _, f := range files {
		what := ""
		switch {
		case f.err != nil:
			what = f.err.Error()
		case f.form == nil:
			what = "there is no file"
		case f.form.Store != now.storeID || f.form.Sequence.counter() < now.sequence.counter():
			what = "it is not the one that this program has read"
		default:
			if _, err := f.form.open(c.k.root); err != nil {
				what = err.Error()
			}
		}
		if sound = sound || what == ""; what != "" {
			c.report(Finding{File: epochFile, Where: f.dir, What: what, Means: meansPlace})
		}
	}
	if !sound {
		c.report(Finding{File: epochFile, Where: "the places", What: "no place has whole epoch keys", Means: meansEpochs})
	}
	return nil
}

// root opens the root key again and asks it for the key below it.
func (c *checking) root(ctx context.Context) error {
	p, err := c.k.openRoot(ctx, true)
	if err != nil {
		return err
	}
	defer p.Close() //nolint:errcheck // nothing was written
	key, err := unwrapKEK(ctx, p, c.k.storeID, c.k.epochs.Load().root)
	clear(key[:])
	return err
}

// keys checks the key store.
func (c *checking) keys(ctx context.Context) error {
	if err := c.database(ctx, c.k.reads, storeFile, schema, meansKeys); err != nil {
		return err
	}
	err := c.k.inOneState(ctx, func(tx *sql.Tx, st *state) error {
		if err := c.table(ctx, tx, storeFile, c.k.fenceTable(), meansFences, &st.fences); err != nil {
			return err
		}
		if err := c.table(ctx, tx, storeFile, c.k.keyTable(true), meansKeys, &st.keys); err != nil {
			return err
		}
		if err := c.table(ctx, tx, storeFile, c.k.markTable(), meansMarks, &st.marks); err != nil {
			return err
		}
		return c.agreement(ctx, tx)
	})
	return c.damaged(storeFile, "state", meansKeys, err)
}

// agreement compares keys with fences.
func (c *checking) agreement(ctx context.Context, tx *sql.Tx) error {
	for _, q := range []struct{ sql, what string }{
		{
			"SELECT key_id FROM keys WHERE fenced = 1 AND key_id NOT IN (SELECT key_id FROM fences)",
			"the key was destroyed and has no fence",
		}, {
			"SELECT key_id FROM keys WHERE fenced = 0 AND key_id IN (SELECT key_id FROM fences)",
			"the fence names a key that is not destroyed",
		},
	} {
		err := eachRow(ctx, tx, q.sql+" LIMIT 100", func(scan func(...any) error) error {
			var id []byte
			err := scan(&id)
			c.report(Finding{File: storeFile, Where: fmt.Sprintf("fences, key %x", id), What: q.what, Means: meansFences})
			return err
		})
		if err := c.damaged(storeFile, "fences", meansFences, err); err != nil {
			return err
		}
	}
	return nil
}

// lookup checks the lookup file.
func (c *checking) lookup(ctx context.Context) error {
	if why, lost := c.k.LookupLost(); lost {
		c.report(Finding{File: lookupFile, Where: "the file", What: why + ", and it was not rebuilt since", Means: meansLookup})
	}
	if err := c.database(ctx, c.k.lookups.reads, lookupFile, lookupSchema, meansLookup); err != nil {
		return err
	}
	for _, t := range c.k.lookupTables() {
		if err := c.table(ctx, c.k.lookups.reads, lookupFile, t, meansLookup, nil); err != nil {
			return err
		}
	}
	return nil
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func eachRow(ctx context.Context, q querier, query string, f func(scan func(...any) error) error) error {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // read only
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// database checks what a file says of its tables, and the structure of its
// pages, with indexes and free space.
func (c *checking) database(ctx context.Context, db *sql.DB, file, schema, means string) error {
	same, err := sameSchema(ctx, db, schema)
	if err := c.damaged(file, "schema", means, err); err != nil {
		return err
	}
	if err == nil && !same {
		c.report(Finding{File: file, Where: "schema", What: "the tables are not declared as this program made them", Means: means})
	}
	err = eachRow(ctx, db, fmt.Sprintf("PRAGMA integrity_check(%d)", maxRowFindings), func(scan func(...any) error) error {
		var what string
		if err := scan(&what); err != nil || what == "ok" {
			return err
		}
		c.report(Finding{File: file, Where: "structure", What: what, Means: means})
		return nil
	})
	return c.damaged(file, "structure", means, err)
}

// sameSchema compares the declarations in a file with those of a new one.
func sameSchema(ctx context.Context, db *sql.DB, schema string) (bool, error) {
	declared := func(q querier) (all string, err error) {
		err = eachRow(ctx, q, "SELECT type || ' ' || name || ' ' || tbl_name || ' ' || coalesce(sql, '') FROM sqlite_schema ORDER BY 1",
			func(scan func(...any) error) error {
				var one string
				err := scan(&one)
				all += one + ";"
				return err
			})
		return all, err
	}
	base, err := sqlite.NewConnector(":memory:")
	if err != nil {
		return false, err
	}
	fresh := sql.OpenDB(base)
	defer fresh.Close() //nolint:errcheck // in memory
	fresh.SetMaxOpenConns(1)
	if _, err := fresh.ExecContext(ctx, schema); err != nil {
		return false, err
	}
	want, err := declared(fresh)
	if err != nil {
		return false, err
	}
	got, err := declared(db)
	return got == want, err
}

// table checks every row of a table, and their tally when there is one.
func (c *checking) table(ctx context.Context, q querier, file string, t checkedTable, means string, want *tally) error {
	found, wrong := tally{}, 0
	finding := func(where, what string) {
		if wrong++; wrong <= maxRowFindings {
			c.report(Finding{File: file, Where: where, What: what, Means: means})
		}
	}
	err := eachRow(ctx, q, "SELECT "+t.columns+" FROM "+t.name, func(scan func(...any) error) error {
		if c.done++; c.done%4096 == 0 {
			c.progress(c.done, max(c.done, c.total))
		}
		row, mac, what, err := t.read(strict(scan))
		switch integrity := (*IntegrityError)(nil); {
		case errors.As(err, &integrity):
			what = integrity.Row
		case err != nil:
			what = "a column is not of its form"
		}
		if what != "" {
			finding(t.name+", "+row, what)
		}
		if len(mac) == macSize {
			found.add(mac)
		}
		return nil
	})
	if wrong > maxRowFindings {
		c.report(Finding{File: file, Where: t.name, What: fmt.Sprintf("%d more rows are like these", wrong-maxRowFindings), Means: means})
	}
	if err == nil && want != nil && found != *want {
		lost := &IntegrityError{Table: t.name, Want: want.count, Found: found.count}
		c.report(Finding{File: file, Where: t.name, What: lost.Error(), Means: means})
	}
	return c.damaged(file, t.name, means, err)
}

// damaged reports an error that is the file's fault, and passes on others.
func (c *checking) damaged(file, where, means string, err error) error {
	var integrity *IntegrityError
	switch {
	case err == nil:
	case errors.As(err, &integrity):
		c.report(Finding{File: file, Where: integrity.Table, What: integrity.Error(), Means: means})
	case isDamage(err):
		c.report(Finding{File: file, Where: where, What: "it cannot be read to its end: " + err.Error(), Means: means})
	default:
		return err
	}
	return nil
}

// isDamage reports that SQLite finds the file malformed, or does not find in
// it what the constant queries of this package ask for.
func isDamage(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_FORMAT:
		return true
	}
	return false
}
