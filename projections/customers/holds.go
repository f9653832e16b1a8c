package customers

import (
	"context"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/projections"
	"lethe/projections/standing"
)

// Held is a hold on one person's record.
type Held struct {
	Token domain.Token
	subject.Hold
}

// Holds lists the holds that stand on the records of the people behind a
// token, in the order of tokens: of at most PageSize of limit people. last is
// the token to go on behind, "" when these were all.
func (q Queries) Holds(ctx context.Context, after domain.Token, limit int, now time.Time) (found []Held, last domain.Token, err error) {
	limit = projections.PageSize(limit)
	const people = "SELECT DISTINCT token FROM customer_claims WHERE type = 'HoldPlaced' AND token > ? ORDER BY token LIMIT ?"
	err = q.Source.Read(ctx, Name, func(db projections.Querier) error {
		var tokens []domain.Token
		err := each(ctx, db, people, []any{string(after), limit}, func(row projections.Row) error {
			var token domain.Token
			err := row.Scan(&token)
			tokens = append(tokens, token)
			return err
		})
		if err != nil {
			return err
		}
		if len(tokens) == limit {
			last = tokens[limit-1]
		}
		for _, token := range tokens {
			state, err := standing.Read(ctx, db, claimsTable, token)
			if err != nil {
				return err
			}
			for _, h := range state.At(time.Time{}, now).Holds {
				found = append(found, Held{token, h})
			}
		}
		return nil
	})
	return found, last, err
}
