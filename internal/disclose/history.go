package disclose

import (
	"context"
	"iter"
	"slices"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/internal/auth"
	"lethe/internal/keyring"
)

// Past is one value of a person's history, opened.
type Past struct {
	EventID domain.ID
	Field   domain.Name
	Index   int // among the event's values of this field
	Value   personal.Value
}

// History opens the values of a person's history that the purpose needs.
// A data-protection officer also gets evidence and reasons.
func (d *Door) History(ctx context.Context, ask Ask, token domain.Token) ([]Past, Answer, error) {
	ask.Door, ask.Tokens = access.History, []domain.Token{token}
	answer, err := d.Open(ctx, ask)
	if err != nil {
		return nil, Answer{}, err
	}
	o := answer.Subjects[0]
	var past []Past
	for _, rec := range o.State.Entries() {
		seen := map[string]int{}
		for _, slot := range rec.Event.Personal(nil) {
			i := seen[slot.Field]
			seen[slot.Field]++
			field := domain.Name(slot.Field)
			if slot.Value.State() == personal.Absent || !slices.Contains(o.opens, field) || !concerns(rec.Event, ask.Purpose) {
				continue
			}
			v, err := d.reveal(ctx, *slot.Value)
			if err != nil {
				return nil, Answer{}, err
			}
			past = append(past, Past{EventID: rec.ID, Field: field, Index: i, Value: v})
		}
	}
	return past, answer, nil
}

// builtIns yields the evidence and reasons of a person's events that concern
// the purpose.
func builtIns(s *subject.State, purpose domain.Name) iter.Seq[domain.Name] {
	return func(yield func(domain.Name) bool) {
		for _, rec := range s.Entries() {
			if !concerns(rec.Event, purpose) {
				continue
			}
			for _, slot := range rec.Event.Personal(nil) {
				evidence := slot.Group == string(domain.EvidenceGroup) && slot.Value.State() != personal.Absent
				if evidence && !yield(domain.Name(slot.Field)) {
					return
				}
			}
		}
	}
}

// concerns reports whether an event is about the purpose, or about none in
// particular. Values of fields are judged by the field, not by the purpose
// they were once recorded for.
func concerns(e domain.Event, purpose domain.Name) bool {
	of := purpose
	switch e := e.(type) {
	case *subject.ConsentRequested:
		of = e.Purpose
	case *subject.ConsentDeferred:
		of = e.Purpose
	case *subject.ConsentConfirmed:
		of = e.Purpose
	case *subject.ConsentGiven:
		of = e.Purpose
	case *subject.ConsentRenewed:
		of = e.Purpose
	case *subject.ConsentRefused:
		of = e.Purpose
	case *subject.ConsentWithdrawn:
		of = e.Purpose
	case *subject.ConsentRevoked:
		of = e.Purpose
	case *subject.ConsentInvalidated:
		of = e.Purpose
	case *subject.BasisAsserted:
		of = e.Purpose
	case *subject.BasisEnded:
		of = e.Purpose
	case *subject.FieldRemoved:
		of = e.Purpose
	case *subject.HoldPlaced:
		of = e.Purpose
	case *subject.Objected:
		of = e.Purpose
	}
	return of == purpose || of == ""
}

// Receipt records that somebody reads a person's consent receipt. It holds
// facts and the controller's own texts, no value of the person, but it says
// what the person agreed to.
func (d *Door) Receipt(ctx context.Context, caller auth.Caller, token domain.Token, purpose domain.Name) error {
	if err := auth.Allow(caller, auth.ReadFacts); err != nil {
		return err
	}
	cat, err := d.ledger.Catalogue(ctx)
	if err != nil {
		return err
	}
	if _, declared := cat.Purpose(purpose, 0); !declared { // its name must not get into a record
		return domain.NotFound("access.purpose_unknown", "purpose", "there is no such purpose in the catalogue")
	}
	ask := Ask{Caller: caller, Purpose: purpose, Operation: access.Use, Door: access.Receipt}
	_, _, err = d.record(ctx, ask, []Opened{{Token: token, Answer: subject.Answer{Allowed: true}}})
	return err
}

// MayProcess answers the question and opens nothing.
func (d *Door) MayProcess(ctx context.Context, token domain.Token, q subject.Question) (subject.Answer, error) {
	cat, err := d.ledger.Catalogue(ctx)
	if err != nil {
		return subject.Answer{}, err
	}
	people, err := d.People(ctx, token)
	if err != nil {
		return subject.Answer{}, err
	}
	if err := wellPut(cat, q.Purpose, q.Version, q.Operation, q.Channel, nil, q.At); err != nil {
		return subject.Answer{}, err
	}
	known := q.At
	if !q.KnownAt.IsZero() && q.KnownAt.Before(known) {
		known = q.KnownAt
	}
	if q.LostRange, err = d.lostRange(ctx, known); err != nil {
		return subject.Answer{}, err
	}
	return subject.MayProcess(cat, people, q), nil
}

// Texts opens what a declaration of the catalogue seals: notices, and the
// contacts that a controller publishes. They are the controller's own and
// meant to be shown, so that no access is recorded; they are sealed so that
// a contact person can be forgotten too.
func (d *Door) Texts(ctx context.Context, declared domain.Event) (map[string]personal.Value, error) {
	texts := map[string]personal.Value{}
	for _, slot := range declared.Personal(nil) {
		if slot.Value.IsZero() {
			continue
		}
		v, err := d.reveal(ctx, *slot.Value)
		if err != nil {
			return nil, err
		}
		texts[slot.Field] = v
	}
	return texts, nil
}

// FileName opens the name of an imported file for whoever may import.
func (d *Door) FileName(ctx context.Context, caller auth.Caller, name personal.Value) (personal.Value, error) {
	if err := auth.Allow(caller, auth.RunImport); err != nil {
		return personal.Value{}, err
	}
	return d.reveal(ctx, name)
}

// Staff opens the name of a principal for whoever manages tokens. It is an
// access like any other and recorded first.
func (d *Door) Staff(ctx context.Context, caller auth.Caller, names []personal.Value) ([]personal.Value, error) {
	return d.own(ctx, caller, auth.ManageTokens, StaffPurpose, names)
}

// Authorities opens on whose authority holds for groups of people were placed,
// for an officer who reviews them. It is recorded first, like Staff.
func (d *Door) Authorities(ctx context.Context, caller auth.Caller, texts []personal.Value) ([]personal.Value, error) {
	return d.own(ctx, caller, auth.DecideRights, ReviewPurpose, texts)
}

// AuthoritiesOn opens on whose authority the holds that bind one person were
// placed, like Authorities. The access names the person.
func (d *Door) AuthoritiesOn(ctx context.Context, caller auth.Caller, token domain.Token, texts []personal.Value) ([]personal.Value, error) {
	person := Opened{Token: token, Answer: subject.Answer{Allowed: true}, opens: []domain.Name{"hold.authority"}}
	return d.own(ctx, caller, auth.DecideRights, ReviewPurpose, texts, person)
}

// Marks asks which marks erasures left of what is named, for an officer. It is
// recorded first, like Staff.
func (d *Door) Marks(ctx context.Context, caller auth.Caller, of []keyring.Identifier) ([]keyring.Mark, error) {
	if _, err := d.own(ctx, caller, auth.DecideRights, MarksPurpose, nil); err != nil {
		return nil, err
	}
	marks, err := d.keys.Suppressed(ctx, of)
	if err != nil {
		return nil, domain.Internal("looking for marks", err)
	}
	return marks, nil
}

// own opens what is used for the ledger's own work: of nobody, or of whom it is
// about.
func (d *Door) own(
	ctx context.Context, caller auth.Caller, action auth.Action, purpose domain.Name, values []personal.Value, about ...Opened,
) ([]personal.Value, error) {
	if err := auth.Allow(caller, action); err != nil {
		return nil, err
	}
	ask := Ask{Caller: caller, Purpose: purpose, Operation: access.Use, Door: access.List}
	if _, _, err := d.record(ctx, ask, about); err != nil {
		return nil, err
	}
	opened := make([]personal.Value, len(values))
	for i, sealed := range values {
		v, err := d.reveal(ctx, sealed)
		if err != nil {
			return nil, err
		}
		opened[i] = v
	}
	return opened, nil
}

// StaffPurpose is what principals' names are used for, ReviewPurpose what the
// authorities of holds are, MarksPurpose what marks of suppression are.
const (
	StaffPurpose  domain.Name = "staff.administration"
	ReviewPurpose domain.Name = "hold.review"
	MarksPurpose  domain.Name = "suppression.review"
)
