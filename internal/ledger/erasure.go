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
func (l *Ledger) erasureEnv(ctx context.Context, token domain.Token, linked []domain.Token) (env subject.Env, err error) {
	env.Now, env.EvidenceRetention = l.Now(), l.evidence
	if env.Catalogue, err = l.Catalogue(ctx); err != nil {
		return env, unavailable(err)
	}
	if env.Outside, err = l.groupHolds(ctx, token, linked); err != nil {
		return env, unavailable(err)
	}
	for _, other := range linked {
		s, err := l.Subject(ctx, other)
		if err != nil {
			return env, unavailable(err)
		}
		env.Restricted = env.Restricted || s.AsksToKeep()
		for _, h := range s.At(time.Time{}, time.Time{}).Holds {
			env.Outside = append(env.Outside, subject.OutsideHold{Hold: h.Hold, Group: h.Group, Purpose: h.Purpose, Review: h.Review})
		}
	}
	return env, nil
}

// WeighErasure says what an erasure would do now; nothing is changed. linked
// are the other records of the person: their holds and restrictions bind this one.
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
	env, err := l.erasureEnv(ctx, token, linked)
	if err != nil {
		return nil, err
	}
	return subject.Weigh(s, env, scope, ground), nil
}

// TryErasure says what an order would do now, and fails as the order would;
// nothing is changed.
func (l *Ledger) TryErasure(ctx context.Context, token domain.Token, c subject.OrderErasure) ([]subject.Weighed, error) {
	s, env, err := l.ordering(ctx, token, &c)
	if err != nil {
		return nil, err
	}
	if c.Erasure.IsZero() {
		c.Erasure[15] = 1 // it is named when it is ordered
	}
	return subject.Try(s, env, c)
}

// ordering is what an order is decided with.
func (l *Ledger) ordering(ctx context.Context, token domain.Token, c *subject.OrderErasure) (*subject.State, subject.Env, error) {
	s, err := l.Subject(ctx, token)
	if err != nil {
		return nil, subject.Env{}, unavailable(err)
	}
	with, err := l.Together(ctx, token, &subject.ErasureOrdered{Erasure: c.Erasure, Linked: c.Linked, Of: c.Of, Follows: c.Follows})
	if err != nil {
		return nil, subject.Env{}, err
	}
	env, err := l.erasureEnv(ctx, token, with)
	return s, env, err
}

// OrderErasure decides an erasure. From then on the groups that go whole are
// closed.
func (l *Ledger) OrderErasure(ctx context.Context, req Request, token domain.Token, c subject.OrderErasure) (Outcome, error) {
	_, env, err := l.ordering(ctx, token, &c)
	if err != nil {
		return Outcome{}, err
	}
	return l.On(ctx, req, token, env, c)
}

// Due is one erasure of one record that is to be started.
type Due struct {
	Token   domain.Token
	Erasure domain.ID
}

// RenewKeys makes the new keys of the groups that starting these erasures will
// trim, all in one transaction, and returns those groups for StartErasure.
// Without it every StartErasure makes its own.
func (l *Ledger) RenewKeys(ctx context.Context, due []Due) (map[domain.Token][]domain.Name, error) {
	ready := map[domain.Token][]domain.Name{}
	var wanted []keyring.Compartment
	var lost []keyring.KeyInfo
	for _, d := range due {
		s, env, err := l.weighing(ctx, d.Token, d.Erasure)
		if _, refused := domain.AsError(err); refused {
			continue // StartErasure says so
		}
		if err != nil {
			return nil, err
		}
		groups := trimmed(s, env, d.Erasure)
		of, above, err := l.parting(ctx, d.Token, groups)
		if err != nil {
			return nil, err
		}
		wanted, lost, ready[d.Token] = append(wanted, of...), append(lost, above...), groups
	}
	if wanted == nil {
		return ready, nil
	}
	_, err := l.keys.ProvisionNext(ctx, wanted, lost...)
	return ready, provisioning(err)
}

// weighing is what an ordered erasure is weighed with.
func (l *Ledger) weighing(ctx context.Context, token domain.Token, id domain.ID) (*subject.State, subject.Env, error) {
	s, err := l.Subject(ctx, token)
	if err != nil {
		return nil, subject.Env{}, unavailable(err)
	}
	e, ok := s.Erasure(id)
	if !ok || e.Ordered == nil {
		return nil, subject.Env{}, domain.NotFound("erasure.unknown", "erasure", "there is no such erasure of this record")
	}
	with, err := l.Together(ctx, token, e.Ordered)
	if err != nil {
		return s, subject.Env{}, err
	}
	env, err := l.erasureEnv(ctx, token, with)
	return s, env, err
}

// MayStart refuses that an erasure starts while the log has lost events and no
// officer has accepted that: holds may be among them, and restrictions. What had
// started is carried out all the same.
func (l *Ledger) MayStart(ctx context.Context) error {
	state, err := l.Operations(ctx)
	if err != nil {
		return unavailable(err)
	}
	if n := state.LostRange(l.Now()); n > 0 {
		return domain.Conflict("erasure.lost_range", "erasure", "the log was restored and lost events, legal holds may be among them: "+
			"place again what is known, then an officer accepts what is lost (lethe restore accept %d), and it starts", n).Citing("GDPR 17(3)(e)")
	}
	return nil
}

// StartErasure weighs an erasure again and begins it. Holds for groups of
// people that bind the person are copied to the record before, and in this
// process none is placed meanwhile. Groups that are trimmed get their new key
// before, unless they are in ready: it is durable before the event that needs it.
func (l *Ledger) StartErasure(ctx context.Context, req Request, token domain.Token, id domain.ID, ready ...domain.Name) (Outcome, error) {
	if err := l.MayStart(ctx); err != nil {
		return Outcome{}, err
	}
	l.holding.RLock()
	defer l.holding.RUnlock()
	if err := l.copyHolds(ctx, req.Principal, token, id); err != nil {
		return Outcome{}, err
	}
	s, env, err := l.weighing(ctx, token, id)
	if err != nil {
		return Outcome{}, err
	}
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

// copyHolds fans out the holds on what an erasure is about.
func (l *Ledger) copyHolds(ctx context.Context, by domain.ID, token domain.Token, id domain.ID) error {
	s, err := l.Subject(ctx, token)
	if err != nil {
		return unavailable(err)
	}
	e, ok := s.Erasure(id)
	if !ok || e.Ordered == nil {
		return nil // StartErasure says so
	}
	var groups []domain.Name // none for all
	for _, g := range e.Ordered.Groups {
		if !e.Ordered.Everything {
			groups = append(groups, g.Group)
		}
	}
	with, err := l.Together(ctx, token, e.Ordered)
	if err != nil {
		return err
	}
	_, err = l.FanOutHolds(ctx, by, token, with, groups...)
	return err
}

// LateHold reports whether a hold for a group of people that was placed before
// the erasure started, and was not seen then, binds what it would destroy. It
// must be asked before anything is destroyed.
func (l *Ledger) LateHold(ctx context.Context, token domain.Token, e *subject.Erasure) (bool, error) {
	state, err := l.Operations(ctx)
	if err != nil {
		return false, unavailable(err)
	}
	with, err := l.Together(ctx, token, e.Ordered)
	if err != nil {
		return false, err
	}
	for _, one := range append(with, token) {
		wide, err := l.HoldsOn(ctx, one)
		if err != nil {
			return false, unavailable(err)
		}
		for _, h := range wide {
			placed, ok := state.GroupHold(h.Hold)
			if ok && placed.Position < e.StartedAt.Position && goes(e.Started.Groups, h.Group) {
				return true, nil
			}
		}
	}
	return false, nil
}

func goes(groups []subject.Weighed, group domain.Name) bool {
	return slices.ContainsFunc(groups, func(g subject.Weighed) bool {
		return g.Group == group && g.Goes()
	})
}

// StopErasure takes the start of an erasure back for a late hold.
func (l *Ledger) StopErasure(ctx context.Context, req Request, token domain.Token, id domain.ID) (Outcome, error) {
	_, env, err := l.weighing(ctx, token, id)
	if err != nil {
		return Outcome{}, err
	}
	return l.On(ctx, req, token, env, subject.StopErasure{Erasure: id})
}

// errTrimmed: another group must be trimmed than keys were made for.
var errTrimmed = errors.New("another group is to be trimmed")

// trimmed lists the groups that starting the erasure now would trim.
func trimmed(s *subject.State, env subject.Env, id domain.ID) (groups []domain.Name) {
	for _, g := range subject.WeighAgain(s, env, id) {
		if g.Outcome == subject.Trim {
			groups = append(groups, g.Group)
		}
	}
	return groups
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
		if env.Keys, err = l.undestroyed(ctx, token); err != nil { // as of this revision: a first write since then conflicts
			return nil, err
		}
		decided, err := subject.DecideAll(s, env, subject.StartErasure{Erasure: id})
		if err != nil {
			return nil, err
		}
		return l.drafts(cat, token, decided), nil
	})
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
