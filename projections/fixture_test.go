package projections

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/eventstore"
	"lethe/eventstore/storetest"
)

// noted is the fixtures' event: so much was added to a key.
type noted struct {
	key    string
	amount int64
}

func (noted) EventType() domain.Type                       { return domain.Type{Name: "Noted", Version: 1} }
func (noted) Personal(dst []personal.Slot) []personal.Slot { return dst }
func noise() eventstore.Event                              { return eventstore.Event{Type: "Noise", Version: 1} }

func note(key string, amount int64) eventstore.Event {
	return eventstore.Event{Type: "Noted", Version: 1, Facts: fmt.Appendf(nil, "%s %d", key, amount)}
}

// plain decodes the fixtures' events, and counts.
type plain struct{ decoded atomic.Int64 }

var errUndecodable = errors.New("not decodable")

func (p *plain) Decode(r *eventstore.Recorded) (domain.Recorded, error) {
	p.decoded.Add(1)
	var n noted
	if _, err := fmt.Sscanf(string(r.Facts), "%s %d", &n.key, &n.amount); err != nil {
		return domain.Recorded{}, errUndecodable
	}
	return domain.Recorded{ID: domain.ID(r.ID), Stream: r.Stream, Position: uint64(r.Position), Recorded: r.Recorded, Event: n}, nil
}

// ledgerView has a row for each event, which must be new, and a sum for each
// key, which counts an event that is applied twice.
type ledgerView struct {
	name    string
	version int
	poison  string // a key that fails
}

var (
	linesTable = &Table{
		Name: "lines", KeyColumns: 1,
		Columns: []Column{{Name: "position", Type: Int}, {Name: "tag", Type: Text}, {Name: "amount", Type: Int}},
		Indexes: []Index{{Name: "lines_tag", Columns: []string{"tag"}}},
	}
	sumsTable = &Table{
		Name: "sums", KeyColumns: 1,
		Columns: []Column{{Name: "tag", Type: Text}, {Name: "amount", Type: Int}, {Name: "note", Type: Bytes, Null: true}},
	}
)

func (v ledgerView) Name() string      { return v.name }
func (ledgerView) Events() []string    { return []string{"Noted"} }
func (v ledgerView) NewFold(bool) Fold { return &ledgerFold{view: v, sums: map[string]int64{}} }
func (v ledgerView) Schema() Schema {
	return Schema{Version: max(v.version, 1), Tables: []*Table{linesTable, sumsTable}}
}

type ledgerFold struct {
	view ledgerView
	sums map[string]int64
}

var errPoison = errors.New("poisoned")

func (f *ledgerFold) Apply(tx Tx, e *domain.Recorded) error {
	n := e.Event.(noted)
	if n.key == f.view.poison {
		return errPoison
	}
	f.sums[n.key] += n.amount
	return tx.Add(linesTable, int64(e.Position), n.key, n.amount)
}

func (f *ledgerFold) Flush(tx Tx) error {
	for key, more := range f.sums {
		var sum int64
		err := tx.Query("SELECT amount FROM sums WHERE tag = ?", []any{key}, func(r Row) error { return r.Scan(&sum) })
		if err != nil {
			return err
		}
		if err := tx.Put(sumsTable, key, sum+more, nil); err != nil {
			return err
		}
	}
	clear(f.sums)
	return nil
}

// world is a log and a directory of views.
type world struct {
	t     *testing.T
	store *storetest.Memory
	dir   string
	ids   *uint64
	noted map[string]int64
	lines int
}

func newWorld(t *testing.T) *world {
	return &world{
		t: t, store: storetest.NewMemory(storetest.MemoryOptions{Gap: 3, SystemEvents: true}),
		dir: filepath.Join(t.TempDir(), "views"), ids: new(uint64), noted: map[string]int64{},
	}
}

func (w *world) append(events ...eventstore.Event) eventstore.Position {
	w.t.Helper()
	for i := range events {
		*w.ids++
		binary.BigEndian.PutUint64(events[i].ID[8:], *w.ids)
		if n, err := (&plain{}).Decode(&eventstore.Recorded{Event: events[i]}); err == nil {
			w.noted[n.Event.(noted).key] += n.Event.(noted).amount
			w.lines++
		}
	}
	res, err := w.store.Append(context.Background(), "s", eventstore.Any(), events)
	require.NoError(w.t, err)
	return res.Position
}

// write appends n events of a few keys, some of them of no concern.
func (w *world) write(n int) (last eventstore.Position) {
	w.t.Helper()
	for i := range n {
		last = w.append(note(string(rune('a'+i%5)), int64(i)), noise())
	}
	return last
}

func (w *world) options(views ...Projection) Options {
	return Options{
		Dir: w.dir, Store: w.store, Decoder: &plain{}, Projections: views, BatchEvents: 16,
		Logger: slog.New(slog.DiscardHandler),
	}
}

func (w *world) open(o Options) *Runner {
	w.t.Helper()
	r, err := Open(context.Background(), o)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = r.Close() })
	return r
}

func (w *world) wait(r *Runner, view string) {
	w.t.Helper()
	require.NoError(w.t, r.WaitFor(w.t.Context(), view, w.store.Stats().Head))
}

// check compares a view with what was appended.
func (w *world) check(r *Runner, view string) {
	w.t.Helper()
	w.wait(r, view)
	sums, lines := map[string]int64{}, 0
	for _, row := range dump(w.t, r, view, sumsTable) {
		var key, none string
		var sum int64
		_, err := fmt.Sscanf(row, "%s %d %s", &key, &sum, &none)
		require.NoError(w.t, err)
		sums[key] = sum
	}
	lines = len(dump(w.t, r, view, linesTable))
	require.Equal(w.t, w.noted, sums)
	require.Equal(w.t, w.lines, lines)
}

// dump gives every row of the tables.
func dump(t require.TestingT, r Source, view string, tables ...*Table) (all []string) {
	err := r.Read(context.Background(), view, func(db Querier) error {
		for _, table := range tables {
			rows, err := db.QueryContext(context.Background(), "SELECT * FROM "+table.Name+" ORDER BY 1")
			if err != nil {
				return err
			}
			for rows.Next() {
				row, into := make([]any, len(table.Columns)), make([]any, len(table.Columns))
				for i := range row {
					into[i] = &row[i]
				}
				if err := rows.Scan(into...); err != nil {
					return err
				}
				all = append(all, strings.TrimSpace(fmt.Sprintln(row...)))
			}
			if err := rows.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, err)
	return all
}

// until waits for a status.
func (w *world) until(r *Runner, view string, reached func(Status) bool) Status {
	w.t.Helper()
	v, err := r.view(view)
	require.NoError(w.t, err)
	for {
		v.mu.Lock()
		changed := v.changed
		v.mu.Unlock()
		if s := v.status(); reached(s) {
			return s
		}
		select {
		case <-changed:
		case <-w.t.Context().Done():
			require.FailNow(w.t, "the status never came")
		}
	}
}

func isLive(s Status) bool   { return s.State == Live && s.Serving }
func isFailed(s Status) bool { return s.State == Failed }

// files lists a view's directory.
func (w *world) files(view string) (names []string) {
	w.t.Helper()
	entries, err := os.ReadDir(filepath.Join(w.dir, view))
	require.NoError(w.t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
