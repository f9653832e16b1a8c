package ledger

import (
	"context"
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
)

// Together are the other records of the person, whose holds and restrictions bind this one:
// those that were linked when the erasure was ordered, or the one that it
// follows; for a record that goes along these are that of the order and all
// others that go along with it. One whose link was undone since is not among
// them: it is somebody else's.
func (l *Ledger) Together(ctx context.Context, token domain.Token, o *subject.ErasureOrdered) ([]domain.Token, error) {
	with, err := l.ordered(ctx, token, o)
	if err != nil || len(with) == 0 {
		return nil, err
	}
	linked, err := l.linked(ctx, token)
	if err != nil {
		return nil, unavailable(err)
	}
	var together []domain.Token
	for _, t := range with {
		there := slices.Contains(linked, t)
		if !there { // a link is on one record a moment before it is on the other
			back, err := l.linked(ctx, t)
			if err != nil {
				return nil, unavailable(err)
			}
			there = slices.Contains(back, token)
		}
		if there {
			together = append(together, t)
		}
	}
	return together, nil
}

// linked follows a record's links as far as they reach.
func (l *Ledger) linked(ctx context.Context, token domain.Token) ([]domain.Token, error) {
	all := []domain.Token{token}
	for i := 0; i < len(all); i++ {
		s, err := l.Subject(ctx, all[i])
		if err != nil {
			return nil, err
		}
		for _, link := range s.At(time.Time{}, time.Time{}).Links {
			if link.State == subject.LinkStanding && !slices.Contains(all, link.Other) {
				all = append(all, link.Other)
			}
		}
	}
	return all[1:], nil
}

// ordered are the other records that an erasure was ordered for.
func (l *Ledger) ordered(ctx context.Context, token domain.Token, o *subject.ErasureOrdered) ([]domain.Token, error) {
	of, id := o.Of, o.Erasure
	switch {
	case of != "":
	case len(o.Linked) == 0 && !o.Follows.IsZero():
		of, id = token, o.Follows
	default:
		return o.Linked, nil
	}
	s, err := l.Subject(ctx, of)
	if err != nil {
		return nil, unavailable(err)
	}
	e, ok := s.Erasure(id)
	switch {
	case !ok || e.Ordered == nil:
		return []domain.Token{of}, nil
	case of == token:
		return l.ordered(ctx, token, e.Ordered)
	}
	with := append([]domain.Token{of}, e.Ordered.Linked...)
	return slices.DeleteFunc(with, func(t domain.Token) bool { return t == token }), nil
}
