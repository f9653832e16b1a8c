package projections_test

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/projections"
)

// tape is a log in memory that costs nothing to read, so that what is
// measured is the views.
type tape struct{ events []*eventstore.Recorded }

func (t *tape) Append(_ context.Context, stream string, _ eventstore.Expected, events []eventstore.Event) (eventstore.Result, error) {
	for _, e := range events {
		t.events = append(t.events, &eventstore.Recorded{
			Event: e, Stream: stream, Position: eventstore.Position(len(t.events) + 1), Recorded: e.Effective,
		})
	}
	return eventstore.Result{Position: eventstore.Position(len(t.events))}, nil
}

func (t *tape) ReadStream(context.Context, string, eventstore.StreamRange) iter.Seq2[*eventstore.Recorded, error] {
	return func(func(*eventstore.Recorded, error) bool) {}
}

func (t *tape) ReadAll(_ context.Context, after eventstore.Position) iter.Seq2[*eventstore.Recorded, error] {
	return func(yield func(*eventstore.Recorded, error) bool) {
		for _, e := range t.events[after:] {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (t *tape) Subscribe(ctx context.Context, _ eventstore.Position) iter.Seq2[eventstore.Message, error] {
	return func(yield func(eventstore.Message, error) bool) {
		<-ctx.Done()
		yield(eventstore.Message{}, ctx.Err())
	}
}

func (t *tape) Stats() eventstore.Stats {
	return eventstore.Stats{Events: uint64(len(t.events)), Head: eventstore.Position(len(t.events))}
}

func (t *tape) CountAfter(p eventstore.Position) uint64 { return uint64(len(t.events)) - uint64(p) }
func (t *tape) Close() error                            { return nil }

// benchPeople is how many people the benchmarks' log has, each with six
// events and one access in ten.
func benchPeople() int {
	if n, err := strconv.Atoi(os.Getenv("LETHE_BENCH_PEOPLE")); err == nil {
		return n
	}
	return 20_000
}

// record makes the log of a CRM: people are registered with four values in
// two events, say yes to two purposes, take one back, and are looked at.
// People come in batches of a hundred whose events interleave.
func record(b *testing.B) (*tape, *generator) {
	t := &tape{}
	g := newGenerator(b, t, benchPeople())
	c := &lcg{state: 1}
	revisions := map[string]uint64{}
	add := func(stream string, e domain.Event) {
		g.when = g.when.Add(time.Second)
		stored := g.encode(stream, e, g.when)
		g.append(stream, stored)
		t.events[len(t.events)-1].Revision = revisions[stream]
		revisions[stream]++
	}
	for batch := 0; batch < len(g.tokens); batch += 100 {
		people := g.tokens[batch:min(batch+100, len(g.tokens))]
		for round := range 6 {
			for _, token := range people {
				add(token.Stream(), benchEvent(g, c, round))
			}
		}
		for i := 0; i < len(people); i += 10 {
			add("access-x", &access.Granted{
				Purpose: "invoice", Version: 1, Operation: access.Use, Door: access.Read,
				Subjects: []access.Subject{{Token: people[i], Fields: fields, Basis: domain.Contract}},
			})
		}
	}
	return t, g
}

func benchEvent(g *generator, c chooser, round int) domain.Event {
	item := func(i int) subject.Item {
		return subject.Item{Field: fields[i], Group: groupOf(fields[i]), Class: subject.Provided, Value: personal.Of("somebody@example.org")}
	}
	switch round {
	case 0:
		return g.registered(c)
	case 1:
		return &subject.FieldsRecorded{Purpose: "invoice", Version: 1, Items: []subject.Item{item(0), item(1), item(2)}}
	case 2:
		return &subject.FieldsRecorded{Purpose: "newsletter", Version: 1, Items: []subject.Item{item(3)}}
	case 3, 4:
		grant := g.grant(c)
		grant.Purpose = purposes[round-3]
		return &subject.ConsentGiven{Grant: grant}
	default:
		choice := g.choice(c)
		choice.Purpose = purposes[0]
		return &subject.ConsentWithdrawn{Choice: choice}
	}
}

// nothing is a transaction into which rows vanish.
type nothing struct{ rows int }

func (n *nothing) Add(*projections.Table, ...any) error { n.rows++; return nil }

func (n *nothing) Put(*projections.Table, ...any) error                      { n.rows++; return nil }
func (n *nothing) Delete(*projections.Table, ...any) error                   { return nil }
func (n *nothing) Query(string, []any, func(projections.Row) error) error    { return nil }
func (n *nothing) Stream(string, uint64, func(*domain.Recorded) error) error { return nil }

func (n *nothing) fold(b *testing.B, v projections.Fold, events []domain.Recorded, wants map[string]bool) {
	for i := range events {
		if wants[events[i].Event.EventType().Name] {
			require.NoError(b, v.Apply(n, &events[i]))
		}
		if i%20_000 == 0 {
			require.NoError(b, v.Flush(n))
		}
	}
	require.NoError(b, v.Flush(n))
}

// BenchmarkDecode is the shared part of every rebuild, on one core.
func BenchmarkDecode(b *testing.B) {
	log, g := record(b)
	for b.Loop() {
		for _, e := range log.events {
			if _, err := g.codec.Decode(e); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(len(log.events)*b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkFold is what a view makes of decoded events, without a database,
// on one core. events/s are those of the log.
func BenchmarkFold(b *testing.B) {
	log, g := record(b)
	events := decodeAll(b, log, g)
	for _, view := range allViews() {
		wants := map[string]bool{}
		for _, name := range view.Events() {
			wants[name] = true
		}
		b.Run(view.Name(), func(b *testing.B) {
			n := &nothing{}
			for b.Loop() {
				n.fold(b, view.NewFold(true), events, wants)
			}
			b.ReportMetric(float64(len(log.events)*b.N)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(n.rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkWrite compares a view's writing of a rebuild, events decoded
// before, with the plain insertion of the same rows: in the order of keys,
// with one prepared statement for each table and one transaction, into the
// same schema, indexes made at the end, synced. Both run in one goroutine, in
// turns, and the best of three counts, so that what else the machine does
// matters little.
func BenchmarkWrite(b *testing.B) {
	log, g := record(b)
	events := decodeAll(b, log, g)
	for _, view := range allViews()[:4] { // the benchmark's log has no imports
		b.Run(view.Name(), func(b *testing.B) {
			r := open(b, b.TempDir(), log, g.codec, view)
			defer func() { require.NoError(b, r.Close()) }()
			waitAll(b, r, log.Stats().Head)
			best, bare, rows := time.Hour, time.Hour, 0
			for b.Loop() {
				for i := range 3 {
					path := filepath.Join(b.TempDir(), fmt.Sprint(i)+".db")
					begun := time.Now()
					require.NoError(b, projections.BulkWrite(b.Context(), view, path, events, log.events))
					best = min(best, time.Since(begun))
					n, took := insertBare(b, r, view)
					rows, bare = n, min(bare, took)
				}
			}
			b.ReportMetric(float64(rows)/best.Seconds(), "rows/s")
			b.ReportMetric(float64(rows)/bare.Seconds(), "bare-rows/s")
			b.ReportMetric(bare.Seconds()/best.Seconds(), "of-bare")
		})
	}
}

// BenchmarkRebuild rebuilds views as a running server does: reading,
// decoding, writing, syncing, exchanging the file.
func BenchmarkRebuild(b *testing.B) {
	log, g := record(b)
	sets := map[string][]projections.Projection{"all": allViews()}
	for _, view := range allViews()[:4] {
		sets[view.Name()] = []projections.Projection{view}
	}
	for name, these := range sets {
		b.Run(name, func(b *testing.B) {
			r := open(b, b.TempDir(), log, g.codec, these...)
			defer func() { require.NoError(b, r.Close()) }()
			waitAll(b, r, log.Stats().Head)
			for b.Loop() {
				require.NoError(b, r.Rebuild(b.Context(), nil))
			}
			rows := 0
			for _, v := range these {
				rows += len(dumpAll(b, r, v))
			}
			took := b.Elapsed() / time.Duration(b.N)
			b.ReportMetric(float64(len(log.events))/took.Seconds(), "events/s")
			b.ReportMetric(float64(rows)/took.Seconds(), "rows/s")
		})
	}
}

// BenchmarkConfirm is a batch of erasures until every view has applied it and
// cleaned its file, on views of many people.
func BenchmarkConfirm(b *testing.B) {
	for _, batch := range []int{1, 500} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			store := newMemory()
			g := newGenerator(b, store, 4000)
			c := &lcg{state: 1}
			for range 8 {
				for _, token := range g.tokens {
					if len(g.events[token]) == 0 {
						g.add(c, token, g.registered(c))
					} else {
						g.add(c, token, g.subject(c, token))
					}
				}
			}
			r := open(b, b.TempDir(), store, g.codec, allViews()...)
			defer func() { require.NoError(b, r.Close()) }()
			_, err := r.Confirm(b.Context(), store.Stats().Head)
			require.NoError(b, err)
			next := 0
			for b.Loop() {
				var last eventstore.Position
				for range batch {
					token := g.tokens[next%len(g.tokens)]
					next++
					last = g.add(c, token, &subject.ErasureStarted{Erasure: g.id(), Groups: []subject.Weighed{{Group: "contact", Outcome: subject.Erase}}})
				}
				_, err := r.Confirm(b.Context(), last)
				require.NoError(b, err)
			}
			b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "erasures/s")
		})
	}
}

func decodeAll(b *testing.B, log *tape, g *generator) []domain.Recorded {
	events := make([]domain.Recorded, len(log.events))
	for i, e := range log.events {
		var err error
		events[i], err = g.codec.Decode(e)
		require.NoError(b, err)
	}
	return events
}

// insertBare times the plain insertion of a view's rows.
func insertBare(b *testing.B, r projections.Source, view projections.Projection) (rows int, took time.Duration) {
	ctx := b.Context()
	path := filepath.Join(b.TempDir(), "bare.db")
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(off)&_pragma=synchronous(off)&_pragma=cache_size(-131072)&_pragma=locking_mode(exclusive)")
	require.NoError(b, err)
	db.SetMaxOpenConns(1)
	all := make([][][]any, len(view.Schema().Tables))
	for i, t := range view.Schema().Tables {
		all[i] = readRows(b, r, view, t)
		rows += len(all[i])
	}
	begun := time.Now()
	tx, err := db.Begin()
	require.NoError(b, err)
	for i, t := range view.Schema().Tables {
		var create string
		require.NoError(b, r.Read(ctx, view.Name(), func(q projections.Querier) error {
			return q.QueryRowContext(ctx, "SELECT sql FROM sqlite_master WHERE name = ?", t.Name).Scan(&create)
		}))
		_, err := tx.Exec(create)
		require.NoError(b, err)
		s, err := tx.Prepare("INSERT INTO " + t.Name + " VALUES (" + strings.TrimSuffix(strings.Repeat("?,", len(t.Columns)), ",") + ")")
		require.NoError(b, err)
		for _, row := range all[i] {
			if _, err := s.Exec(row...); err != nil {
				b.Fatal(err)
			}
		}
		for _, x := range t.Indexes {
			_, err := tx.Exec(fmt.Sprintf("CREATE INDEX %s ON %s (%s)", x.Name, t.Name, strings.Join(x.Columns, ",")))
			require.NoError(b, err)
		}
	}
	require.NoError(b, tx.Commit())
	require.NoError(b, db.Close())
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(b, err)
	require.NoError(b, f.Sync())
	require.NoError(b, f.Close())
	return rows, time.Since(begun)
}

func readRows(b *testing.B, r projections.Source, view projections.Projection, t *projections.Table) (all [][]any) {
	ctx := b.Context()
	require.NoError(b, r.Read(ctx, view.Name(), func(q projections.Querier) error {
		rows, err := q.QueryContext(ctx, "SELECT * FROM "+t.Name)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			row, into := make([]any, len(t.Columns)), make([]any, len(t.Columns))
			for i := range row {
				into[i] = &row[i]
			}
			if err := rows.Scan(into...); err != nil {
				return err
			}
			all = append(all, row)
		}
		return rows.Err()
	}))
	return all
}
