package subject

import (
	"math"
	"slices"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
)

func (d *decision) recordFields(c RecordFields) ([]domain.Event, error) {
	p, err := d.purposeAt(c.Purpose, c.Version)
	if err != nil {
		return nil, err
	}
	if err := firstError(d.restricted("recording more data"), validItems(c.Items), validSource(c.Source), validText("row", c.Row)); err != nil {
		return nil, err
	}
	items := make([]Item, 0, len(c.Items))
	for _, entry := range c.Items {
		f, err := d.allowedField(p, entry.Field)
		if err != nil {
			return nil, err
		}
		if items, err = d.place(items, f, entry, true); err != nil {
			return nil, err
		}
	}
	if err := d.forgot(); err != nil && !d.goesOn(p.ID) {
		return nil, err
	}
	return one(&FieldsRecorded{Purpose: p.ID, Version: p.Version, Source: c.Source, Items: items, Row: c.Row})
}

// goesOn reports whether a contract or a duty stands that an erasure does not
// end: what it needs is recorded as before.
func (d *decision) goesOn(purpose domain.Name) bool {
	return slices.ContainsFunc(d.bases(d.now()), func(b Basis) bool {
		return b.Purpose == purpose && b.Basis != domain.LegitimateInterests && b.Basis != domain.RecognisedInterestUK
	})
}

func validItems(items []Entry) error {
	switch {
	case len(items) == 0:
		return domain.Invalid("field.none", "items", "name at least one field")
	case len(items) > maxItems:
		return domain.Invalid("field.many", "items", "at most %d values at once: send the rest separately", maxItems)
	}
	return nil
}

// declaredField finds a field that may be written at all.
func (d *decision) declaredField(id domain.Name) (*catalogue.FieldDeclared, error) {
	f, ok := d.Catalogue.Field(id)
	if !ok {
		field := ""
		if id.Valid() {
			field = string(id)
		}
		return nil, domain.Invalid("field.undeclared", field, "this field is not declared: declare it or leave it out").Citing("GDPR 5(1)(b)")
	}
	if d.isClosed(f.Group) {
		return nil, &domain.Error{
			Kind: domain.KindGone, Code: "group.erased", Field: string(id), Source: "GDPR 17",
			Message: "the group this field belongs to has been erased or is about to be: nothing is written there",
		}
	}
	return f, nil
}

// allowedField finds a field that may be written for a purpose.
func (d *decision) allowedField(p *catalogue.PurposeDeclared, id domain.Name) (*catalogue.FieldDeclared, error) {
	f, err := d.declaredField(id)
	switch {
	case err != nil:
		return nil, err
	case !p.Needs(id):
		return nil, domain.Invalid("field.not_needed", string(id),
			"the purpose %s does not need %s: leave it out or name the purpose that does", p.ID, id).Citing("GDPR 5(1)(c)")
	case f.Special && !d.specialAllowed(p):
		return nil, domain.Invalid("field.special", string(id),
			"%s is a special category of data and the purpose's condition is not met: record it after explicit consent or under another condition", id).
			Citing("GDPR 9(2)")
	case f.Criminal && !p.Article10:
		return nil, domain.Invalid("field.criminal", string(id),
			"%s is about criminal convictions: only official authority or law allows it", id).Citing("GDPR 10")
	}
	return f, nil
}

func (d *decision) specialAllowed(p *catalogue.PurposeDeclared) bool {
	if p.Article9 != catalogue.ExplicitConsent {
		return p.Article9 != ""
	}
	c := d.consent(d.now(), p.ID)
	return c.Status.Allows() && c.Grant.Explicit && d.Catalogue.SameMaterial(p.ID, c.Version, p.Version)
}

// place checks a value and puts it where it belongs. With free set, a value
// of a field that holds many gets the next free slot unless it names one.
func (d *decision) place(items []Item, f *catalogue.FieldDeclared, entry Entry, free bool) ([]Item, error) {
	text, ok := entry.Text.Reveal()
	if !ok {
		return nil, domain.Invalid("field.empty", string(f.ID), "give a value for %s; to take a value out, remove the field", f.ID)
	}
	canonical, err := f.Canonical(text)
	if err != nil {
		return nil, err
	}
	if entry.Class == "" {
		entry.Class = Provided
	}
	if !entry.Class.Valid() {
		return nil, domain.Invalid("field.class", string(f.ID),
			"say how the value came to be: provided, observed, inferred or third_party").Citing("GDPR 15(1)(g)")
	}
	slot := uint16(0)
	switch {
	case entry.Slot != nil:
		slot = *entry.Slot
	case f.Many && free:
		slot = d.freeSlot(items, f.ID)
	}
	if slot > 0 && !f.Many {
		return nil, domain.Invalid("field.slot", string(f.ID), "%s holds one value: leave the slot out", f.ID)
	}
	if names(items, f.ID, slot) || slot == math.MaxUint16 {
		return nil, domain.Invalid("field.twice", string(f.ID), "%s is given twice: give it once, or other slots", f.ID)
	}
	return append(items, Item{Field: f.ID, Group: f.Group, Slot: slot, Class: entry.Class, Value: personal.Of(canonical)}), nil
}

// freeSlot never gives a slot again that was used before, so that a removed
// value is not taken for its successor. But what is lost is replaced first.
func (d *decision) freeSlot(items []Item, field domain.Name) uint16 {
	for _, f := range d.fields(window{}) {
		if f.Field == field && f.Lost && f.Earlier == 0 && !names(items, field, f.Slot) {
			return f.Slot
		}
	}
	next := uint16(0)
	take := func(of []Item) {
		for _, item := range of {
			if item.Field == field && item.Slot < math.MaxUint16 {
				next = max(next, item.Slot+1)
			}
		}
	}
	take(items)
	for i, r := range d.Entries() {
		if d.kinds()[i].topic != aboutFields {
			continue
		}
		if e, ok := r.Event.(*FieldsRecorded); ok {
			take(e.Items)
		}
	}
	return next
}

func (d *decision) rectifyFields(c RectifyFields) ([]domain.Event, error) {
	if err := firstError(validItems(c.Items), validSource(c.Source), validText("reason", c.Reason), validText("row", c.Row)); err != nil {
		return nil, err
	}
	if !c.Source.Import.IsZero() {
		if err := d.restricted("importing"); err != nil {
			return nil, err
		}
	}
	held := d.fields(window{})
	items := make([]Item, 0, len(c.Items))
	for _, entry := range c.Items {
		f, err := d.declaredField(entry.Field)
		if err != nil {
			return nil, err
		}
		if items, err = d.place(items, f, entry, false); err != nil {
			return nil, err
		}
		last := items[len(items)-1]
		if !slices.ContainsFunc(held, func(h Field) bool { return h.Field == last.Field && h.Slot == last.Slot }) {
			return nil, domain.Conflict("field.absent", string(f.ID),
				"there is no value of %s to rectify: record it for a purpose", f.ID).Citing("GDPR 16")
		}
	}
	return one(&FieldsRectified{Source: c.Source, Items: items, Reason: c.Reason, Row: c.Row})
}

func (d *decision) removeField(c RemoveField) ([]domain.Event, error) {
	if err := validText("reason", c.Reason); err != nil {
		return nil, err
	}
	if d.AsksToKeep() {
		return nil, domain.Conflict("restriction.forbids", string(c.Field),
			"the person asked that the data be kept: deletion is refused until the restriction is lifted").Citing("GDPR 18(1)(b), (c)")
	}
	for _, f := range d.fields(window{}) {
		if f.Field != c.Field || !slices.Contains(f.Purposes, c.Purpose) {
			continue
		}
		for _, h := range d.holds(window{}) {
			if h.Group == f.Group {
				return nil, domain.Conflict("hold.forbids", string(c.Field),
					"a hold keeps the group this field belongs to: release it first").Citing("GDPR 17(3)")
			}
		}
		return one(&FieldRemoved{Purpose: c.Purpose, Field: f.Field, Group: f.Group, Reason: c.Reason})
	}
	return nil, domain.NotFound("field.absent", "field", "the purpose holds no value of this field")
}
