package projections

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strings"

	"lethe/eventstore"
)

// Fingerprint is what one consistent state of a view holds, in short: two
// that are equal are of the same rows and the same schema.
type Fingerprint struct {
	Position eventstore.Position // up to which it has seen the log
	Digest   [sha256.Size]byte
}

// ErrUnsound: the view's file is damaged, or does not declare what the view
// does. Compare says what is wrong.
var ErrUnsound = errors.New("the view's file is not sound")

// Fingerprint reads a view's whole file, checks its pages, indexes and schema,
// and digests its rows. It folds nothing: whether the rows are right is not
// its matter. Errors: ErrUnsound.
func (r *Runner) Fingerprint(ctx context.Context, name string) (f Fingerprint, err error) {
	v, err := r.view(name)
	if err != nil {
		return f, err
	}
	handle, err := v.lend()
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, handle.leave()) }()
	fresh, err := openReader(handle.path) // without pages that were read earlier
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, fresh.db.Close()) }()
	unsound := false
	c := &comparison{runner: r, view: v.projection, report: func(Difference) { unsound = true }}
	err = fresh.read(ctx, func(q Querier) error { return c.digest(ctx, q, &f) })
	if unsound || damaged(err) {
		return f, errors.Join(ErrUnsound, err)
	}
	return f, err
}

func (c *comparison) digest(ctx context.Context, live Querier, f *Fingerprint) error {
	c.live = live
	if err := errors.Join(c.pages(ctx), c.schema(ctx)); err != nil {
		return err
	}
	at, schema, err := readCheckpoint(ctx, live, c.view.Name())
	if err != nil {
		return err
	}
	h := sha256.New()
	d := digester{hash: h}
	d.add([]any{c.view.Name(), int64(schema), int64(at.position), at.event[:]})
	for _, t := range c.view.Schema().Tables {
		d.add([]any{t.Name})
		query := "SELECT " + t.Names() + " FROM " + t.Name + " ORDER BY " + strings.Join(t.keyNames(t.KeyColumns), ", ")
		rows, err := openCursor(ctx, live, query, t)
		for err == nil && rows.more {
			d.add(rows.row)
			err = rows.next()
		}
		if rows != nil {
			err = errors.Join(err, rows.rows.Close())
		}
		if err != nil {
			return fmt.Errorf("reading table %s: %w", t.Name, err)
		}
	}
	f.Position, f.Digest = at.position, [sha256.Size]byte(h.Sum(nil))
	return nil
}

// digester writes rows so that no two are written alike: of each value its
// kind, its length, its bytes.
type digester struct {
	hash hash.Hash
	buf  []byte
}

func (d *digester) add(row []any) {
	b := d.buf[:0]
	for _, v := range row {
		b = append(b, byte(kind(v)))
		switch v := v.(type) {
		case int64:
			b = binary.BigEndian.AppendUint64(b, uint64(v))
		case string:
			b = append(binary.BigEndian.AppendUint64(b, uint64(len(v))), v...)
		case []byte:
			b = append(binary.BigEndian.AppendUint64(b, uint64(len(v))), v...)
		case nil:
		default:
			b = fmt.Appendf(b, "%T %v", v, v)
		}
	}
	d.hash.Write(append(b, 0xff))
	d.buf = b
}
