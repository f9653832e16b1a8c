package ledger

import (
	"cmp"
	"context"
	"slices"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/operations"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/internal/keyring"
)

// Suppressed is what marks of erased people say of somebody who is to be
// recorded: what they are marks of (email, phone). An officer is to look.
type Suppressed []domain.Name

var errSuppressed = domain.Conflict("subject.suppressed", "source",
	"somebody with this key in this source was erased: an officer lifts the mark before a new record can be made").Citing("GDPR 17")

// suppressed asks the marks about a person whom these commands would register.
// A mark of the key in the source refuses. With one of an e-mail address or
// phone number the person is registered; what is to be decided besides is
// appended.
func (l *Ledger) suppressed(ctx context.Context, req Request, commands []subject.Command) ([]subject.Command, Suppressed, error) {
	cat, err := l.Catalogue(ctx)
	if err != nil {
		return nil, nil, unavailable(err)
	}
	var of []keyring.Identifier
	var from subject.Source
	for _, c := range commands {
		if c, ok := c.(subject.Register); ok && c.Source.System != "" {
			if row, ok := c.Row.Reveal(); ok {
				from = c.Source
				of = append(of, keyring.Identifier{Source: l.keys.SourceKeyOf(c.Source.System, c.Source.Table, row)})
			}
		}
		if c, ok := c.(subject.RecordFields); ok {
			of = append(of, contacts(cat, c.Items)...)
		}
	}
	marks, err := l.keys.Suppressed(ctx, of)
	if err != nil {
		return nil, nil, unavailable(err)
	}
	for i := range marks {
		if of[i].Kind != "" || !marks[i].Erased {
			continue
		}
		// A repeat of the request that made the person is answered, not refused.
		if repeated, err := l.keys.CreationClaimed(ctx, req.Principal, req.Command); err != nil || !repeated {
			return nil, nil, cmp.Or(err, error(errSuppressed))
		}
	}
	hits := Hits(marks)
	if c, ok := Suppress(hits, from); ok {
		commands = append(slices.Clone(commands), c)
	}
	var by Suppressed
	for _, m := range hits {
		if !slices.Contains(by, m.By) {
			by = append(by, m.By)
		}
	}
	return commands, by, nil
}

func contacts(cat *catalogue.State, items []subject.Entry) (of []keyring.Identifier) {
	for _, it := range items {
		f, ok := cat.Field(it.Field)
		text, present := it.Text.Reveal()
		if ok && present && (f.Lookup == catalogue.LookupEmail || f.Lookup == catalogue.LookupPhone) {
			of = append(of, keyring.Identifier{Kind: f.Lookup, Text: text})
		}
	}
	return of
}

// Hits are the marks of e-mail addresses and phone numbers among the answers
// that the keyring gave.
func Hits(marks []keyring.Mark) []keyring.Mark {
	return slices.DeleteFunc(slices.Clone(marks), func(m keyring.Mark) bool {
		return m.By != keyring.MarkedEmail && m.By != keyring.MarkedPhone
	})
}

// Suppress is the objection to marketing that goes into the first append of a
// person with an address or number of somebody who was erased and objected to
// it. The person can opt in anew. No other use is barred: addresses and numbers
// are shared, and given to others.
func Suppress(hits []keyring.Mark, from subject.Source) (subject.Command, bool) {
	if !slices.ContainsFunc(hits, func(m keyring.Mark) bool { return m.Objection }) {
		return nil, false
	}
	return subject.Object{
		Scope: subject.ToMarketing, Source: from, By: subject.Controller,
		Reason: personal.Of("somebody with this address or number objected to marketing and was erased"),
	}, true
}

// LiftMark takes back what a mark says: that somebody was erased, or with
// objection that marketing was objected to. The event comes first: a repeat
// lifts what a crash left.
func (l *Ledger) LiftMark(ctx context.Context, req Request, of keyring.Identifier, c operations.LiftMark) (Outcome, error) {
	marks, err := l.keys.Suppressed(ctx, []keyring.Identifier{of})
	if err != nil {
		return Outcome{}, unavailable(err)
	}
	c.By, c.Stands = domain.Name(of.Kind), marks[0].Erased && !c.Objection || marks[0].Objection && c.Objection
	if of.Kind == "" {
		c.By, c.Mark = keyring.MarkedSource, l.keys.MarkDigest(of.Source)
	}
	out, err := l.Operate(ctx, req, c)
	if err != nil {
		return out, err
	}
	if err := l.crash("lifting"); err != nil {
		return out, err
	}
	if _, err := l.keys.LiftMarks(ctx, []keyring.Identifier{of}, c.Objection); err != nil {
		return out, unavailable(err)
	}
	return out, nil
}
