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

// erase leaves markers of what an event destroys and, when it stops an erasure
// that had started, brings back what that took; in bulk, both later.
func (f *fold) erase(tx projections.Tx, token string, e *domain.Recorded) error {
	_, stops := e.Event.(*subject.ErasureStopped)
	gone, destroys := projections.GoneBy(e.Event)
	switch {
	case !stops && !destroys:
		return nil
	case f.bulk:
		f.later[token] = true
		return nil
	case stops:
		return f.restore(tx, token, e)
	}
	return mark(tx, token, []projections.Destruction{{At: e.Position, Gone: gone}})
}

var _ projections.Finisher = (*fold)(nil)

// Unfinished reports whether anybody's erasure was put off.
func (f *fold) Unfinished() bool { return len(f.later) > 0 }

// Finish does what was put off: each erasure takes what was sealed before it.
func (f *fold) Finish(tx projections.Tx) error {
	for _, token := range slices.Sorted(maps.Keys(f.later)) {
		gone, err := destructions(tx, token)
		if err != nil {
			return err
		}
		if err := mark(tx, token, gone); err != nil {
			return err
		}
	}
	f.bulk, f.later = false, nil
	return nil
}

// destructions reads what a person's erasures destroy.
func destructions(tx projections.Tx, token string) ([]projections.Destruction, error) {
	var all []projections.Decided
	err := tx.Query("SELECT position, type, erasure FROM history WHERE token = ? AND erasure IS NOT NULL ORDER BY position",
		[]any{token}, func(row projections.Row) error {
			var d projections.Decided
			var name string
			var facts []byte
			err := row.Scan(&d.At, &name, &facts)
			if err == nil {
				d.Event, err = standing.Event(name, facts)
			}
			all = append(all, d)
			return err
		})
	return projections.Destructions(all), err
}

// mark leaves markers of a person's values that are gone.
func mark(tx projections.Tx, token string, gone []projections.Destruction) error {
	if len(gone) == 0 {
		return nil
	}
	var taken []row
	err := tx.Query("SELECT p.position, seq, field, retention_group, p.type, p.version, part"+
		" FROM history h JOIN history_parts p ON p.position = h.position"+
		" WHERE h.token = ? AND h.position < ? AND part IS NOT NULL ORDER BY p.position, seq",
		[]any{token, int64(gone[len(gone)-1].At)}, func(found projections.Row) error {
			var r row
			err := found.Scan(&r.position, &r.seq, &r.field, &r.group, &r.part.Type, &r.part.Version, &r.part.Bytes)
			if err == nil && projections.Take(gone, uint64(r.position), &r.part) {
				taken = append(taken, r)
			}
			return err
		})
	if err != nil {
		return err
	}
	for _, r := range taken {
		if err := r.put(tx); err != nil {
			return err
		}
	}
	return nil
}

// restore takes a person's values from the stream again, up to an event, but
// for those that are gone none the less.
func (f *fold) restore(tx projections.Tx, token string, e *domain.Recorded) error {
	gone, err := destructions(tx, token)
	if err != nil {
		return err
	}
	return tx.Stream(e.Stream, e.Position, func(r *domain.Recorded) error {
		if _, ok := FactsOf(r.Event); !ok {
			return nil
		}
		for _, sealed := range f.sealed(r) {
			if !projections.Take(gone, r.Position, &sealed.part) {
				if err := sealed.put(tx); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
