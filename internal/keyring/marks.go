package keyring

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/catalogue"
)

// Marks says which marks of suppression a destruction leaves.
type Marks uint8

// Kinds of marks. A mark is a keyed hash of what identified a person: it
// answers for whoever comes with the same, and leads back to nobody.
const (
	// MarkSource: of the keys in the sources, when everything of a person
	// goes. A later import creates nothing from such a row.
	MarkSource Marks = 1 << iota
	// MarkContact: of e-mail addresses and phone numbers. These are shared and
	// recycled: a later record with one gets no marketing, and a review.
	MarkContact
	// MarkObjection: MarkContact, and they say that its holder objected to
	// marketing, which outlives a new lifecycle.
	MarkObjection
)

// MarkedBy is what a mark is of.
const (
	MarkedSource = domain.Name("source")
	MarkedEmail  = domain.Name(catalogue.LookupEmail)
	MarkedPhone  = domain.Name(catalogue.LookupPhone)
)

// Mark is a mark of suppression. Its day is no exact time on purpose: with
// that it would lead back to the erasure that left it.
type Mark struct {
	By        domain.Name // MarkedSource, MarkedEmail, MarkedPhone
	Erased    bool        // whoever had it was erased
	Objection bool        // whoever had it objected to marketing
	Cause     domain.Name // of the destruction that left it
	Day       time.Time   // on which it was left, UTC
	Until     time.Time   // its end, at the beginning of a day; zero: none
}

// InForce reports whether the mark counts at a time.
func (m *Mark) InForce(at time.Time) bool {
	return (m.Erased || m.Objection) && (m.Until.IsZero() || at.Before(m.Until))
}

// Identifier is what a mark may be of: a row's key in a source, when Kind is
// empty, or an e-mail address or a phone number.
type Identifier struct {
	Source SourceKey
	Kind   catalogue.LookupKind
	Text   string
}

// Suppressed returns the mark that is in force for each identifier, the zero
// Mark where there is none. One of a source key forbids creating a person;
// one of a contact forbids marketing and proposes a review, no more. It is
// also how an access request finds what is kept of somebody who was erased.
func (k *Keyring) Suppressed(ctx context.Context, of []Identifier) ([]Mark, error) {
	if len(of) > MaxImportBatch {
		return nil, fmt.Errorf("looking for marks: %d are more than %d", len(of), MaxImportBatch)
	}
	macs := make([][]byte, len(of))
	for i := range of {
		macs[i] = k.identifierMAC(&of[i])
	}
	found := map[string]Mark{}
	for rest := macs; len(rest) > 0; {
		n := chunkOf(len(rest))
		if err := k.readMarks(ctx, rest[:n], found); err != nil {
			return nil, fmt.Errorf("looking for marks: %w", err)
		}
		rest = rest[n:]
	}
	marks, now := make([]Mark, len(of)), k.opts.Now()
	for i, mac := range macs {
		if m := found[string(mac)]; m.InForce(now) {
			marks[i] = m
		}
	}
	return marks, nil
}

func (k *Keyring) readMarks(ctx context.Context, macs [][]byte, into map[string]Mark) error {
	args := make([]any, len(macs))
	for i, mac := range macs {
		args[i] = mac
	}
	stmt := k.read.mark
	if len(macs) > 1 {
		stmt = k.read.marks
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // read only
	for rows.Next() {
		var r markRow
		if err := r.scan(rows.Scan); err != nil {
			return err
		}
		if what := k.wrongMAC(r.rowMAC, r.message(), macSize); what != "" {
			return &IntegrityError{Table: "marks", Row: fmt.Sprintf("mark %x: %s", r.mac, what)}
		}
		into[string(r.mac)] = r.mark()
	}
	return rows.Err()
}

// ListMarks goes over all marks, also those that are no more in force, in no
// order that tells anything.
func (k *Keyring) ListMarks(ctx context.Context) iter.Seq2[Mark, error] {
	return func(yield func(Mark, error) bool) {
		err := eachRow(ctx, k.reads, "SELECT "+markColumns+" FROM marks", func(scan func(...any) error) error {
			var r markRow
			if err := r.scan(scan); err != nil {
				return err
			}
			if what := k.wrongMAC(r.rowMAC, r.message(), macSize); what != "" {
				return &IntegrityError{Table: "marks", Row: fmt.Sprintf("mark %x: %s", r.mac, what)}
			}
			if !yield(r.mark(), nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(Mark{}, fmt.Errorf("reading marks: %w", err))
		}
	}
}

// PlannedMarks tells how many marks of each sort Destroy would leave for a
// destruction as things are, without leaving any.
func (k *Keyring) PlannedMarks(ctx context.Context, d *Destruction) (map[domain.Name]int, error) {
	p := d.person()
	rows, err := k.marksOf(ctx, "", &p)
	if err != nil {
		return nil, err
	}
	n := map[domain.Name]int{}
	for i := range rows {
		n[domain.Name(rows[i].by)]++
	}
	return n, nil
}

// LiftMarks takes marks back, because whoever they are of came back: that
// they were erased or, with objection, that they objected, as after a fresh
// opt-in. It reports how many there were.
func (k *Keyring) LiftMarks(ctx context.Context, of []Identifier, objection bool) (lifted int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	err = k.change(func(c *changes) error {
		var rows []markRow
		for i := range of {
			r, there, err := k.markRow(k.identifierMAC(&of[i]))
			if err != nil {
				return err
			}
			bit := int64(markErased)
			if objection {
				bit = markObjected
			}
			if there && r.kinds&bit != 0 {
				r.kinds &^= bit
				rows = append(rows, r)
			}
		}
		lifted = len(rows)
		return k.putMarks(c, rows)
	})
	if err != nil {
		return 0, fmt.Errorf("lifting marks: %w", err)
	}
	return lifted, nil
}

// marksOf are the marks that are left of a person, made of the MACs in the
// lookup file, so that nothing is opened. Without a lookup there are none.
func (k *Keyring) marksOf(ctx context.Context, cause domain.Name, p *person) ([]markRow, error) {
	if p.token == "" || p.marks == 0 {
		return nil, nil
	}
	base := markRow{cause: string(cause), day: dayOf(k.opts.Now()), until: p.until}
	var rows []markRow
	add := func(by domain.Name, mac []byte, kinds int64) {
		r := base
		r.mac, r.by, r.kinds = k.markMAC(by, mac), string(by), kinds
		rows = append(rows, r)
	}
	if p.marks&MarkSource != 0 && p.everything {
		unknown := k.UnknownRowsOf(p.token)
		err := eachOf(ctx, k.lookups.read.sources, string(p.token), func(scan func(...any) error) error {
			var mac []byte
			err := scan(&mac)
			if !bytes.Equal(mac, unknown[:]) {
				add(MarkedSource, mac, markErased)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("reading import claims: %w", err)
		}
	}
	if p.marks&(MarkContact|MarkObjection) == 0 {
		return rows, nil
	}
	kinds := int64(markErased)
	if p.marks&MarkObjection != 0 {
		kinds |= markObjected
	}
	err := eachOf(ctx, k.lookups.read.contacts, string(p.token), func(scan func(...any) error) error {
		var mac []byte
		var kind, field domain.Name
		if err := scan(&mac, &kind, &field); err != nil {
			return err
		}
		if p.everything || slices.Contains(p.fields, field) {
			add(kind, mac, kinds)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the lookup: %w", err)
	}
	return distinct(rows), nil
}

// distinct sorts rows by their MACs and leaves one of each.
func distinct(rows []markRow) []markRow {
	slices.SortFunc(rows, func(a, b markRow) int { return bytes.Compare(a.mac, b.mac) })
	return slices.CompactFunc(rows, func(a, b markRow) bool { return bytes.Equal(a.mac, b.mac) })
}

func eachOf(ctx context.Context, stmt *sql.Stmt, arg any, f func(scan func(...any) error) error) error {
	rows, err := stmt.QueryContext(ctx, arg)
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

// newMarks leaves out marks that stand already for as long, and joins the
// others to what stands.
func (k *Keyring) newMarks(wanted []markRow) ([]markRow, error) {
	var rows []markRow
	now := dayOf(k.opts.Now())
	for _, r := range distinct(wanted) {
		old, there, err := k.markRow(r.mac)
		if err != nil {
			return nil, err
		}
		if there {
			r.version = old.version
			if old.kinds != 0 && (old.until == 0 || old.until > now) {
				r.kinds |= old.kinds
				if old.until == 0 || r.until != 0 && old.until > r.until {
					r.until = old.until
				}
				if r.kinds == old.kinds && r.until == old.until {
					continue
				}
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// putMarks writes marks, a version above what stands: first into the file
// beside the journal, then into the table.
func (k *Keyring) putMarks(c *changes, rows []markRow) error {
	if len(rows) == 0 {
		return nil
	}
	for i := range rows {
		rows[i].version++
		rows[i].rowMAC = k.secrets.rowMAC(rows[i].message())
	}
	if k.journal != nil {
		if err := k.journal.appendMarks(rows); err != nil {
			return err
		}
		if err := k.passed("marks"); err != nil {
			return err
		}
	}
	for i := range rows {
		if err := k.storeMark(c, &rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// storeMark puts a row into the table, unless a later version stands there.
func (k *Keyring) storeMark(c *changes, r *markRow) error {
	old, there, err := k.markRow(r.mac)
	if err != nil || there && old.version >= r.version {
		return err
	}
	_, err = k.writer.exec("INSERT INTO marks ("+markColumns+`) VALUES (?,?,?,?,?,?,?,?)
		ON CONFLICT (mac) DO UPDATE SET by_what = excluded.by_what, kinds = excluded.kinds, cause = excluded.cause,
		day = excluded.day, until = excluded.until, version = excluded.version, row_mac = excluded.row_mac`,
		r.mac, r.by, r.kinds, r.cause, r.day, r.until, r.version, r.rowMAC)
	if err != nil {
		return fmt.Errorf("leaving a mark: %w", err)
	}
	if there {
		c.marks.replace(old.rowMAC, r.rowMAC)
	} else {
		c.marks.add(r.rowMAC)
	}
	c.written = true
	return nil
}

// markRow reads a row inside the transaction.
func (k *Keyring) markRow(mac []byte) (r markRow, there bool, err error) {
	stmt, err := k.writer.stmt("SELECT " + markColumns + " FROM marks WHERE mac = ?")
	if err != nil {
		return r, false, err
	}
	err = r.scan(stmt.QueryRow(mac).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("reading a mark: %w", err)
	}
	if what := k.wrongMAC(r.rowMAC, r.message(), macSize); what != "" {
		return r, false, &IntegrityError{Table: "marks", Row: fmt.Sprintf("mark %x: %s", r.mac, what)}
	}
	return r, true, nil
}
