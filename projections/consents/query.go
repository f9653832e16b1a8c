package consents

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/projections"
	"lethe/projections/standing"
)

// Current is what stands for one person at one moment. Values in the events
// are absent: the view keeps facts only.
type Current struct {
	Token    domain.Token
	Consents []subject.Consent // by purpose
	Bases    []subject.Basis
}

// Standing is one person's consent to one purpose, as a list shows it.
type Standing struct {
	Token    domain.Token        `json:"token"`
	Purpose  domain.Name         `json:"purpose"`
	Version  uint32              `json:"version"`
	Status   subject.Status      `json:"status"`
	Since    time.Time           `json:"since,omitzero"`
	Until    time.Time           `json:"until,omitzero"`
	Event    domain.ID           `json:"event,omitzero"` // that the status rests on
	Position eventstore.Position `json:"position"`       // of the newest event about it
}

// Queries reads the view.
type Queries struct{ Source projections.Source }

// Current gives what stands for a person now: ends that have passed count,
// effects that are yet to come do not. All that is recorded counts, even if
// its stamp is a little ahead of now. Empty for a person it does not know.
func (q Queries) Current(ctx context.Context, token domain.Token, now time.Time) (Current, error) {
	current := Current{Token: token}
	err := q.Source.Read(ctx, Name, func(db projections.Querier) error {
		state, err := standing.Read(ctx, db, factsTable, token)
		if err != nil || state == nil {
			return err
		}
		snapshot := state.At(time.Time{}, now)
		current.Consents, current.Bases = snapshot.Consents, snapshot.Bases
		return nil
	})
	return current, err
}

// OfPurpose lists the people behind a token of whom a consent event to the
// purpose is known, in the order of tokens, as it stands now.
func (q Queries) OfPurpose(ctx context.Context, purpose domain.Name, after domain.Token, limit int, now time.Time) (found []Standing, err error) {
	err = q.Source.Read(ctx, Name, func(db projections.Querier) error {
		var unsettled []int
		rows, err := db.QueryContext(ctx, "SELECT "+table.Names()+" FROM consents WHERE purpose = ? AND token > ?"+
			" ORDER BY token LIMIT ?", string(purpose), string(after), projections.PageSize(limit))
		if err != nil {
			return fmt.Errorf("listing consents: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			s, effects, err := scan(rows)
			if err != nil {
				return fmt.Errorf("listing consents: %w", err)
			}
			if !s.settled(effects, now) {
				unsettled = append(unsettled, len(found))
			}
			found = append(found, s)
		}
		if err := rows.Err(); err != nil {
			return fmt.Errorf("listing consents: %w", err)
		}
		return refold(ctx, db, found, unsettled, now)
	})
	return found, err
}

func scan(row projections.Row) (s Standing, effects time.Time, err error) {
	var since, until sql.NullInt64
	var event []byte
	var latest int64
	err = row.Scan(&s.Token, &s.Purpose, &s.Version, &s.Status, &since, &until, &event, &latest, &s.Position)
	s.Since, s.Until, s.Event = projections.Moment(since), projections.Moment(until), projections.IDOf(event)
	return s, time.UnixMicro(latest).UTC(), err
}

// settled reports whether the row says what stands now: nothing takes effect
// later, and no end has passed (behind which a request may wait).
func (s *Standing) settled(effects, now time.Time) bool {
	ended := s.Status.Allows() && !s.Until.IsZero() && !now.Before(s.Until)
	return !ended && !effects.After(now)
}

// refold answers from the events where the row by purpose does not say.
func refold(ctx context.Context, db projections.Querier, found []Standing, unsettled []int, now time.Time) error {
	for _, i := range unsettled {
		s := &found[i]
		state, err := standing.Read(ctx, db, factsTable, s.Token)
		if err != nil {
			return err
		}
		c := state.Consent(time.Time{}, now, s.Purpose)
		s.Version, s.Status, s.Since, s.Until, s.Event = c.Version, c.Status, c.Since, c.Until, domain.ID{}
		if c.Rest != nil {
			s.Event = c.Rest.ID
		}
	}
	return nil
}
