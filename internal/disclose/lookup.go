package disclose

import (
	"context"
	"errors"
	"slices"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/internal/keyring"
)

// Lookup finds people by a value and opens those that may be opened; of others
// it says nothing. It is one access however many are found, and one also when
// nobody is.
func (d *Door) Lookup(ctx context.Context, ask Ask, kind catalogue.LookupKind, value personal.Value) (Answer, error) {
	ask.Door, ask.Tokens = access.Lookup, nil
	cat, err := d.admit(ctx, ask)
	if err != nil {
		return Answer{}, err
	}
	text, ok := value.Reveal()
	if !ok || !kind.Valid() {
		return Answer{}, domain.Invalid("lookup.incomplete", "kind", "say what to look up by (email, phone or external_id) and the value")
	}
	hits, err := d.keys.Find(ctx, kind, text)
	if errors.Is(err, keyring.ErrTooMany) {
		return Answer{}, domain.Conflict("lookup.too_many", "value", "more records share this value than can be listed")
	}
	if err != nil {
		return Answer{}, domain.Internal("looking up", err)
	}
	seen := map[domain.Token]bool{}
	for _, h := range hits {
		if seen[h.Token] {
			continue
		}
		matches, err := d.matches(ctx, cat, ask.Purpose, h, kind, text)
		if err != nil {
			return Answer{}, err
		}
		if matches {
			seen[h.Token] = true
			ask.Tokens = append(ask.Tokens, h.Token)
		}
	}
	answer, err := d.Open(ctx, ask)
	answer.Subjects = slices.DeleteFunc(answer.Subjects, func(o Opened) bool { return !o.Answer.Allowed })
	return answer, err
}

// matches checks a hit against the record itself: its event must be the
// field's current one and the value the one asked for, since a row may be
// left from a write that never came or came with another value. What had to
// stay of an earlier lifecycle finds nobody but for what keeps it.
func (d *Door) matches(ctx context.Context, cat *catalogue.State, purpose domain.Name, h keyring.Hit, kind catalogue.LookupKind, text string) (bool, error) {
	state, err := d.ledger.Subject(ctx, h.Token)
	if err != nil || state == nil {
		return false, err
	}
	now := d.ledger.Now()
	snap := state.At(now, now)
	for _, held := range snap.Fields {
		if held.Field != h.Field || held.EventID != h.EventID || !snap.Finds(cat, &held, purpose) {
			continue
		}
		v, err := d.reveal(ctx, held.Value)
		if err != nil {
			return false, err
		}
		if opened, ok := v.Reveal(); ok && d.keys.Normalise(kind, opened) == d.keys.Normalise(kind, text) {
			return true, nil
		}
	}
	return false, nil
}
