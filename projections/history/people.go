package history

import (
	"context"
	"fmt"
	"time"

	"lethe/domain"
	"lethe/eventstore"
	"lethe/projections"
)

// Cut is up to where history is looked at: events at or before a position,
// recorded until one time and in effect until another, all inclusive.
type Cut struct {
	Position  eventstore.Position
	Recorded  time.Time
	Effective time.Time
}

// People lists the people behind a token of whom a consent, basis or
// objection event within the cut names the purpose, in the order of tokens: at
// most PageSize of limit. The same cut gives the same people however much is
// recorded meanwhile. An objection to every purpose names none.
func (q Queries) People(ctx context.Context, purpose domain.Name, c Cut, after domain.Token, limit int) (found []domain.Token, err error) {
	err = q.Source.Read(ctx, Name, func(db projections.Querier) error {
		rows, err := db.QueryContext(ctx, "SELECT DISTINCT token FROM history"+
			" WHERE purpose = ? AND token > ? AND recorded <= ? AND effective <= ? AND position <= ? ORDER BY token LIMIT ?",
			string(purpose), string(after), c.Recorded.UnixMicro(), c.Effective.UnixMicro(), int64(c.Position), projections.PageSize(limit))
		if err != nil {
			return fmt.Errorf("listing a purpose's people: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var token domain.Token
			if err := rows.Scan(&token); err != nil {
				return fmt.Errorf("listing a purpose's people: %w", err)
			}
			found = append(found, token)
		}
		return rows.Err()
	})
	return found, err
}
