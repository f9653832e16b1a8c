package erasure

import (
	"context"
	"fmt"
	"slices"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/ledger"
)

// Order orders an erasure and has the person's other records follow it at
// once. Orders that are about several records come one after the other, so
// that no two of them wait for each other's records.
//
// along tells that a record could not be ordered yet: the process goes on
// trying, and nothing is complete before.
func (p *Process) Order(ctx context.Context, req ledger.Request, token domain.Token, c subject.OrderErasure) (out ledger.Outcome, along, err error) {
	p.init()
	if len(c.Linked) > 0 {
		p.ordering.Lock()
		defer p.ordering.Unlock()
		if err := p.linkedFree(ctx, token, &c); err != nil {
			return out, nil, err
		}
	}
	if out, err = p.Ledger.OrderErasure(ctx, req, token, c); err != nil {
		return out, nil, err
	}
	along = p.TakeAlong(ctx, token, c.Erasure)
	p.Wake()
	return out, along, nil
}

// Try says what an order would do now, and fails as the order would; nothing is
// changed.
func (p *Process) Try(ctx context.Context, token domain.Token, c subject.OrderErasure) ([]subject.Weighed, error) {
	if err := p.linkedFree(ctx, token, &c); err != nil {
		return nil, err
	}
	return p.Ledger.TryErasure(ctx, token, c)
}

// linkedFree refuses an order while an erasure of a linked record is under
// way, for which it would have to wait with its groups closed. One of
// everything takes the place of a smaller one that has not started, and of what
// has it waits for the end, which is near.
func (p *Process) linkedFree(ctx context.Context, token domain.Token, c *subject.OrderErasure) error {
	if !c.Scope.Everything && len(c.Scope.Groups) == 0 {
		return nil
	}
	for _, other := range c.Linked {
		s, err := p.Ledger.Subject(ctx, other)
		if err != nil {
			return fmt.Errorf("reading a linked record: %w", err)
		}
		e, busy := underWay(s)
		if !busy || e.ID == c.Erasure || e.Ordered.Everything {
			continue
		}
		if c.Scope.Everything {
			with := slices.DeleteFunc(append([]domain.Token{token}, c.Linked...), func(t domain.Token) bool { return t == other })
			groups, err := p.Ledger.WeighErasure(ctx, other, c.Scope, c.Ground, with)
			if err != nil {
				return err
			}
			if e.State == subject.IsStarted || e.Ordered.Within(groups) {
				continue
			}
		}
		return domain.Conflict("erasure.underway", "erasure",
			"erasure %s of the linked record %s is %s: wait for its end, or cancel it before it starts", e.ID, other, e.State)
	}
	return nil
}

// underWay is the erasure of a record that has not ended.
func underWay(s *subject.State) (subject.Erasure, bool) {
	for _, e := range s.Erasures() {
		if e.Ordered != nil && (e.State == subject.IsOrdered || e.State == subject.IsStarted) {
			return e, true
		}
	}
	return subject.Erasure{}, false
}

// TakeAlong lets the records that go along with an erasure follow it: ordered,
// so that they are closed at once, or called off.
func (p *Process) TakeAlong(ctx context.Context, token domain.Token, id domain.ID) error {
	p.init()
	s, err := p.Ledger.Subject(ctx, token)
	if err != nil {
		return fmt.Errorf("reading the record: %w", err)
	}
	e, ok := s.Erasure(id)
	switch {
	case !ok || e.Ordered == nil:
		return nil
	case e.State == subject.IsOrdered:
		return p.orderLinked(ctx, Item{Token: token, Erasure: id}, &e)
	case e.State != subject.IsCancelled:
		return nil
	}
	p.solved(Item{Token: token, Erasure: id})
	for _, other := range e.Ordered.Linked {
		if err := p.cancel(ctx, Item{Token: other, Erasure: id}); err != nil {
			return err
		}
	}
	return nil
}

func (p *Process) orderLinked(ctx context.Context, it Item, e *subject.Erasure) error {
	scope := scopeOf(e.Ordered)
	if scope.Empty() {
		return nil // single values: nothing goes along, and only their holds bind
	}
	for _, other := range e.Ordered.Linked {
		s, err := p.Ledger.Subject(ctx, other)
		if err != nil {
			return fmt.Errorf("reading a linked record: %w", err)
		}
		if _, ordered := s.Erasure(it.Erasure); s == nil || ordered || goesItself(s) {
			continue
		}
		c := subject.OrderErasure{
			Erasure: it.Erasure, Cause: e.Ordered.Cause, Ground: e.Ordered.Ground, By: e.Ordered.By,
			Scope: scope, Grace: max(0, e.Ordered.Due.Sub(p.Ledger.Now())), Of: it.Token,
		}
		_, err = p.Ledger.OrderErasure(ctx, p.request("order", Item{Token: other, Erasure: it.Erasure}), other, c)
		switch refused, ok := domain.AsError(err); {
		case ok && refused.Code == "erasure.underway":
			return fmt.Errorf("%w for another erasure of the linked record %s", errWaits, other)
		case ok && refused.Kind == domain.KindConflict:
			continue // nothing of this record goes
		case err != nil:
			return fmt.Errorf("ordering the erasure of a linked record: %w", err)
		}
	}
	return nil
}

// goesItself reports whether a record is erased altogether already.
func goesItself(s *subject.State) bool {
	e, busy := underWay(s)
	return busy && e.Ordered.Everything
}

// scopeOf is what is asked of a linked record: values are a record's own, so
// only groups go along.
func scopeOf(o *subject.ErasureOrdered) subject.Scope {
	if o.Everything {
		return subject.Scope{Everything: true}
	}
	var scope subject.Scope
	for _, g := range o.Groups {
		if g.Outcome == subject.Erase {
			scope.Groups = append(scope.Groups, g.Group)
		}
	}
	return scope
}
