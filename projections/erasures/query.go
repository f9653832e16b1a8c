package erasures

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/projections"
)

// Erasure is one erasure of one record. Times are those of recording, zero
// while it has not happened.
type Erasure struct {
	Token       domain.Token
	ID          domain.ID
	Position    eventstore.Position // of its first event: the cursor of lists
	State       subject.ErasureState
	Cause       subject.ErasureCause
	Ground      subject.ErasureGround
	Everything  bool
	Of          domain.Token   // the record that it goes along with
	Linked      []domain.Token // records that go along with it
	Follows     domain.ID
	Due         time.Time
	Ordered     time.Time
	Cancelled   time.Time
	Started     time.Time
	StartedAt   eventstore.Position
	Stopped     time.Time
	Completed   time.Time
	CompletedAt eventstore.Position
	Erased      int // groups, as weighed last
	Trimmed     int
	Kept        int
	Refused     int
	Keys        int // that it names
	Marks       uint32
	DeadFrom    time.Time
}

// Wait is a group that an erasure had to leave, and for what.
type Wait struct {
	Token   domain.Token
	Group   domain.Name
	Erasure domain.ID
	Rule    subject.KeepRule
	Purpose domain.Name
	Hold    domain.ID
	Until   time.Time // zero: not known
}

// Counts of all records.
type Counts struct {
	States  map[subject.ErasureState]int
	Overdue int // ordered, and due for a while
	Waiting int // groups
}

// Queries reads the view.
type Queries struct{ Source projections.Source }

// Due lists the erasures that are ordered and whose grace period has ended,
// oldest order first, behind a position (0: from the first).
func (q Queries) Due(ctx context.Context, now time.Time, after eventstore.Position, limit int) ([]Erasure, error) {
	return q.list(ctx, "state = 'ordered' AND position > ? AND due <= ? ORDER BY position", limit, int64(after), now.UnixMicro())
}

// Started lists the erasures that have started and are not completed, oldest
// order first, behind a position (0: from the first).
func (q Queries) Started(ctx context.Context, after eventstore.Position, limit int) ([]Erasure, error) {
	return q.list(ctx, "state = 'started' AND position > ? ORDER BY position", limit, int64(after))
}

// OfToken lists a record's erasures, oldest order first.
func (q Queries) OfToken(ctx context.Context, token domain.Token) ([]Erasure, error) {
	return q.list(ctx, "token = ? ORDER BY position", projections.MaxPage, string(token))
}

// List gives the erasures that were ordered before a position (0: from the
// newest), newest first; state "" is every state.
func (q Queries) List(ctx context.Context, state subject.ErasureState, before eventstore.Position, limit int) ([]Erasure, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	if state == "" {
		return q.list(ctx, "position < ? ORDER BY position DESC", limit, int64(before))
	}
	return q.list(ctx, "state = ? AND position < ? ORDER BY position DESC", limit, string(state), int64(before))
}

// list takes one of a few constant conditions; what is asked for are parameters.
func (q Queries) list(ctx context.Context, where string, limit int, args ...any) (found []Erasure, err error) {
	query := "SELECT " + table.Names() + " FROM erasures WHERE " + where + " LIMIT ?"
	err = q.each(ctx, query, append(args, projections.PageSize(limit)), func(row projections.Row) error {
		e, err := scan(row)
		found = append(found, e)
		return err
	})
	return found, err
}

// Cursor is a wait's place in the list by day; the zero Cursor is before all.
type Cursor struct {
	Until time.Time
	Token domain.Token
	Group domain.Name
}

// At is the wait's own place, to go on behind it.
func (w *Wait) At() Cursor { return Cursor{Until: w.Until, Token: w.Token, Group: w.Group} }

// Waiting lists the groups that wait for a day that has come, the longest
// waiting first.
func (q Queries) Waiting(ctx context.Context, now time.Time, after Cursor, limit int) ([]Wait, error) {
	from := int64(math.MinInt64)
	if after != (Cursor{}) {
		from = after.Until.UnixMicro()
	}
	return q.waits(ctx, "until <= ? AND (until, token, retention_group) > (?, ?, ?) ORDER BY until, token, retention_group", limit,
		now.UnixMicro(), from, string(after.Token), string(after.Group))
}

// ByHold lists the groups that wait for a hold's release, by token and group.
func (q Queries) ByHold(ctx context.Context, hold domain.ID, after Cursor, limit int) ([]Wait, error) {
	return q.waits(ctx, "hold = ? AND (token, retention_group) > (?, ?) ORDER BY token, retention_group", limit,
		hold[:], string(after.Token), string(after.Group))
}

// WaitsOf lists the groups of a record that wait.
func (q Queries) WaitsOf(ctx context.Context, token domain.Token) ([]Wait, error) {
	return q.waits(ctx, "token = ? ORDER BY retention_group", projections.MaxPage, string(token))
}

func (q Queries) waits(ctx context.Context, where string, limit int, args ...any) (found []Wait, err error) {
	query := "SELECT " + waitsTable.Names() + " FROM erasure_waits WHERE " + where + " LIMIT ?"
	err = q.each(ctx, query, append(args, projections.PageSize(limit)), func(row projections.Row) error {
		var w Wait
		var erasure, hold []byte
		var until sql.NullInt64
		err := row.Scan(&w.Token, &w.Group, &erasure, &w.Rule, &w.Purpose, &hold, &until)
		w.Erasure, w.Hold, w.Until = projections.IDOf(erasure), projections.IDOf(hold), projections.Moment(until)
		found = append(found, w)
		return err
	})
	return found, err
}

// Counts counts erasures by state, and what waits. Overdue are those whose
// grace period ended before a time.
func (q Queries) Counts(ctx context.Context, overdue time.Time) (c Counts, err error) {
	c.States = map[subject.ErasureState]int{}
	err = q.Source.Read(ctx, Name, func(db projections.Querier) error {
		err := each(ctx, db, "SELECT state, count(*) FROM erasures GROUP BY state", nil, func(row projections.Row) error {
			var state subject.ErasureState
			var n int
			err := row.Scan(&state, &n)
			c.States[state] = n
			return err
		})
		if err != nil {
			return err
		}
		return db.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM erasures WHERE state = 'ordered' AND due < ?),"+
			" (SELECT count(*) FROM erasure_waits)", overdue.UnixMicro()).Scan(&c.Overdue, &c.Waiting)
	})
	return c, err
}

func (q Queries) each(ctx context.Context, query string, args []any, scan func(projections.Row) error) error {
	return q.Source.Read(ctx, Name, func(db projections.Querier) error { return each(ctx, db, query, args, scan) })
}

func each(ctx context.Context, db projections.Querier, query string, args []any, scan func(projections.Row) error) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("reading erasures: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("reading erasures: %w", err)
		}
	}
	return rows.Err()
}

func scan(row projections.Row) (e Erasure, err error) {
	var erasure, follows []byte
	var linked string
	var due, ordered, cancelled, started, stopped, completed, deadFrom, startedAt, completedAt sql.NullInt64
	err = row.Scan(&e.Token, &erasure, &e.Position, &e.State, &e.Cause, &e.Ground, &e.Everything, &e.Of, &follows, &linked, &due,
		&ordered, &cancelled, &started, &startedAt, &stopped, &completed, &completedAt,
		&e.Erased, &e.Trimmed, &e.Kept, &e.Refused, &e.Keys, &e.Marks, &deadFrom)
	e.ID, e.Follows = projections.IDOf(erasure), projections.IDOf(follows)
	for t := range strings.FieldsSeq(linked) {
		e.Linked = append(e.Linked, domain.Token(t))
	}
	e.Due, e.Ordered, e.Cancelled = projections.Moment(due), projections.Moment(ordered), projections.Moment(cancelled)
	e.Started, e.Stopped, e.Completed = projections.Moment(started), projections.Moment(stopped), projections.Moment(completed)
	e.StartedAt, e.CompletedAt = eventstore.Position(startedAt.Int64), eventstore.Position(completedAt.Int64)
	e.DeadFrom = projections.Moment(deadFrom)
	return e, err
}
