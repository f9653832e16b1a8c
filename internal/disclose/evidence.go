package disclose

import (
	"context"
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/domain/principal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/codec"
	"lethe/internal/part"
)

// Disclosed is what a bundle of evidence may hold of one sealed value.
type Disclosed struct {
	EventID domain.ID
	Field   string // the part's, one of its event's: the second value of a field has "#1" behind it
	Index   int    // among the event's values of the field
	// State is Present when there is a secret, else why there is none:
	// Erased, KeyMissing or Tampered. The latter two are alarms, and logged.
	State  personal.State
	Secret part.Secret // with part.Open it opens this value and no other
}

// Evidence gives the secrets of a person's values, for whoever is to check
// them against their proofs without us: of the events up to a position, the
// values that the purpose needs, or of those the ones that the ask names. A
// data-protection officer also gets evidence and reasons, and may name them
// ("consent.evidence"). What was handed over cannot be taken back, so that it
// is recorded for whom: an ask that discloses names the recipient.
//
// The steps are Open's, and a refusal gives nothing. Fields whose group was
// erased are left out of the question, since nothing of them can leave, and
// their values are Erased in the answer. When all that the purpose needs was
// erased, that is the whole answer: nothing is recorded, it names no access,
// and what else an officer would get stays closed with the purpose.
func (d *Door) Evidence(ctx context.Context, ask Ask, token domain.Token, upTo eventstore.Position) ([]Disclosed, Answer, error) {
	ask.Door, ask.Tokens = access.Evidence, []domain.Token{token}
	wanted, err := d.wanted(ctx, &ask)
	if err != nil {
		return nil, Answer{}, err
	}
	cat, err := d.admit(ctx, ask)
	if err != nil {
		return nil, Answer{}, err
	}
	people, err := d.People(ctx, token)
	if err != nil {
		return nil, Answer{}, err
	}
	fields, erased := d.fenced(cat, ask, people[0])
	erased = wanted.of(erased)
	o := Opened{Token: token, State: people[0].State}
	answer := Answer{Subjects: []Opened{o}}
	if len(fields) > 0 || len(erased) == 0 {
		ask.Fields = fields
		if o, err = d.judge(ctx, cat, people, token, ask); err != nil {
			return nil, Answer{}, err
		}
		if err := wanted.narrow(&o, ask.Purpose); err != nil {
			return nil, Answer{}, err
		}
		if answer, err = d.grant(ctx, ask, []Opened{o}); err != nil {
			return nil, Answer{}, err
		}
	}
	given, err := d.secrets(ctx, &o, ask.Purpose, erased, upTo)
	if err != nil {
		return nil, Answer{}, err
	}
	return given, answer, nil
}

// wanted is what an ask names; nothing named wants all.
type wanted struct {
	named   []domain.Name
	builtIn []domain.Name // of these the ones that no catalogue declares
}

// wanted takes the built-in names that an officer may ask for out of the ask:
// no purpose of the catalogue needs those.
func (d *Door) wanted(ctx context.Context, ask *Ask) (w wanted, err error) {
	w.named = ask.Fields
	if !ask.Caller.Has(principal.Officer) {
		return w, nil
	}
	cat, err := d.ledger.Catalogue(ctx)
	if err != nil {
		return w, err
	}
	ask.Fields = nil
	for _, f := range w.named {
		if _, declared := cat.Field(f); declared {
			ask.Fields = append(ask.Fields, f)
		} else {
			w.builtIn = append(w.builtIn, f)
		}
	}
	return w, nil
}

// of is what is wanted of fields.
func (w *wanted) of(fields []domain.Name) []domain.Name {
	if len(w.named) == 0 {
		return fields
	}
	return slices.DeleteFunc(fields, func(f domain.Name) bool { return !slices.Contains(w.named, f) })
}

// narrow keeps of what is going to be opened what is wanted. A name that
// neither the catalogue nor an event of the purpose has is an error, and gets
// into no record.
func (w *wanted) narrow(o *Opened, purpose domain.Name) error {
	if !o.Answer.Allowed {
		return nil
	}
	there := slices.Collect(builtIns(o.State, purpose))
	for _, f := range w.builtIn {
		if !slices.Contains(there, f) {
			return domain.NotFound("access.field_unknown", "fields",
				"one of the fields is neither declared in the catalogue nor in the person's events for this purpose")
		}
	}
	o.opens = w.of(o.opens)
	return nil
}

// fenced parts the fields that are asked for into those that may have values
// and those whose group was erased.
func (d *Door) fenced(cat *catalogue.State, ask Ask, person subject.Record) (fields, erased []domain.Name) {
	asked := ask.Fields
	if p, ok := cat.InForce(ask.Purpose, d.ledger.Now()); ok && len(asked) == 0 {
		asked = slices.Concat(p.Fields, p.Optional)
	}
	closed := person.State.Closed(time.Time{})
	for _, f := range asked {
		if declared, ok := cat.Field(f); ok && (person.Fenced[declared.Group] || closed[declared.Group]) {
			erased = append(erased, f)
		} else {
			fields = append(fields, f)
		}
	}
	return fields, erased
}

// secrets goes over the values of a person's events: it gives the secrets of
// what was recorded as going to be opened, and tells how the erased ones are.
func (d *Door) secrets(
	ctx context.Context, o *Opened, purpose domain.Name, erased []domain.Name, upTo eventstore.Position,
) (given []Disclosed, err error) {
	for _, rec := range o.State.Entries() {
		if eventstore.Position(rec.Position) > upTo {
			break
		}
		seen := map[string]int{}
		for _, slot := range rec.Event.Personal(nil) {
			i, field := seen[slot.Field], domain.Name(slot.Field)
			seen[slot.Field]++
			opens := slices.Contains(o.opens, field)
			if slot.Value.State() == personal.Absent || !concerns(rec.Event, purpose) || !opens && !slices.Contains(erased, field) {
				continue
			}
			v, err := d.disclose(ctx, *slot.Value, opens)
			if err != nil {
				return nil, err
			}
			if v.State == personal.Present && !opens {
				continue // a new lifecycle began since fences were read: it was not asked about
			}
			v.EventID, v.Field, v.Index = rec.ID, codec.PartName(slot.Field, i), i
			given = append(given, v)
		}
	}
	return given, nil
}

// disclose gives a value's secret when it is to be opened, else only how the
// value is.
func (d *Door) disclose(ctx context.Context, v personal.Value, opens bool) (Disclosed, error) {
	if !opens {
		opened, err := d.reveal(ctx, v)
		return Disclosed{State: opened.State()}, err
	}
	secret, state, err := d.codec.SecretOf(ctx, d.keys, v)
	if err != nil {
		return Disclosed{}, domain.Internal("opening a sealed value", err)
	}
	d.alarm(ctx, v, state)
	return Disclosed{State: state, Secret: secret}, nil
}
