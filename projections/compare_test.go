package projections

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// differences compares a view and gives what was found.
func differences(t require.TestingT, r *Runner, view string) (found []Difference) {
	err := r.Compare(context.Background(), view, nil, func(d Difference) { found = append(found, d) })
	require.NoError(t, err)
	for _, d := range found {
		require.Equal(t, view, d.View)
		require.NotEmpty(t, d.What)
	}
	return found
}

// change edits a view's file behind the runner's back.
func change(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open(driver, "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=writable_schema(1)")
	require.NoError(t, err)
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		_, err := db.Exec(s)
		require.NoError(t, err, s)
	}
	require.NoError(t, db.Close())
}

func TestCompareOfAnEqualView(t *testing.T) {
	w := newWorld(t)
	r := w.open(w.options(ledgerView{name: "a"}, ledgerView{name: "b"}))
	require.Empty(t, differences(t, r, "a"), "an empty log")
	w.write(300)
	require.Empty(t, differences(t, r, "a"), "it waits for the view")
	w.append(noise(), noise())
	require.Empty(t, differences(t, r, "a"), "events of no concern move no checkpoint")
	require.NoError(t, r.Rebuild(t.Context(), nil, "a"))
	require.Empty(t, differences(t, r, "a"))
	var told []Progress
	require.NoError(t, r.Compare(t.Context(), "b", func(p Progress) { told = append(told, p) }, nil))
	require.Equal(t, Progress{View: "b", Done: 602, Total: 602}, told[len(told)-1])
	require.Equal(t, Live, r.Status()[1].State)
	require.Nil(t, r.Status()[1].Rebuild)
	require.NotContains(t, w.files("b"), "2.db", "the file beside is gone")
	w.check(r, "a")
	require.Error(t, r.Compare(t.Context(), "c", nil, nil), "no such view")
	require.NoError(t, r.Close())
	require.ErrorIs(t, r.Compare(t.Context(), "a", nil, nil), errClosed)
	require.Equal(t, []string{"1.db", "CURRENT"}, w.files("b"))
}

func TestCompareWhileTheViewFollows(t *testing.T) {
	w := newWorld(t)
	r := w.open(w.options(ledgerView{name: "a"}))
	w.write(50)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := r.WaitFor(context.Background(), "a", w.write(5)); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for range 10 {
		if found := differences(t, r, "a"); len(found) > 0 {
			t.Errorf("%+v", found)
		}
	}
	close(stop)
	wg.Wait()
	w.check(r, "a")
}

func TestCompareFindsWhatWasChanged(t *testing.T) {
	for _, test := range []struct {
		name string
		sql  []string
		want Difference
	}{
		{"a row", []string{"UPDATE lines SET amount = amount + 1 WHERE position = (SELECT min(position) FROM lines)"}, Difference{Table: "lines", What: "other than the log says: amount"}},
		{"a value is gone", []string{"UPDATE sums SET note = x'' WHERE tag = 'b'"}, Difference{Table: "sums", Key: "b", What: "other than the log says: note"}},
		{"a row's key", []string{"UPDATE sums SET tag = 'aa' WHERE tag = 'b'"}, Difference{Table: "sums", Key: "aa", What: "the row does not follow from the log"}},
		{"a row's type", []string{"UPDATE lines SET tag = x'61' WHERE tag = 'a'"}, Difference{Table: "lines", What: "other than the log says: tag"}},
		{"a lost row", []string{"DELETE FROM sums WHERE tag = 'b'"}, Difference{Table: "sums", Key: "b", What: "the row is missing"}},
		{"the last row is lost", []string{"DELETE FROM lines WHERE position = (SELECT max(position) FROM lines)"}, Difference{Table: "lines", What: "the row is missing"}},
		{"all rows are lost", []string{"DELETE FROM sums"}, Difference{Table: "sums", Key: "a", What: "the row is missing"}},
		{"a row too many", []string{"INSERT INTO sums (tag, amount) VALUES ('z', 1)"}, Difference{Table: "sums", Key: "z", What: "the row does not follow from the log"}},
		{"an index is lost", []string{"DROP INDEX lines_tag"}, Difference{Table: "lines_tag", What: "it is not there"}},
		{"an index is another", []string{"DROP INDEX lines_tag", "CREATE INDEX lines_tag ON lines (tag) WHERE amount > 3"}, Difference{Table: "lines", What: "lines_tag is not declared as the view declares it"}},
		{"a table too many", []string{"CREATE TABLE more (x)"}, Difference{Table: "more", What: "the view does not declare more"}},
		{"the checkpoint's place", []string{"UPDATE lethe_checkpoint SET position = position - 1"}, Difference{Table: "lethe_checkpoint", Key: "1", What: "its event is not on the log"}},
		{"the checkpoint's event", []string{"UPDATE lethe_checkpoint SET event = zeroblob(16)"}, Difference{Table: "lethe_checkpoint", Key: "1", What: "its event is not on the log"}},
		{"the checkpoint lies behind the log", []string{"UPDATE lethe_checkpoint SET position = position + 1000"}, Difference{Table: "lethe_checkpoint", Key: "1", What: "its event is not on the log"}},
		{"the checkpoint's version", []string{"UPDATE lethe_checkpoint SET schema_version = 9"}, Difference{Table: "lethe_checkpoint", Key: "1", What: "schema version 9 instead of 1"}},
		{"the checkpoint's view", []string{"UPDATE lethe_checkpoint SET view = 'b'"}, Difference{What: "the file cannot be read on"}},
		{"the checkpoint is lost", []string{"DELETE FROM lethe_checkpoint"}, Difference{What: "the file cannot be read on"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.open(w.options(ledgerView{name: "a"}))
			w.write(200)
			w.wait(r, "a")
			change(t, filepath.Join(w.dir, "a", "1.db"), test.sql...)
			found := differences(t, r, "a")
			require.NotEmpty(t, found)
			require.Equal(t, test.want.Table, found[0].Table)
			require.Contains(t, found[0].What, test.want.What)
			if test.want.Key != "" {
				require.Equal(t, test.want.Key, found[0].Key)
			}
		})
	}
}

// A checkpoint that lies before what its view has folded would fold it twice.
func TestCompareFindsACheckpointPutBack(t *testing.T) {
	w := newWorld(t)
	r := w.open(w.options(ledgerView{name: "a"}))
	w.write(20)
	w.wait(r, "a")
	var position, event string
	require.NoError(t, r.Read(t.Context(), "a", func(q Querier) error {
		return q.QueryRowContext(t.Context(), "SELECT position, hex(event) FROM lethe_checkpoint").Scan(&position, &event)
	}))
	w.write(20)
	w.wait(r, "a")
	change(t, filepath.Join(w.dir, "a", "1.db"), "UPDATE lethe_checkpoint SET position = "+position+", event = x'"+event+"'")
	found := differences(t, r, "a")
	require.Len(t, found, 1)
	require.Contains(t, found[0].What, "before events that the view has folded")
}

// The rows are right and an index leads elsewhere: found, told and mended.
func TestCompareFindsAWrongIndex(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	var reported []Difference
	o := w.options(ledgerView{name: "a"})
	o.Report = func(d Difference) {
		mu.Lock()
		defer mu.Unlock()
		reported = append(reported, d)
	}
	r := w.open(o)
	w.write(200)
	w.wait(r, "a")
	require.NoError(t, r.Close())
	path := filepath.Join(w.dir, "a", "1.db")
	var root int
	db, err := sql.Open(driver, "file:"+path)
	require.NoError(t, err)
	require.NoError(t, db.QueryRow("SELECT rootpage FROM sqlite_schema WHERE name = 'lines_tag'").Scan(&root))
	require.NoError(t, db.Close())
	change(t, path, "UPDATE lines SET tag = 'q' WHERE tag = 'c'", "DELETE FROM sqlite_schema WHERE name = 'lines_tag'")
	change(t, path, "UPDATE lines SET tag = 'c' WHERE tag = 'q'", fmt.Sprintf(
		"INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES ('index', 'lines_tag', 'lines', %d, 'CREATE INDEX lines_tag ON lines (tag)')", root))
	r = w.open(o)
	found := differences(t, r, "a")
	require.NotEmpty(t, found)
	for _, d := range found {
		require.Contains(t, d.What, "index lines_tag")
	}
	w.check(r, "a")
	require.Empty(t, differences(t, r, "a"), "it was mended")
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, reported, 1)
	require.Contains(t, reported[0].What, "is rebuilt")
}

// What a comparison that was killed leaves is swept away.
func TestCompareKilledAtEveryStep(t *testing.T) {
	w := newWorld(t)
	w.write(50)
	r := w.open(w.options(ledgerView{name: "a"}))
	w.check(r, "a")
	require.NoError(t, r.Close())
	for _, point := range []string{"build.created", "batch.written", "batch.committed"} {
		o := w.options(ledgerView{name: "a"})
		var killed string
		var mu sync.Mutex
		o.hook = func(view, at string) error {
			mu.Lock()
			defer mu.Unlock()
			if killed == "" && at == point {
				if _, err := os.Stat(filepath.Join(w.dir, view, "2.db")); err == nil {
					killed = t.TempDir()
					snapshot(t, filepath.Join(w.dir, view), filepath.Join(killed, view))
				}
			}
			return nil
		}
		r := w.open(o)
		require.Empty(t, differences(t, r, "a"))
		require.NoError(t, r.Close())
		require.Equal(t, []string{"1.db", "CURRENT"}, w.files("a"))
		require.NotEmpty(t, killed, point)
		before := w.dir
		w.dir = killed
		require.Contains(t, w.files("a"), "2.db")
		r = w.open(w.options(ledgerView{name: "a"}))
		w.check(r, "a")
		require.NoError(t, r.Close())
		require.Equal(t, []string{"1.db", "CURRENT"}, w.files("a"))
		w.dir = before
	}
}

func TestCompareThatCannotBeDone(t *testing.T) {
	w := newWorld(t)
	w.write(50)
	o := w.options(ledgerView{name: "a"})
	ctx, cancel := context.WithCancel(t.Context())
	var armed atomic.Bool
	o.hook = func(_, at string) error {
		if armed.Load() && at == "build.created" {
			cancel()
		}
		return nil
	}
	r := w.open(o)
	w.check(r, "a")
	armed.Store(true)
	require.ErrorIs(t, r.Compare(ctx, "a", nil, nil), context.Canceled)
	w.write(3)
	w.check(r, "a")
	require.NotContains(t, w.files("a"), "2.db")
	require.NoError(t, r.Close())

	poisoned := w.options(ledgerView{name: "a", poison: "a"})
	r = w.open(poisoned)
	err := r.Compare(t.Context(), "a", nil, nil)
	require.ErrorIs(t, err, errPoison)
	require.ErrorContains(t, err, "comparing view a")
	require.NotContains(t, w.files("a"), "3.db")
}

// Every bit of a closed view's file is found by opening it, which says so, or
// by comparing, or has no meaning.
func TestFlippedBitsOfAView(t *testing.T) {
	w := newWorld(t)
	w.write(120)
	r := w.open(w.options(ledgerView{name: "a"}))
	w.check(r, "a")
	answers := func(r *Runner) (all []string) {
		all = dump(t, r, "a", linesTable, sumsTable)
		require.NoError(t, r.Read(t.Context(), "a", func(q Querier) error {
			for _, tag := range []string{"a", "b", "c", "d", "e", "f"} {
				var n int
				var sum sql.NullInt64
				row := q.QueryRowContext(t.Context(), "SELECT count(*), sum(amount) FROM lines INDEXED BY lines_tag WHERE tag = ?", tag)
				if err := row.Scan(&n, &sum); err != nil {
					return err
				}
				all = append(all, fmt.Sprint(tag, n, sum))
			}
			return nil
		}))
		return all
	}
	want := answers(r)
	require.NoError(t, r.Close())
	require.Equal(t, []string{"1.db", "CURRENT"}, w.files("a"))
	whole := w.dir
	stride := map[string]int{"1.db": 701, "CURRENT": 3}
	if testing.Short() {
		stride["1.db"] = 7001
	}
	counts := map[string]int{}
	for _, name := range []string{"CURRENT", "1.db"} {
		b, err := os.ReadFile(filepath.Join(whole, "a", name))
		require.NoError(t, err)
		for bit := 0; bit < len(b)*8; bit += stride[name] {
			w.dir = filepath.Join(t.TempDir(), "flipped")
			snapshot(t, filepath.Join(whole, "a"), filepath.Join(w.dir, "a"))
			overwrite(t, filepath.Join(w.dir, "a", name), int64(bit/8), []byte{b[bit/8] ^ 1<<(bit%8)})
			counts[w.flipped(fmt.Sprintf("%s bit %d", name, bit), want, answers)]++
			require.NoError(t, os.RemoveAll(filepath.Dir(w.dir)))
		}
	}
	t.Log(counts)
	require.Positive(t, counts["compared"])
	require.Positive(t, counts["opened"])
}

// flipped says how a flipped bit was found.
func (w *world) flipped(at string, want []string, answers func(*Runner) []string) string {
	w.t.Helper()
	var mu sync.Mutex
	var reported []Difference
	o := w.options(ledgerView{name: "a"})
	o.Report = func(d Difference) {
		mu.Lock()
		defer mu.Unlock()
		reported = append(reported, d)
	}
	r, err := Open(context.Background(), o)
	require.NoError(w.t, err, at)
	defer func() { require.NoError(w.t, r.Close(), at) }()
	w.until(r, "a", isLive)
	mu.Lock()
	opened := len(reported) > 0
	mu.Unlock()
	found := differences(w.t, r, "a")
	switch {
	case opened:
		require.Empty(w.t, found, "%s: it was rebuilt", at)
		return "opened"
	case len(found) > 0:
		return "compared"
	}
	require.Equal(w.t, strings.Join(want, "\n"), strings.Join(answers(r), "\n"), at)
	return "without meaning"
}
