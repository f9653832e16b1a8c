package importer

import (
	"cmp"
	"context"
	"slices"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/internal/importer/source"
	"lethe/internal/keyring"
)

// brought is a value that an import put into the record.
type brought struct {
	subject.Item
	from     subject.Source
	row      personal.Value
	purposes []domain.Name // one when it was recorded, none when it was rectified
}

// broughtHere lists what imports from this system put into the record, in
// the order in which they did. A new lifecycle begins anew.
func (s *sitting) broughtHere() (list []brought) {
	for _, rec := range s.state.Entries() {
		b, items := brought{}, []subject.Item(nil)
		switch e := rec.Event.(type) {
		case *subject.FieldsRecorded:
			items, b.from, b.row, b.purposes = e.Items, e.Source, e.Row, []domain.Name{e.Purpose}
		case *subject.FieldsRectified:
			items, b.from, b.row = e.Items, e.Source, e.Row
		case *subject.LifecycleOpened:
			list = slices.DeleteFunc(list, func(b brought) bool {
				return slices.Contains(e.Groups, b.Group) || slices.Contains(e.Waits, b.Group)
			})
		}
		if b.from.System != s.src.System() || b.from.Import.IsZero() {
			continue
		}
		for _, b.Item = range items {
			list = append(list, b)
		}
	}
	return list
}

// recall makes a row's memory anew from the record, for a row whose claim was
// lost or never closed: the last value that this very row brought to each
// place. Without it a value that somebody corrected or took out since would
// look like one that the row never had, and be written beside the correction.
func (s *sitting) recall(ctx context.Context) error {
	var last []brought
	for _, b := range s.broughtHere() {
		if !s.ours(b.from) {
			continue
		}
		mine, err := s.Ledger.Matches(ctx, b.row, s.x.task.row.Key)
		if err != nil {
			return err
		}
		if !mine {
			continue
		}
		i := slices.IndexFunc(last, func(l brought) bool { return l.Field == b.Field && l.Slot == b.Slot })
		if i < 0 {
			last = append(last, b)
			continue
		}
		last[i].Item, last[i].purposes = b.Item, append(last[i].purposes, b.purposes...)
	}
	slices.SortFunc(last, func(a, b brought) int {
		return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(a.Slot, b.Slot))
	})
	for i := range last {
		mac, err := s.macOf(ctx, &last[i])
		if err != nil {
			return err
		}
		s.known.values = append(s.known.values, mark{last[i].Field, last[i].Slot, mac})
	}
	return nil
}

// macOf is the MAC of the row's value that is the one brought, for the same
// purposes; zero when the row says something else now.
func (s *sitting) macOf(ctx context.Context, b *brought) (keyring.ValueMAC, error) {
	for i := range s.p.values {
		v := &s.p.values[i]
		if v.field.ID != b.Field {
			continue
		}
		same, err := s.Ledger.Matches(ctx, b.Value, v.text)
		if err != nil {
			return keyring.ValueMAC{}, err
		}
		lacks := slices.ContainsFunc(v.purposes, func(p domain.Name) bool { return !slices.Contains(b.purposes, p) })
		if same && !lacks {
			return v.mac, nil
		}
	}
	return keyring.ValueMAC{}, nil
}

// overruled tells, for a row without a memory, whether another row of its
// system brought this very value and somebody who is no import changed it or
// took it out since: "" or the conflict's rule. A row that found its value in
// the record brought none itself, so its own history says nothing.
//
// A value that was erased may be this very one, when nothing tells which row
// had brought it: was is its place then.
func (s *sitting) overruled(ctx context.Context, v *value) (rule domain.Name, was *mark, err error) {
	for _, b := range s.broughtHere() {
		if b.Field != v.field.ID {
			continue
		}
		held := s.held(b.Field, b.Slot)
		if held != nil && held.Lost {
			continue
		}
		gone := held == nil
		if !gone {
			if gone, err = s.Ledger.Erased(ctx, held.Value); err != nil {
				return "", nil, err
			}
		}
		if !gone && !held.Source.Import.IsZero() {
			continue
		}
		same, err := s.Ledger.Matches(ctx, b.Value, v.text)
		if err != nil {
			return "", nil, err
		}
		if !same {
			if same, err = s.maybe(ctx, &b); err != nil {
				return "", nil, err
			}
			was = &mark{field: b.Field, slot: b.Slot}
		}
		switch {
		case same && gone:
			return ruleRemoved, was, nil
		case same:
			return ruleChanged, was, nil
		}
	}
	return "", nil, nil
}

// lost reports whether a value that this system had brought is lost: it is to
// come back from there.
func (s *sitting) lost(held *subject.Field) bool {
	return held.Lost && held.Source.System == s.src.System() && !held.Source.Import.IsZero()
}

// erasedBeside reports whether a value of the field that this row brought was
// erased, while nobody knows any more which one.
func (s *sitting) erasedBeside(field domain.Name) bool {
	return slices.ContainsFunc(s.known.values, func(m mark) bool {
		held := s.held(m.field, m.slot)
		return m.field == field && m.mac == keyring.ValueMAC{} && (held == nil || !held.Lost)
	})
}

// maybe reports whether a value that was brought cannot be read any more since
// it was erased, and may have been this row's: the row has a claim without a
// memory, or it has none and claims of rows that nobody knows any more are lost.
func (s *sitting) maybe(ctx context.Context, b *brought) (bool, error) {
	erased, err := s.Ledger.Erased(ctx, b.Value)
	if err != nil || !erased || s.x.task.claim != nil {
		return erased, err
	}
	unknown := s.Keys.UnknownRowsOf(s.x.task.token)
	claims, err := s.Keys.ImportClaims(ctx, []keyring.SourceKey{unknown})
	if err != nil {
		return false, domain.Internal("reading claims", err)
	}
	_, lost := claims[unknown]
	return lost, nil
}

// saidNo tells, for a row whose claim is there but has no memory, whether an
// import recorded this no: it may have been taken back since, and without a date of its own it
// would be dated by when its row was last changed.
func (s *sitting) saidNo(d *denial) bool {
	if s.state == nil || s.x.task.claim == nil || !s.known.none() {
		return false
	}
	c := s.objection(d)
	return slices.ContainsFunc(s.state.Entries(), func(rec domain.Recorded) bool {
		if !d.At.IsZero() && !rec.Effective.Equal(d.at) {
			return false
		}
		switch e := rec.Event.(type) {
		case *subject.ConsentRefused:
			return d.Kind == source.Refusal && e.Purpose == d.Purpose && e.Medium == subject.Imported
		case *subject.Objected:
			return d.Kind != source.Refusal && e.Scope == c.Scope && e.Purpose == c.Purpose && e.Channel == c.Channel &&
				e.Source.System == c.Source.System && !e.Source.Import.IsZero()
		}
		return false
	})
}
