package history

import (
	"maps"
	"slices"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/projections"
	"lethe/projections/standing"
)

// about reports whether an event is about an erasure.
func about(e domain.Event) bool {
	switch e.(type) {
	case *subject.ErasureOrdered, *subject.ErasureCancelled, *subject.ErasureStarted, *subject.ErasureStopped,
		*subject.ErasureCompleted, *subject.ErasureReapplied, *subject.LifecycleOpened, *subject.ValuesResealed:
		return true
	}
	return false
}

// erasureParty is who decided it; the rest is in the column of its own.
func erasureParty(e domain.Event) Facts {
	switch x := e.(type) {
	case *subject.ErasureOrdered:
		return Facts{By: x.By}
	case *subject.ErasureCancelled:
		return Facts{By: x.By}
	case *subject.LifecycleOpened:
		return Facts{By: x.By}
	default:
		return Facts{}
	}
}

// erasureFacts is the column's value, NULL for other events.
func erasureFacts(e domain.Event) (any, error) {
	if !about(e) {
		return nil, nil
	}
	return standing.Facts(e)
}

// erase leaves markers of what the event destroys, at once or, in bulk, later.
func (f *fold) erase(tx projections.Tx, token string, position int64, e domain.Event) error {
	gone, ok := projections.GoneBy(e)
	switch {
	case !ok:
		return nil
	case f.bulk:
		f.later[token] = true
		return nil
	}
	return eraseBefore(tx, token, position, gone)
}

var _ projections.Finisher = (*fold)(nil)

// Unfinished reports whether anybody's erasure was put off.
func (f *fold) Unfinished() bool { return len(f.later) > 0 }

// Finish does what was put off: each erasure takes what was sealed before it.
func (f *fold) Finish(tx projections.Tx) error {
	for _, token := range slices.Sorted(maps.Keys(f.later)) {
		if err := eraseAll(tx, token); err != nil {
			return err
		}
	}
	f.bulk, f.later = false, nil
	return nil
}

func eraseAll(tx projections.Tx, token string) error {
	type decided struct {
		position int64
		name     string
		facts    []byte
	}
	var all []decided
	err := tx.Query("SELECT position, type, erasure FROM history WHERE token = ? AND erasure IS NOT NULL ORDER BY position",
		[]any{token}, func(row projections.Row) error {
			var d decided
			err := row.Scan(&d.position, &d.name, &d.facts)
			all = append(all, d)
			return err
		})
	if err != nil {
		return err
	}
	for _, d := range all {
		e, err := standing.Event(d.name, d.facts)
		if err != nil {
			return err
		}
		if gone, ok := projections.GoneBy(e); ok {
			if err := eraseBefore(tx, token, d.position, gone); err != nil {
				return err
			}
		}
	}
	return nil
}

// eraseBefore leaves markers of a person's values that were sealed before a
// position and are gone.
func eraseBefore(tx projections.Tx, token string, position int64, gone projections.Gone) error {
	type sealed struct {
		position, seq int64
		field, group  string
		part          projections.Part
	}
	var taken []sealed
	err := tx.Query("SELECT p.position, seq, field, retention_group, p.type, p.version, part"+
		" FROM history h JOIN history_parts p ON p.position = h.position"+
		" WHERE h.token = ? AND h.position < ? AND part IS NOT NULL ORDER BY p.position, seq",
		[]any{token, position}, func(row projections.Row) error {
			var s sealed
			err := row.Scan(&s.position, &s.seq, &s.field, &s.group, &s.part.Type, &s.part.Version, &s.part.Bytes)
			if err == nil && gone.Erase(&s.part) {
				taken = append(taken, s)
			}
			return err
		})
	if err != nil {
		return err
	}
	for _, s := range taken {
		err := tx.Put(partsTable, s.position, s.seq, s.field, s.group, s.part.Type, int64(s.part.Version), s.part.Column())
		if err != nil {
			return err
		}
	}
	return nil
}
