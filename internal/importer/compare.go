package importer

import (
	"context"
	"slices"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/subject"
)

// compare sorts a row's values into what the source said before, what it
// changed, and what is new; only the last two are sent.
func (s *sitting) compare(ctx context.Context) error {
	before := slices.Clone(s.known.values)
	take := func(match func(mark) bool) (mark, bool) {
		i := slices.IndexFunc(before, match)
		if i < 0 {
			return mark{}, false
		}
		m := before[i]
		before = slices.Delete(before, i, i+1)
		return m, true
	}
	var rest []*value
	for i := range s.p.values {
		v := &s.p.values[i]
		if m, ok := take(func(m mark) bool { return m.field == v.field.ID && m.mac == v.mac }); ok {
			s.marks = append(s.marks, m)
			continue
		}
		rest = append(rest, v)
	}
	for _, v := range rest {
		m, had := take(func(m mark) bool { return m.field == v.field.ID })
		if s.restricted {
			s.withhold(v.field.ID)
			continue
		}
		if s.env.Fenced[v.field.Group] {
			s.x.refusals = append(s.x.refusals, fault{v.field.ID, ruleErased})
			continue
		}
		err := error(nil)
		if had {
			err = s.changed(ctx, v, m)
		} else {
			err = s.appeared(ctx, v)
		}
		if err != nil {
			return err
		}
	}
	for _, m := range before {
		s.emptied(m)
	}
	return nil
}

// emptied reports a value that the source had and has no more: an empty cell
// is no request to erase. It stays remembered, and is reported as long as the
// cell is empty.
func (s *sitting) emptied(m mark) {
	if c := s.x.task.claim; c != nil && c.Mapping == s.key.Mapping {
		s.x.findings = append(s.x.findings, ruleEmptied)
	}
	s.marks = append(s.marks, m)
}

func (s *sitting) held(field domain.Name, slot uint16) *subject.Field {
	for i := range s.snap.Fields {
		if f := &s.snap.Fields[i]; f.Field == field && f.Slot == slot {
			return f
		}
	}
	return nil
}

// changed: the source has another value than when it was imported last.
func (s *sitting) changed(ctx context.Context, v *value, was mark) error {
	held := s.held(was.field, was.slot)
	if held == nil {
		s.conflict(v, &was, ruleRemoved)
		return nil
	}
	same, err := s.Ledger.Matches(ctx, held.Value, v.text)
	if err != nil {
		return err
	}
	if same {
		s.purposesOf(v, held)
		return nil
	}
	erased, err := s.Ledger.Erased(ctx, held.Value)
	if err != nil {
		return err
	}
	if erased && s.lost(held) && !s.erasedBeside(v.field.ID) {
		s.add(v, held.Slot, v.purposes)
		return nil
	}
	if erased { // by an erasure that lost events ordered: it may be this very value
		s.conflict(v, &was, ruleRemoved)
		return nil
	}
	mine, err := s.mine(ctx, held)
	if err != nil {
		return err
	}
	if !mine {
		s.conflict(v, &was, ruleChanged)
		return nil
	}
	s.rectify(v, held)
	return nil
}

// conflict reports a value and does not write it. What the source said before
// stays remembered, so that the next changed file reports it again.
func (s *sitting) conflict(v *value, was *mark, rule domain.Name) {
	s.x.conflicts = append(s.x.conflicts, fault{v.field.ID, rule})
	if was != nil {
		s.marks = append(s.marks, *was)
	}
}

// appeared: a value that this row did not have. Another row of the same
// person may have it already, and so may this one, when it was imported and
// the claim was not closed.
func (s *sitting) appeared(ctx context.Context, v *value) error {
	var own, lost *subject.Field
	some := false
	for i := range s.snap.Fields {
		held := &s.snap.Fields[i]
		if held.Field != v.field.ID {
			continue
		}
		some = true
		same, err := s.Ledger.Matches(ctx, held.Value, v.text)
		if err != nil {
			return err
		}
		if same {
			s.purposesOf(v, held)
			return nil
		}
		if lost == nil && s.lost(held) && !s.marked(held) {
			lost = held
		}
		if own == nil && !s.marked(held) {
			mine, err := s.mine(ctx, held)
			if err != nil {
				return err
			}
			erased, err := s.Ledger.Erased(ctx, held.Value)
			if err != nil {
				return err
			}
			if mine && !erased && !s.wanted(ctx, held) {
				own = held
			}
		}
	}
	if own == nil && s.known.none() {
		rule, was, err := s.overruled(ctx, v)
		if err != nil {
			return err
		}
		if rule != "" {
			s.conflict(v, was, rule)
			return nil
		}
	}
	switch {
	case own != nil:
		s.rectify(v, own)
	case lost != nil:
		s.add(v, lost.Slot, v.purposes)
	case some && !v.field.Many:
		s.conflict(v, nil, ruleHeld)
	default:
		s.add(v, s.free(v.field), v.purposes)
	}
	return nil
}

// ours: the source is this system's table, by an import.
func (s *sitting) ours(from subject.Source) bool {
	return from.System == s.src.System() && from.Table == s.x.task.row.Table && !from.Import.IsZero()
}

// marked reports whether the row speaks of the value already.
func (s *sitting) marked(held *subject.Field) bool {
	return slices.ContainsFunc(s.marks, func(m mark) bool { return m.field == held.Field && m.slot == held.Slot })
}

// wanted reports whether another value of the row is this one.
func (s *sitting) wanted(ctx context.Context, held *subject.Field) bool {
	for i := range s.p.values {
		if s.p.values[i].field.ID != held.Field {
			continue
		}
		if same, err := s.Ledger.Matches(ctx, held.Value, s.p.values[i].text); err == nil && same {
			return true
		}
	}
	return false
}

// purposesOf records a value that is held for the purposes that lack it.
func (s *sitting) purposesOf(v *value, held *subject.Field) {
	var lacking []domain.Name
	for _, p := range v.purposes {
		if !slices.Contains(held.Purposes, p) {
			lacking = append(lacking, p)
		}
	}
	if len(lacking) > 0 {
		s.add(v, held.Slot, lacking)
		return
	}
	s.keep(v, held.Slot)
}

func (s *sitting) rectify(v *value, held *subject.Field) {
	slot := held.Slot
	s.rectified = append(s.rectified, subject.Entry{Field: v.field.ID, Text: personal.Of(v.text), Slot: &slot, Class: v.class})
	s.keep(v, slot)
	s.did.values++
}

// mine reports whether this row set the value: nobody has changed it since.
func (s *sitting) mine(ctx context.Context, held *subject.Field) (bool, error) {
	if !s.ours(held.Source) {
		return false, nil
	}
	row := s.x.task.row
	switch e := held.At.Event.(type) {
	case *subject.FieldsRecorded:
		return s.Ledger.Matches(ctx, e.Row, row.Key)
	case *subject.FieldsRectified:
		return s.Ledger.Matches(ctx, e.Row, row.Key)
	}
	return false, nil
}

// recover closes a row whose append was acknowledged, or at least made, before
// the import was cut off: nothing is sent again, whatever was changed since.
func (s *sitting) recover(ctx context.Context, first, last uint64) error {
	var items []subject.Item
	s.did.kind = updated
	for _, rec := range s.state.Entries()[first : last+1] {
		switch e := rec.Event.(type) {
		case *subject.Registered:
			s.did.kind = created
		case *subject.FieldsRecorded:
			for _, it := range e.Items {
				if !slices.ContainsFunc(items, func(i subject.Item) bool { return i.Field == it.Field && i.Slot == it.Slot }) {
					items = append(items, it)
				}
			}
		case *subject.FieldsRectified:
			items = append(items, e.Items...)
		case *subject.Objected:
			s.did.denials++
			if s.heeded(e) {
				s.x.findings = append(s.x.findings, ruleMarked)
			}
		case *subject.ConsentRefused, *subject.ConsentWithdrawn:
			s.did.denials++
		case *subject.ConsentGiven:
			s.did.consents++
		}
	}
	s.did.values = uint16(len(items)) //nolint:gosec // an event holds 200
	for i := range s.p.values {
		if err := s.recognise(ctx, &s.p.values[i], &items); err != nil {
			return err
		}
	}
	for i := range s.p.denials {
		s.denials = append(s.denials, s.p.denials[i].mac)
	}
	for i := range s.p.consents {
		s.consents = append(s.consents, s.p.consents[i].mac)
	}
	s.gone()
	s.leftOver()
	return nil
}

// leftOver finds what is remembered of fields that the row has fewer values
// of now.
func (s *sitting) leftOver() {
	count := func(field domain.Name) (n int) {
		for i := range s.p.values {
			if s.p.values[i].field.ID == field {
				n--
			}
		}
		for _, m := range s.known.values {
			if m.field == field {
				n++
			}
		}
		return n
	}
	done := map[domain.Name]int{}
	for _, m := range s.known.values {
		spoken := slices.ContainsFunc(s.marks, func(k mark) bool { return k.field == m.field && k.slot == m.slot })
		if !spoken && done[m.field] < count(m.field) {
			done[m.field]++
			s.emptied(m)
		}
	}
}

// recognise finds a value among what the row's command recorded.
func (s *sitting) recognise(ctx context.Context, v *value, items *[]subject.Item) error {
	for i, it := range *items {
		if it.Field != v.field.ID {
			continue
		}
		same, err := s.Ledger.Matches(ctx, it.Value, v.text)
		if err != nil {
			return err
		}
		if same {
			s.keep(v, it.Slot)
			*items = slices.Delete(*items, i, i+1)
			return nil
		}
	}
	for i := range s.known.values {
		if m := s.known.values[i]; m.field == v.field.ID && m.mac == v.mac {
			s.marks = append(s.marks, m)
			return nil
		}
	}
	for i := range s.snap.Fields {
		held := &s.snap.Fields[i]
		if held.Field != v.field.ID {
			continue
		}
		same, err := s.Ledger.Matches(ctx, held.Value, v.text)
		if err != nil {
			return err
		}
		if same {
			s.keep(v, held.Slot)
			return nil
		}
	}
	if s.restricted {
		s.withhold(v.field.ID)
		return nil
	}
	s.conflict(v, nil, ruleHeld)
	return nil
}
