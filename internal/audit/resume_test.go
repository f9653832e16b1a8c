package audit_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/app"
	"lethe/internal/audit"
)

// resume runs an audit with a state, which it carries on, as its callers do.
func resume(t *testing.T, a *app.App, s *audit.State) (audit.Result, error) {
	t.Helper()
	ready(t, a)
	known := *s
	known.Units = slices.Clone(s.Units)
	return auditor(a).Run(t.Context(), audit.Request{Known: &known}, func(l audit.Line) {
		if l.Begun != nil {
			s.Origin, s.Version = l.Begun.Origin, l.Begun.Version
		}
		if l.Clean != nil {
			s.Units = slices.DeleteFunc(s.Units, l.Clean.Same)
			s.Units = append(s.Units, *l.Clean)
		}
	})
}

func skipped(res audit.Result, step string) (skipped, checked uint64) {
	for _, s := range res.Steps {
		if s.Name == step {
			return s.Skipped, s.Checked
		}
	}
	return 0, 0
}

func TestGoingOnFromAState(t *testing.T) {
	dir := copyOfShared(t)
	a := open(t, dir)
	var s audit.State
	res, err := resume(t, a, &s)
	require.NoError(t, err)
	requireClean(t, res)
	n, of := skipped(res, audit.StepEvents)
	require.Zero(t, n)
	require.Len(t, s.Units, len(a.Views.Status())+len(fullSections(a)), "each view and each full section")

	res, err = resume(t, a, &s)
	require.NoError(t, err)
	requireClean(t, res)
	n, again := skipped(res, audit.StepEvents)
	require.Equal(t, of, again)
	var full uint64
	for _, sec := range fullSections(a) {
		full += sec.Count
	}
	require.Equal(t, full, n)
	views, _ := skipped(res, audit.StepViews)
	require.EqualValues(t, len(a.Views.Status()), views)
	require.Contains(t, notes(res, audit.StepEvents), "30 erased, 0 with a missing", "keys are asked for all the same")

	// The ledger goes on: what is full stays, the views are compared anew.
	w := &world{t: t, app: a}
	w.findNotice()
	w.people = make([]tokenOf, 150)
	w.register(1)
	require.NoError(t, a.Seal.WaitFor(t.Context(), a.Store.Stats().Head))
	res, err = resume(t, a, &s)
	require.NoError(t, err)
	requireClean(t, res)
	n, _ = skipped(res, audit.StepEvents)
	require.Equal(t, full, n)
	require.NoError(t, a.Close())
}

// An audit that was stopped goes on where it was.
func TestGoingOnAfterAnInterruption(t *testing.T) {
	a := open(t, copyOfShared(t))
	defer func() { require.NoError(t, a.Close()) }()
	ready(t, a)
	ctx, cancel := context.WithCancel(t.Context())
	s := audit.State{Units: []audit.Unit{}}
	res, err := auditor(a).Run(ctx, audit.Request{Known: &audit.State{}}, func(l audit.Line) {
		if l.Begun != nil {
			s.Origin, s.Version = l.Begun.Origin, l.Begun.Version
		}
		if l.Clean != nil && l.Clean.View == "" {
			s.Units = append(s.Units, *l.Clean)
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	require.NotEmpty(t, s.Units)
	require.Equal(t, audit.StepEvents, res.Steps[len(res.Steps)-1].Name, "what was done is told")
	res, err = resume(t, a, &s)
	require.NoError(t, err)
	requireClean(t, res)
	n, _ := skipped(res, audit.StepEvents)
	require.NotZero(t, n)
}

// What was found clean and damaged afterwards is found, in units that would
// be skipped too.
func TestDamageAfterThePause(t *testing.T) {
	base := copyOfShared(t)
	a := open(t, base)
	var s audit.State
	_, err := resume(t, a, &s)
	require.NoError(t, err)
	views := len(a.Views.Status())
	require.NoError(t, a.Close())
	again := func(t *testing.T, change func(t *testing.T, dir string)) audit.Result {
		dir := t.TempDir()
		copyTo(t, base, dir)
		a := open(t, dir)
		defer func() { require.NoError(t, a.Close()) }()
		ready(t, a)
		change(t, dir)
		state := s
		res, err := resume(t, a, &state)
		require.NoError(t, err)
		return res
	}
	t.Run("a segment", func(t *testing.T) {
		res := again(t, func(t *testing.T, dir string) { flip(t, dir+"/log/"+s.Units[0].Section, 5000) })
		some(t, res, audit.StepLog, "log/"+s.Units[0].Section, "checksum")
		n, _ := skipped(res, audit.StepEvents)
		require.Zero(t, n, "nothing is skipped on a log that is damaged")
	})
	t.Run("an entry", func(t *testing.T) {
		res := again(t, func(t *testing.T, dir string) { flip(t, dir+"/seal/log-0/tile/entries/000", 30) })
		one(t, res, audit.StepLog, "tile/entries/000", "")
	})
	t.Run("a view", func(t *testing.T) {
		res := again(t, func(t *testing.T, dir string) { changeView(t, dir, "consents") })
		some(t, res, audit.StepViews, "views/consents", "other than the log says")
		n, _ := skipped(res, audit.StepViews)
		require.EqualValues(t, views-1, n, "the others were compared")
	})
	t.Run("nothing", func(t *testing.T) {
		res := again(t, func(*testing.T, string) {})
		requireClean(t, res)
		n, _ := skipped(res, audit.StepViews)
		require.EqualValues(t, views, n)
	})
}

// changeView changes a column of every row of some table of a view.
func changeView(t *testing.T, dir, view string) (table, column string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "views", view, "*.db"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	db, err := sql.Open("sqlite", files[0])
	require.NoError(t, err)
	require.NoError(t, db.QueryRow(`SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'lethe%' AND c.type = 'TEXT' AND c.pk = 0 LIMIT 1`).Scan(&table, &column))
	res, err := db.Exec("UPDATE " + table + " SET " + column + " = 'other'")
	require.NoError(t, err)
	n, err := res.RowsAffected()
	require.NoError(t, err)
	require.Positive(t, n)
	require.NoError(t, db.Close())
	return table, column
}

func TestAStateOfSomethingElseIsRefused(t *testing.T) {
	a := open(t, copyOfShared(t))
	defer func() { require.NoError(t, a.Close()) }()
	for want, s := range map[error]audit.State{
		audit.ErrOtherLedger:  {Origin: "other.example.com/log", Version: "test"},
		audit.ErrOtherVersion: {Origin: a.Seal.Origin(), Version: "other"},
	} {
		_, err := auditor(a).Run(t.Context(), audit.Request{Known: &s}, nil)
		require.ErrorIs(t, err, want)
	}
}

// One at a time, and the next one comes in when it is done.
func TestOneAuditAtATime(t *testing.T) {
	a := open(t, copyOfShared(t))
	defer func() { require.NoError(t, a.Close()) }()
	ready(t, a)
	all := auditor(a)
	tried := false
	_, err := all.Run(t.Context(), audit.Request{LogOnly: true}, func(l audit.Line) {
		if l.Begun != nil {
			tried = true
			_, err := all.Run(t.Context(), audit.Request{}, nil)
			require.ErrorIs(t, err, audit.ErrBusy)
		}
	})
	require.NoError(t, err)
	require.True(t, tried)
	_, err = all.Run(t.Context(), audit.Request{LogOnly: true}, nil)
	require.NoError(t, err)
}

// Appends, destroyed keys and views that follow go on while it is verified.
func TestVerifyingWhileTheLedgerGoesOn(t *testing.T) {
	dir := t.TempDir()
	w := &world{t: t, app: open(t, dir)}
	w.declare()
	w.register(20)
	w.destroy(2)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 20; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if _, err := w.person(i); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 5 {
		res, err := auditor(w.app).Run(t.Context(), audit.Request{Known: &audit.State{}}, nil)
		require.NoError(t, err)
		requireClean(t, res)
		require.NotNil(t, res.Checkpoint)
	}
	close(stop)
	require.NoError(t, <-done)
	require.NoError(t, w.app.Close())
	requireClean(t, verifyDir(t, dir, audit.Request{}))
}
