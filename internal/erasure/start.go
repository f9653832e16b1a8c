package erasure

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"lethe/domain"
	"lethe/domain/subject"
)

// start begins one erasure that is due; the groups in ready have their new key.
// It reports whether it is started now.
// A linked record follows the record that it goes along with.
func (p *Process) start(ctx context.Context, it Item, ready []domain.Name) (bool, error) {
	s, err := p.Ledger.Subject(ctx, it.Token)
	if err != nil {
		return false, fmt.Errorf("reading the record: %w", err)
	}
	e, ok := s.Erasure(it.Erasure)
	switch {
	case !ok || e.Ordered == nil:
		return false, nil
	case e.State == subject.IsStarted:
		return true, nil
	case e.State != subject.IsOrdered || p.Ledger.Now().Before(e.Ordered.Due):
		return false, nil
	}
	if e.Ordered.Of != "" {
		if ready, err := p.mainStarted(ctx, it, e.Ordered.Of); err != nil || !ready {
			return false, err
		}
	}
	if err := p.orderLinked(ctx, it, &e); err != nil {
		return false, err
	}
	if err := p.crash("linked"); err != nil {
		return false, err
	}
	if _, err := p.Ledger.StartErasure(ctx, p.request("start", it), it.Token, it.Erasure, ready...); err != nil {
		return false, fmt.Errorf("starting it: %w", err)
	}
	p.solved(it)
	return true, nil
}

// mainStarted reports whether the record that this one goes along with has
// started its erasure, and calls this one off when that one was.
func (p *Process) mainStarted(ctx context.Context, it Item, of domain.Token) (bool, error) {
	s, err := p.Ledger.Subject(ctx, of)
	if err != nil {
		return false, fmt.Errorf("reading the linked record: %w", err)
	}
	e, ok := s.Erasure(it.Erasure)
	switch {
	case !ok || e.State == subject.IsOrdered:
		return false, nil
	case e.State != subject.IsCancelled:
		return true, nil
	}
	return false, p.cancel(ctx, it)
}

// cancel calls off the erasure of a linked record.
func (p *Process) cancel(ctx context.Context, it Item) error {
	c := subject.CancelErasure{Erasure: it.Erasure, By: subject.Controller, Along: true}
	_, err := p.Ledger.On(ctx, p.request("cancel", it), it.Token, subject.Env{}, c)
	if _, refused := domain.AsError(err); err != nil && !refused {
		return fmt.Errorf("cancelling the erasure of a linked record: %w", err)
	}
	return nil
}

// Requeue orders the erasure of what an earlier one had to leave, as far as
// nothing keeps it any more: a hold was released, a restriction lifted, a duty
// has ended. It is about
// this record alone. The person's other records bind it by their holds, and
// what they had to leave is ordered by themselves.
func (p *Process) Requeue(ctx context.Context, token domain.Token) (ordered bool, err error) {
	p.init()
	s, err := p.Ledger.Subject(ctx, token)
	if err != nil {
		return false, fmt.Errorf("reading the record: %w", err)
	}
	byErasure := map[domain.ID][]domain.Name{}
	var order []domain.ID
	for _, w := range s.Waiting() {
		if byErasure[w.Erasure] == nil {
			order = append(order, w.Erasure)
		}
		byErasure[w.Erasure] = append(byErasure[w.Erasure], w.Group)
	}
	for _, id := range order {
		e, _ := s.Erasure(id)
		did, err := p.requeue(ctx, token, s, &e, byErasure[id])
		if err != nil {
			return ordered, err
		}
		ordered = ordered || did
	}
	return ordered, nil
}

func (p *Process) requeue(ctx context.Context, token domain.Token, s *subject.State, e *subject.Erasure, groups []domain.Name) (bool, error) {
	with, err := p.Ledger.Together(ctx, token, e.Ordered)
	if err != nil {
		return false, fmt.Errorf("looking for the person's other records: %w", err)
	}
	weighed, err := p.Ledger.WeighErasure(ctx, token, s.ScopeOfWaiting(e.ID, groups), e.Ordered.Ground, with)
	if err != nil {
		return false, fmt.Errorf("weighing what had to stay: %w", err)
	}
	var free []domain.Name
	for _, w := range weighed {
		if w.Goes() {
			free = append(free, w.Group)
		}
	}
	if free == nil {
		return false, nil
	}
	slices.Sort(free)
	it := Item{Token: token, Erasure: derived(token, e.ID, free)}
	_, err = p.Ledger.OrderErasure(ctx, p.request("requeue", it), token, subject.OrderErasure{
		Erasure: it.Erasure, Cause: subject.OnRelease, Ground: e.Ordered.Ground, Scope: s.ScopeOfWaiting(e.ID, free),
		Follows: e.ID, By: subject.Controller,
	})
	if refused, ok := domain.AsError(err); ok && refused.Kind == domain.KindConflict {
		return false, nil // another erasure is under way: this comes after it
	}
	if err != nil {
		return false, fmt.Errorf("ordering the erasure of what had to stay: %w", err)
	}
	p.Wake()
	return true, nil
}

// derived names the erasure of what another one had to leave: the same for
// however many try it.
func derived(token domain.Token, id domain.ID, groups []domain.Name) domain.ID {
	h := sha256.New()
	_, _ = h.Write(append(id[:], token...))
	for _, g := range groups {
		_, _ = h.Write([]byte(g + "\x00"))
	}
	next := domain.ID(h.Sum(nil)[:16])
	next[6] = next[6]&0x0f | 0x80
	next[8] = next[8]&0x3f | 0x80
	return next
}
