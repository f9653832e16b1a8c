package customers

import (
	"context"

	"lethe/domain"
	"lethe/projections"
)

// Count is how many people there are.
func (q Queries) Count(ctx context.Context) (n uint64, err error) {
	err = q.Source.Read(ctx, Name, func(db projections.Querier) error {
		return db.QueryRowContext(ctx, "SELECT count(*) FROM customers").Scan(&n)
	})
	return n, err
}

// Tokens lists the people behind a token, in the order of tokens: at most
// PageSize of limit.
func (q Queries) Tokens(ctx context.Context, after domain.Token, limit int) (found []domain.Token, err error) {
	err = q.Source.Read(ctx, Name, func(db projections.Querier) error {
		return each(ctx, db, "SELECT token FROM customers WHERE token > ? ORDER BY token LIMIT ?",
			[]any{string(after), projections.PageSize(limit)}, func(row projections.Row) error {
				var token domain.Token
				err := row.Scan(&token)
				found = append(found, token)
				return err
			})
	})
	return found, err
}
