package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// The marks lie beside the erasure journal too, so that a key store that was
// restored from before an erasure gets them again. They are in a file of
// their own, not in the journal: there each would lie beside the token that
// it must not lead to. For the same reason the file is brought into the order
// of the MACs whenever a keyring is opened; what was appended since then lies
// in the order in which it came.
//
//	"lethe-marks-1\n" ‖ store ID 16
//	LP(row)                                            any number of them
//	row: MAC 16 ‖ LP(by) ‖ kinds 1 ‖ LP(cause) ‖ day 8 ‖ until 8 ‖ version 8 ‖ row's MAC 16
//
// Of rows with the same MAC the one of the highest version counts.
const (
	marksMagic = "lethe-marks-1\n"
	marksFile  = "marks"
)

func (j *journal) marksPath() string { return filepath.Join(j.dir, marksFile) }

func (r *markRow) append(b []byte) []byte {
	row := append(append([]byte(nil), r.mac...), lp(nil, r.by)...)
	row = lp(append(row, byte(r.kinds)), r.cause) //nolint:gosec // two bits
	for _, n := range [...]int64{r.day, r.until, r.version} {
		row = append(row, lp64(nil, uint64(n))[2:]...) //nolint:gosec // the bits
	}
	return lp(b, append(row, r.rowMAC...))
}

// parseMark takes a row off the front of a file's bytes.
func parseMark(b []byte) (r markRow, rest []byte, ok bool) {
	in := reader{b: b}
	row := reader{b: []byte(in.text())}
	r.mac, r.by = row.take(macSize), row.text()
	r.kinds, r.cause = int64(row.number(1)), row.text()                                          //nolint:gosec // one byte
	r.day, r.until, r.version = int64(row.number(8)), int64(row.number(8)), int64(row.number(8)) //nolint:gosec // the bits
	r.rowMAC = row.take(macSize)
	return r, in.b, in.ok() && row.ok() && len(row.b) == 0
}

func (j *journal) marksHeader() []byte { return append([]byte(marksMagic), j.storeID[:]...) }

// appendMarks adds rows to the file, durably.
func (j *journal) appendMarks(rows []markRow) error {
	var b []byte
	for i := range rows {
		b = rows[i].append(b)
	}
	f, err := os.OpenFile(j.marksPath(), os.O_WRONLY|os.O_APPEND, 0) //nolint:gosec // the operator names it
	if errors.Is(err, fs.ErrNotExist) {
		return ErrJournalMissing
	}
	if err != nil {
		return fmt.Errorf("writing the marks: %w", err)
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing the marks: %w", err)
	}
	return nil
}

// marksRead is what the file holds.
type marksRead struct {
	there  bool
	rows   []markRow // the highest version of each, in order
	sorted bool      // the file is just that
	torn   bool      // something behind them is no row
}

// readMarksFile reads the file. A row that was not written to its end, or is
// not what was written, ends it.
func (k *Keyring) readMarksFile() (got marksRead, err error) {
	b, err := os.ReadFile(k.journal.marksPath())
	if errors.Is(err, fs.ErrNotExist) {
		return got, nil
	}
	if err != nil {
		return got, fmt.Errorf("reading the marks: %w", err)
	}
	header := k.journal.marksHeader()
	if !bytes.HasPrefix(b, header) {
		if bytes.HasPrefix(b, []byte("lethe-marks-")) && !bytes.HasPrefix(b, []byte(marksMagic)) {
			return got, fmt.Errorf("%s: %w", k.journal.marksPath(), ErrNewer)
		}
		return marksRead{torn: true}, nil
	}
	got.there, got.sorted = true, true
	for b = b[len(header):]; len(b) > 0; {
		r, rest, ok := parseMark(b)
		if !ok || k.wrongMAC(r.rowMAC, r.message(), macSize) != "" {
			got.torn, got.sorted = true, false
			break
		}
		if n := len(got.rows); n > 0 && bytes.Compare(got.rows[n-1].mac, r.mac) >= 0 {
			got.sorted = false
		}
		got.rows, b = append(got.rows, r), rest
	}
	if !got.sorted {
		got.rows = highest(got.rows)
	}
	return got, nil
}

// highest sorts rows by their MACs and leaves the highest version of each.
func highest(rows []markRow) []markRow {
	slices.SortStableFunc(rows, func(a, b markRow) int {
		if c := bytes.Compare(a.mac, b.mac); c != 0 {
			return c
		}
		return int(b.version - a.version)
	})
	return slices.CompactFunc(rows, func(a, b markRow) bool { return bytes.Equal(a.mac, b.mac) })
}

// recoverMarks makes the table and the file hold the same: every mark that
// either of them has.
func (k *Keyring) recoverMarks(c *changes) error {
	got, err := k.readMarksFile()
	if err != nil {
		return err
	}
	var sum tally
	for i := range got.rows {
		sum.add(got.rows[i].rowMAC)
	}
	if got.there && got.sorted && sum == c.marks {
		return nil
	}
	lost := got.torn || !got.there && c.journal.era > 0
	r := &k.journalReport
	r.MarksLost = lost && (!r.Rewritten || r.Declared != (Declaration{})) // a key store that is current has them all
	if sum != c.marks {
		for i := range got.rows {
			if err := k.storeMark(c, &got.rows[i]); err != nil {
				return err
			}
		}
	}
	return k.writeMarksFile(c)
}

// writeMarksFile writes the file anew from the table.
func (k *Keyring) writeMarksFile(c *changes) error {
	b := k.journal.marksHeader()
	var found tally
	err := k.eachMark(func(r *markRow) {
		b = r.append(b)
		found.add(r.rowMAC)
	})
	if err != nil {
		return err
	}
	if found != c.marks {
		return &IntegrityError{Table: "marks", Want: c.marks.count, Found: found.count}
	}
	if err := makeDir(k.journal.dir); err != nil {
		return fmt.Errorf("writing the marks: %w", err)
	}
	return writeFile(k.journal.marksPath(), b)
}

// eachMark visits the table's rows in order, inside the transaction.
func (k *Keyring) eachMark(visit func(*markRow)) error {
	stmt, err := k.writer.stmt("SELECT " + markColumns + " FROM marks ORDER BY mac")
	if err != nil {
		return err
	}
	rows, err := stmt.Query()
	if err != nil {
		return fmt.Errorf("reading marks: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only
	for rows.Next() {
		var r markRow
		if err := r.scan(rows.Scan); err != nil {
			return fmt.Errorf("reading marks: %w", err)
		}
		visit(&r)
	}
	return rows.Err()
}

// DropMarks deletes the marks whose end has come, from the key store and from
// the file, and reports how many. A mark that was lifted stays until then, so
// that an older copy of it does not come back.
func (k *Keyring) DropMarks() (dropped int, err error) {
	err = k.change(func(c *changes) error {
		today, gone := dayOf(k.opts.Now()), []markRow{}
		err := k.eachMark(func(r *markRow) {
			if r.until != 0 && r.until <= today {
				gone = append(gone, *r)
			}
		})
		if err != nil || len(gone) == 0 {
			return err
		}
		for i := range gone {
			if _, err := k.writer.exec("DELETE FROM marks WHERE mac = ?", gone[i].mac); err != nil {
				return fmt.Errorf("deleting a mark: %w", err)
			}
			c.marks.remove(gone[i].rowMAC)
		}
		dropped, c.written = len(gone), true
		if k.journal == nil {
			return nil
		}
		return k.writeMarksFile(c)
	})
	if err != nil {
		return 0, fmt.Errorf("dropping marks: %w", err)
	}
	return dropped, nil
}
