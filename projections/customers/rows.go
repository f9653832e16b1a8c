package customers

import (
	"lethe/projections"
	"lethe/projections/standing"
)

// load reads somebody's rows back.
func (p *person) load(tx projections.Tx) error {
	key := []any{p.token}
	err := tx.Query(selectHead, key, func(row projections.Row) error {
		p.head.known, p.head.stored = true, true
		return row.Scan(p.head.columns()...)
	})
	if err != nil {
		return err
	}
	err = tx.Query(selectFields, key, func(row projections.Row) error {
		f := field{stored: true}
		err := row.Scan(f.columns()...)
		p.fields = append(p.fields, f)
		return err
	})
	if err != nil {
		return err
	}
	p.claims, err = standing.Load(tx, claimsTable, p.token)
	return err
}

const (
	headColumns = `jurisdiction, acquired, source_system, source_table, source_import, registered_recorded,
		registered_effective, event, revision, position, recorded, restricted, objections, status, closed, type, version, part`
	fieldColumns = `field, slot, lifecycle, retention_group, class, purposes, event, revision, recorded, since,
		source_system, source_table, source_import, type, version, part`
	selectHead   = "SELECT " + headColumns + " FROM customers WHERE token = ?"
	selectFields = "SELECT " + fieldColumns + " FROM customer_fields WHERE token = ? ORDER BY field, slot, lifecycle"
)

// columns are where headColumns are scanned to.
func (h *head) columns() []any {
	return []any{
		&h.jurisdiction, &h.acquired, &h.source.system, &h.source.table, &h.source.imported, &h.recorded,
		&h.effective, &h.event, &h.revision, &h.position, &h.changed, &h.restricted, &h.objections, &h.status, &h.closed,
		&h.row.Type, &h.row.Version, &h.row.Bytes,
	}
}

// columns are where fieldColumns are scanned to.
func (f *field) columns() []any {
	return []any{
		&f.field, &f.slot, &f.lifecycle, &f.group, &f.class, &f.purposes, &f.event, &f.revision, &f.recorded, &f.since,
		&f.source.system, &f.source.table, &f.source.imported, &f.part.Type, &f.part.Version, &f.part.Bytes,
	}
}

// write stores what changed.
func (p *person) write(tx projections.Tx) error {
	if err := p.writeHead(tx); err != nil {
		return err
	}
	return p.writeFields(tx)
}

func (p *person) writeHead(tx projections.Tx) error {
	h := &p.head
	if !h.known {
		return nil
	}
	put := putter(tx, &h.stored)
	return put(peopleTable, p.token, h.jurisdiction, h.acquired, h.source.system, h.source.table, optional(h.source.imported),
		h.recorded, h.effective, h.event, h.revision, h.position, h.changed,
		projections.Flag(h.restricted), h.objections, string(h.status), h.closed, h.row.Type, int64(h.row.Version), h.row.Column())
}

// writeFields deletes first: a value may have been removed and recorded anew.
func (p *person) writeFields(tx projections.Tx) error {
	for _, g := range p.gone {
		if err := tx.Delete(fieldsTable, p.token, g.field, g.slot, g.lifecycle); err != nil {
			return err
		}
	}
	p.gone = nil
	for i := range p.fields {
		f := &p.fields[i]
		if !f.dirty {
			continue
		}
		err := putter(tx, &f.stored)(fieldsTable, p.token, f.field, f.slot, f.lifecycle, f.group, f.class, f.purposes, f.event, f.revision, f.recorded, f.since,
			f.source.system, f.source.table, optional(f.source.imported), f.part.Type, int64(f.part.Version), f.part.Column())
		if err != nil {
			return err
		}
		f.dirty = false
	}
	return nil
}

// putter is how a row is written: an insert is cheaper, when it is known to
// be new.
func putter(tx projections.Tx, stored *bool) func(*projections.Table, ...any) error {
	if *stored {
		return tx.Put
	}
	*stored = true
	return tx.Add
}

// optional is NULL for an empty value.
func optional(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}
