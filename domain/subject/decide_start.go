package subject

import (
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/personal"
)

// startErasure weighs again: a hold that was placed since wins.
func (d *decision) startErasure(c StartErasure) ([]domain.Event, error) {
	e, err := d.underway(c.Erasure, IsOrdered)
	switch {
	case err != nil:
		return nil, err
	case d.Now.Before(e.Ordered.Due):
		return nil, domain.Conflict("erasure.not_due", "erasure", "this erasure may still be cancelled until %s", e.Ordered.Due.Format(time.RFC3339))
	}
	groups, scale := d.again(e.Ordered)
	if !slices.ContainsFunc(groups, Weighed.Goes) {
		return one(&ErasureStopped{Erasure: c.Erasure, Groups: groups})
	}
	started := &ErasureStarted{
		Erasure: c.Erasure, Groups: groups, Linked: e.Ordered.Linked, Catalogue: d.Catalogue.Next(),
	}
	var events []domain.Event
	for _, g := range groups {
		if g.Outcome == Trim {
			kept, err := d.reseal(c.Erasure, g, scale)
			if err != nil {
				return nil, err
			}
			if kept != nil {
				events = append(events, kept)
			}
		}
		for _, k := range d.Keys {
			if k.Group == g.Group && (g.Outcome == Erase || g.Outcome == Trim && !k.Newest) {
				started.Keys = append(started.Keys, k.KeyRef)
			}
		}
	}
	return append(events, started), nil
}

// stopErasure is for holds that were placed before the start and seen after it.
func (d *decision) stopErasure(c StopErasure) ([]domain.Event, error) {
	e, err := d.underway(c.Erasure, IsStarted)
	if err != nil {
		return nil, err
	}
	groups, _ := d.again(e.Ordered)
	return one(&ErasureStopped{Erasure: c.Erasure, Groups: groups})
}

// again weighs what the order weighed. What was to stay stays: the person was
// told so; what was to go may have to stay.
func (d *decision) again(o *ErasureOrdered) ([]Weighed, *scale) {
	scope := Scope{Everything: o.Everything, Ended: o.Cause == OnRetention}
	for _, g := range o.Groups {
		switch {
		case o.Everything || !g.Goes():
		case g.Outcome == Trim && g.Values == nil && g.Rule == "":
			scope.Superseded = append(scope.Superseded, g.Group)
		case g.Outcome == Trim && g.Values != nil:
			scope.Values = append(scope.Values, g.Values...)
		default:
			scope.Groups = append(scope.Groups, g.Group)
		}
	}
	scale := d.scale(scope, o.Ground)
	scale.follow(o.Follows)
	e, _ := d.Erasure(o.Erasure)
	scale.anew = e.State == IsStarted
	groups := scale.weigh()
	for _, old := range o.Groups {
		if old.Goes() {
			continue
		}
		i := slices.IndexFunc(groups, func(g Weighed) bool { return g.Group == old.Group })
		if i < 0 {
			groups = append(groups, old)
		} else if groups[i].Goes() {
			groups[i] = old
		}
	}
	return groups, scale
}

// reseal carries a group's values that stay over to its newest key.
func (d *decision) reseal(erasure domain.ID, g Weighed, s *scale) (*ValuesResealed, error) {
	if g.Group == domain.EvidenceGroup {
		return d.resealEvidence(erasure, s)
	}
	e := &ValuesResealed{Erasure: erasure, Group: g.Group, Dropped: g.Values}
	for _, f := range d.fields(window{}) {
		if f.Group != g.Group || f.Lost || slices.Contains(g.Values, f.Ref()) {
			continue
		}
		text, err := d.open(f.Value)
		if err != nil {
			return nil, err
		}
		item := f.Item
		item.Value = personal.Of(text)
		e.Items = append(e.Items, Resealed{Item: item, From: f.EventID})
	}
	return e, nil
}

func (d *decision) open(v personal.Value) (string, error) {
	if d.Opened == nil {
		return "", domain.Internal("sealing values again without a way to open them", nil)
	}
	text, ok := d.Opened(v)
	if !ok {
		return "", domain.Internal("sealing a value again that stays: it cannot be opened, so nothing of its group may go. "+
			"Restore the key store that has its key; or cancel this erasure, and order it for the other groups", nil)
	}
	return text, nil
}
