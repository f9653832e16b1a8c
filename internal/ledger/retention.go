package ledger

import (
	"context"

	"lethe/domain"
	"lethe/domain/subject"
)

// Fold folds a person's record from the log and past the cache, which a look at
// everybody would empty of those who are written to; nil when there is none.
func (l *Ledger) Fold(ctx context.Context, token domain.Token) (s *subject.State, err error) {
	err = l.Replay(ctx, token.Stream(), func(r domain.Recorded) error {
		s = subject.Evolve(s, r)
		return nil
	})
	return s, err
}

// Overdue lists what of a record is to go by retention now, and what would but
// is held. linked are the other records of the person: their holds and restrictions bind.
func (l *Ledger) Overdue(ctx context.Context, s *subject.State, linked []domain.Token) ([]subject.Expired, error) {
	if s == nil {
		return nil, nil
	}
	env, err := l.erasureEnv(ctx, s.Token(), linked)
	if err != nil {
		return nil, err
	}
	return subject.Overdue(s, env), nil
}
