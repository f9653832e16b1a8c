package keyring

import (
	"context"
	"database/sql"
	"fmt"

	"lethe/domain"
	"lethe/domain/catalogue"
)

// Shared is a value that several records have, or had.
type Shared struct {
	Kind catalogue.LookupKind
	Hits []Hit // at most as many as were asked for
	Many bool  // there are more
}

const sharedRows = `SELECT l.mac, l.kind, l.token, l.field, l.event_id
	FROM (%s) m CROSS JOIN lookup l ON l.mac = m.mac`

// SharedValues visits every value of the index that several records have, with
// at most most rows each. It goes over the whole index once.
func (k *Keyring) SharedValues(ctx context.Context, most int, visit func(Shared) error) error {
	rows, err := k.lookups.reads.QueryContext(ctx,
		fmt.Sprintf(sharedRows, "SELECT mac FROM lookup GROUP BY mac HAVING min(token) <> max(token)"))
	if err != nil {
		return fmt.Errorf("looking for shared values: %w", err)
	}
	return visitShared(rows, most, visit)
}

// SharedWith visits the values that a record shares with others.
func (k *Keyring) SharedWith(ctx context.Context, token domain.Token, most int, visit func(Shared) error) error {
	rows, err := k.lookups.read.shared.QueryContext(ctx, string(token))
	if err != nil {
		return fmt.Errorf("looking for shared values: %w", err)
	}
	return visitShared(rows, most, visit)
}

// visitShared gathers the rows of one value after the other.
func visitShared(rows *sql.Rows, most int, visit func(Shared) error) error {
	defer rows.Close() //nolint:errcheck // read only
	var mac, last, id sql.RawBytes
	var kept []byte
	var s Shared
	end := func() error {
		if len(s.Hits) < 2 {
			return nil
		}
		return visit(s)
	}
	for rows.Next() {
		var h Hit
		var kind catalogue.LookupKind
		if err := rows.Scan(&mac, &kind, &h.Token, &h.Field, &id); err != nil {
			return fmt.Errorf("looking for shared values: %w", err)
		}
		copy(h.EventID[:], id)
		if string(mac) != string(last) || kept == nil {
			if err := end(); err != nil {
				return err
			}
			kept = append(kept[:0], mac...)
			last, s = sql.RawBytes(kept), Shared{Kind: kind}
		}
		if len(s.Hits) == most {
			s.Many = true
			continue
		}
		s.Hits = append(s.Hits, h)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("looking for shared values: %w", err)
	}
	return end()
}
