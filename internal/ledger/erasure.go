package ledger

import (
	"context"
	"errors"
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/keyring"
)

// erasureEnv is what erasures are weighed with, besides the record.
func (l *Ledger) erasureEnv(ctx context.Context, linked []domain.Token) (env subject.Env, err error) {
	env.Now, env.EvidenceRetention = l.Now(), l.evidence
	if env.Catalogue, err = l.Catalogue(ctx); err != nil {
		return env, unavailable(err)
	}
	for _, other := range linked {
		s, err := l.Subject(ctx, other)
		if err != nil {
			return env, unavailable(err)
		}
		for _, h := range s.At(time.Time{}, time.Time{}).Holds {
			env.Outside = append(env.Outside, subject.OutsideHold{Hold: h.Hold, Group: h.Group, Purpose: h.Purpose, Review: h.Review})
		}
	}
	return env, nil
}

// WeighErasure says what an erasure would do now; nothing is changed. linked
// are the other records of the person: their holds bind this one.
func (l *Ledger) WeighErasure(
	ctx context.Context, token domain.Token, scope subject.Scope, ground subject.ErasureGround, linked []domain.Token,
) ([]subject.Weighed, error) {
	s, err := l.Subject(ctx, token)
	if err != nil {
		return nil, unavailable(err)
	}
	if s == nil {
		return nil, domain.NotFound("subject.unknown", "subject", "there is no such record: check the token")
	}
	env, err := l.erasureEnv(ctx, linked)
	if err != nil {
		return nil, err
	}
	return subject.Weigh(s, env, scope, ground), nil
}

// OrderErasure decides an erasure. From then on the groups that go whole are
// closed.
func (l *Ledger) OrderErasure(ctx context.Context, req Request, token domain.Token, c subject.OrderErasure) (Outcome, error) {
	env, err := l.erasureEnv(ctx, c.Linked)
	if err != nil {
		return Outcome{}, err
	}
	return l.On(ctx, req, token, env, c)
}

// errTrimmed: another group must be trimmed than keys were made for.
var errTrimmed = errors.New("another group is to be trimmed")

// StartErasure weighs an erasure again and begins it. Groups that are trimmed
// get their new key before: it is durable before the event that needs it.
func (l *Ledger) StartErasure(ctx context.Context, req Request, token domain.Token, id domain.ID) (Outcome, error) {
	s, err := l.Subject(ctx, token)
	if err != nil {
		return Outcome{}, unavailable(err)
	}
	e, ok := s.Erasure(id)
	if !ok || e.Ordered == nil {
		return Outcome{}, domain.NotFound("erasure.unknown", "erasure", "there is no such erasure of this record")
	}
	others := e.Ordered.Linked
	if e.Ordered.Of != "" {
		others = []domain.Token{e.Ordered.Of}
	}
	env, err := l.erasureEnv(ctx, others)
	if err != nil {
		return Outcome{}, err
	}
	var ready []domain.Name // groups that have a new key
	for range maxConflicts {
		if err := l.renew(ctx, token, trimmed(s, env, id), &ready); err != nil {
			return Outcome{}, err
		}
		out, err := l.start(ctx, req, token, env, id, ready)
		if !errors.Is(err, errTrimmed) {
			return out, err
		}
		if s, err = l.Subject(ctx, token); err != nil {
			return Outcome{}, unavailable(err)
		}
	}
	return Outcome{}, domain.Conflict("stream.contended", "", "others keep changing this record: try again")
}

// trimmed lists the groups that starting the erasure now would trim.
func trimmed(s *subject.State, env subject.Env, id domain.ID) (groups []domain.Name) {
	for _, g := range subject.WeighAgain(s, env, id) {
		if g.Outcome == subject.Trim {
			groups = append(groups, g.Group)
		}
	}
	return groups
}

// renew gives the groups a new key, unless they have got one.
func (l *Ledger) renew(ctx context.Context, token domain.Token, groups []domain.Name, ready *[]domain.Name) error {
	have, err := l.liveKeys(ctx, token)
	if err != nil {
		return err
	}
	var wanted []keyring.Compartment
	for _, g := range groups {
		if slices.Contains(*ready, g) {
			continue
		}
		*ready = append(*ready, g)
		if slices.ContainsFunc(have, func(k subject.LiveKey) bool { return k.Group == g }) { // else there is nothing to part from
			wanted = append(wanted, keyring.Compartment{Owner: token.Stream(), Group: g})
		}
	}
	if wanted == nil {
		return nil
	}
	_, err = l.keys.ProvisionNext(ctx, wanted)
	return provisioning(err)
}

func (l *Ledger) start(
	ctx context.Context, req Request, token domain.Token, env subject.Env, id domain.ID, ready []domain.Name,
) (Outcome, error) {
	env.Opened = l.opener(ctx)
	req.Catalogue = env.Catalogue.Next()
	cat := env.Catalogue
	return Execute(ctx, l, subjects, token.Stream(), req, func(s *subject.State) ([]Draft, error) {
		for _, g := range trimmed(s, env, id) {
			if !slices.Contains(ready, g) {
				return nil, errTrimmed
			}
		}
		var err error
		if env.Keys, err = l.liveKeys(ctx, token); err != nil { // as of this revision: a first write since then conflicts
			return nil, err
		}
		decided, err := subject.DecideAll(s, env, subject.StartErasure{Erasure: id})
		if err != nil {
			return nil, err
		}
		return l.drafts(cat, token, decided), nil
	})
}

func (l *Ledger) liveKeys(ctx context.Context, token domain.Token) ([]subject.LiveKey, error) {
	all, err := l.keys.Keys(ctx, token.Stream())
	if err != nil {
		return nil, unavailable(err)
	}
	newest := map[domain.Name]uint32{}
	for _, k := range all {
		newest[k.Compartment.Group] = max(newest[k.Compartment.Group], k.Generation)
	}
	var live []subject.LiveKey
	for _, k := range all {
		if !k.Fenced {
			live = append(live, subject.LiveKey{
				KeyRef: subject.KeyRef{Group: k.Compartment.Group, Generation: k.Generation, Key: domain.ID(k.ID)},
				Newest: k.Generation == newest[k.Compartment.Group],
			})
		}
	}
	return live, nil
}

// OpenLifecycle lets an erased person be recorded anew: the event comes first,
// so that no key is ever made that nobody allowed. A repeat finishes what a
// crash cut off.
func (l *Ledger) OpenLifecycle(ctx context.Context, req Request, token domain.Token, c subject.OpenLifecycle) (Outcome, error) {
	out, err := l.On(ctx, req, token, subject.Env{Officer: true}, c)
	if err != nil {
		return out, err
	}
	return out, l.Reopen(ctx, token)
}

// Reopen makes the keys of the record's newest lifecycle, once.
func (l *Ledger) Reopen(ctx context.Context, token domain.Token) error {
	s, err := l.Subject(ctx, token)
	if err != nil {
		return unavailable(err)
	}
	opened := s.NewestLifecycle()
	if opened == nil {
		return nil
	}
	var of []keyring.Compartment
	for _, g := range opened.Groups {
		of = append(of, keyring.Compartment{Owner: token.Stream(), Group: g})
	}
	if err := l.keys.Reopen(ctx, of, opened.Number); err != nil {
		return unavailable(err)
	}
	return nil
}
