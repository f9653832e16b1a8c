package ledger

import (
	"context"
	"time"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/importing"
	"lethe/domain/operations"
	"lethe/domain/personal"
	"lethe/domain/principal"
	"lethe/domain/subject"
)

// The ledger's aggregates, one per consistency boundary.
var (
	catalogues = Aggregate[*catalogue.State]{Kind: "catalogue", Evolve: catalogue.Evolve}
	subjects   = Aggregate[*subject.State]{Kind: "subject", Evolve: subject.Evolve}
	principals = Aggregate[*principal.State]{Kind: "principal", Evolve: principal.Evolve}
	ops        = Aggregate[*operations.State]{Kind: "operations", Evolve: operations.Evolve}
	imports    = Aggregate[*importing.State]{Kind: "import", Evolve: importing.Evolve}
)

// Catalogue is what is declared now.
func (l *Ledger) Catalogue(ctx context.Context) (*catalogue.State, error) {
	s, _, err := Load(ctx, l, catalogue.Stream, catalogues)
	return s, err
}

// Operations is the state of tokens and of holds for groups of people.
func (l *Ledger) Operations(ctx context.Context) (*operations.State, error) {
	s, _, err := Load(ctx, l, operations.Stream, ops)
	return s, err
}

// Principal is the state of a user or service, nil when there is none.
func (l *Ledger) Principal(ctx context.Context, id domain.ID) (*principal.State, error) {
	s, _, err := Load(ctx, l, principal.Stream(id), principals)
	return s, err
}

// Import is the state of an import, nil when there is none.
func (l *Ledger) Import(ctx context.Context, id domain.ID) (*importing.State, error) {
	s, _, err := Load(ctx, l, importing.Stream(id), imports)
	return s, err
}

// Subject is a person's state, nil when there is none.
func (l *Ledger) Subject(ctx context.Context, token domain.Token) (*subject.State, error) {
	s, _, err := Load(ctx, l, token.Stream(), subjects)
	return s, err
}

// Declare decides catalogue commands in order, all or none.
func (l *Ledger) Declare(ctx context.Context, req Request, commands ...catalogue.Command) (Outcome, error) {
	for i := range commands {
		commands[i] = l.comparing(ctx, commands[i])
	}
	return Execute(ctx, l, catalogues, catalogue.Stream, req, func(s *catalogue.State) ([]Draft, error) {
		return declared(s, l.Now(), commands)
	})
}

// opener opens sealed values for a decision to compare.
func (l *Ledger) opener(ctx context.Context) func(personal.Value) (string, bool) {
	return func(v personal.Value) (string, bool) {
		opened, err := l.reveal(ctx, v)
		if err != nil {
			return "", false
		}
		return opened.Reveal()
	}
}

// comparing lets a declaration be compared with what was declared before, so
// that declaring the same again changes nothing.
func (l *Ledger) comparing(ctx context.Context, c catalogue.Command) catalogue.Command {
	switch c := c.(type) {
	case catalogue.DeclareController:
		c.Opened = l.opener(ctx)
		return c
	case catalogue.DeclareRecipient:
		c.Opened = l.opener(ctx)
		return c
	default:
		return c
	}
}

// Operate decides one command on tokens, signing keys or holds for groups of people.
func (l *Ledger) Operate(ctx context.Context, req Request, c operations.Command) (Outcome, error) {
	c, err := l.judged(ctx, c)
	if err != nil {
		return Outcome{}, err
	}
	return l.operate(ctx, req, c)
}

// Staff decides one command on a principal.
func (l *Ledger) Staff(ctx context.Context, req Request, id domain.ID, c principal.Command) (Outcome, error) {
	return Execute(ctx, l, principals, principal.Stream(id), req, func(s *principal.State) ([]Draft, error) {
		events, err := principal.Decide(s, c)
		return plain(events), err
	})
}

// NoteImport decides one command on an import.
func (l *Ledger) NoteImport(ctx context.Context, req Request, id domain.ID, c importing.Command) (Outcome, error) {
	return Execute(ctx, l, imports, importing.Stream(id), req, func(s *importing.State) ([]Draft, error) {
		events, err := importing.Decide(s, c)
		return plain(events), err
	})
}

// On decides commands on a person in order, all or none: each sees what the
// ones before it decided.
func (l *Ledger) On(ctx context.Context, req Request, token domain.Token, env subject.Env, commands ...subject.Command) (Outcome, error) {
	cat, err := l.Catalogue(ctx)
	if err != nil {
		return Outcome{}, unavailable(err)
	}
	env.Catalogue, env.Now = cat, l.Now()
	env.Opened = l.opener(ctx)
	req.Catalogue = cat.Next()
	return Execute(ctx, l, subjects, token.Stream(), req, func(s *subject.State) ([]Draft, error) {
		decided, err := subject.DecideAll(s, env, commands...)
		if err != nil {
			return nil, err
		}
		return l.drafts(cat, token, decided), nil
	})
}

func (l *Ledger) drafts(cat *catalogue.State, token domain.Token, decided []subject.Decided) []Draft {
	drafts := make([]Draft, len(decided))
	for i, d := range decided {
		drafts[i] = Draft{Event: d.Event, Effective: d.Effective, Find: findable(cat, token, d.Event)}
	}
	return drafts
}

func plain(events []domain.Event) []Draft {
	drafts := make([]Draft, len(events))
	for i, e := range events {
		drafts[i].Event = e
	}
	return drafts
}

// declared decides catalogue commands one after the other, each on what the
// ones before it declared.
func declared(s *catalogue.State, now time.Time, commands []catalogue.Command) ([]Draft, error) {
	var drafts []Draft
	for _, c := range commands {
		events, err := catalogue.Decide(s, now, c)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			d := Draft{Event: e, Effective: c.EffectiveAt()}
			if d.Effective.IsZero() {
				d.Effective = now
			}
			drafts = append(drafts, d)
			s = catalogue.Evolve(s, pending(e, now, d.Effective, len(drafts)))
		}
	}
	return drafts, nil
}

// pending is a decided event as later commands of the same append see it:
// after everything that is recorded.
func pending(e domain.Event, now, effective time.Time, n int) domain.Recorded {
	const beyond = ^uint64(0) - 1<<32
	return domain.Recorded{
		Revision: beyond + uint64(n), Position: beyond + uint64(n), Recorded: now, Effective: effective, Event: e,
	}
}

func findable(cat *catalogue.State, token domain.Token, e domain.Event) []Find {
	var items []subject.Item
	switch e := e.(type) {
	case *subject.FieldsRecorded:
		items = e.Items
	case *subject.FieldsRectified:
		items = e.Items
	case *subject.ValuesResealed:
		for _, r := range e.Items {
			items = append(items, r.Item)
		}
	}
	var found []Find
	for _, it := range items {
		if f, ok := cat.Field(it.Field); ok && f.Lookup != catalogue.NoLookup {
			found = append(found, Find{Kind: f.Lookup, Text: it.Value, Token: token, Field: it.Field})
		}
	}
	return found
}
