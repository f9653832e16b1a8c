package audit_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/eventstore"
	"lethe/internal/app"
	"lethe/internal/audit"
	"lethe/internal/ledger"
	"lethe/internal/part"
)

// dropFrom drops the parts of some people from a full section. record says
// what an event says of it.
func dropFrom(t *testing.T, a *app.App, sec eventstore.Section, id byte, people []domain.Token, record func(eventstore.Drop) error) {
	t.Helper()
	of := map[string]bool{}
	for _, p := range people {
		of[p.Stream()] = true
	}
	d, err := a.Store.Drop(t.Context(), sec, eventstore.DropOrder{
		ID: eventstore.DropID{id},
		Pick: func(rec *eventstore.Recorded, i int) (int, bool) {
			h, err := part.Parse(rec.Sealed[i])
			n, ok := part.HeadSize(rec.Sealed[i])
			return n, err == nil && ok && of[rec.Stream] && h.Group == "contact"
		},
		Record: func(_ context.Context, d eventstore.Drop) error { return record(d) },
	})
	require.NoError(t, err)
	require.Positive(t, d.Parts)
}

// saying records what was dropped, as change leaves it.
func saying(t *testing.T, a *app.App, change func(*operations.PayloadsDropped)) func(eventstore.Drop) error {
	return func(d eventstore.Drop) error {
		e := operations.PayloadsDropped{
			Drop: domain.ID(d.ID), First: uint64(d.First), Last: uint64(d.Last), Parts: d.Parts, Bytes: d.Bytes, List: d.List,
			Before: time.Now().UTC().Truncate(time.Microsecond),
		}
		if change != nil {
			change(&e)
		}
		_, err := a.Ledger.Operate(t.Context(), ledger.Request{Principal: app.Local}, operations.DropPayloads{PayloadsDropped: e})
		return err
	}
}

// found verifies, the log alone and all of it, and gives what each finds of
// the log and the events.
func found(t *testing.T, a *app.App) (log, all []string, notes string) {
	t.Helper()
	require.NoError(t, a.Seal.WaitFor(t.Context(), a.Store.Stats().Head))
	of := func(res audit.Result) (list []string) {
		for _, f := range res.Findings {
			if f.Step == audit.StepLog || f.Step == audit.StepEvents {
				require.True(t, strings.HasPrefix(f.Where, "log/0000000"), "%+v", f)
				require.NotEmpty(t, f.Means)
				list = append(list, f.Step+": "+f.What)
			}
		}
		for _, s := range res.Steps {
			notes += strings.Join(s.Notes, "\n") + "\n"
		}
		return list
	}
	return of(verify(t, a, audit.Request{LogOnly: true})), of(verify(t, a, audit.Request{})), notes
}

// What was dropped is accepted only when its key is fenced and an event names
// it, exactly.
func TestDroppedValuesNeedAFenceAndAnEvent(t *testing.T) {
	dir := t.TempDir()
	people := fill(t, dir, 60) // the first 6 have no contact keys any more
	erased, live := people[:6], people[6:9]
	for _, test := range []struct {
		name   string
		people []domain.Token
		record func(t *testing.T, a *app.App) func(eventstore.Drop) error
		log    string // finding of the log step
		events string // of the events step
		notes  string
	}{
		{"as the job does", erased, func(t *testing.T, a *app.App) func(eventstore.Drop) error { return saying(t, a, nil) }, "", "", "were dropped long after their erasure, in 1 removals"},
		{"no event", erased, func(*testing.T, *app.App) func(eventstore.Drop) error {
			return func(eventstore.Drop) error { return nil }
		}, "no event says so (removal 0700", "", ""},
		{"another digest", erased, func(t *testing.T, a *app.App) func(eventstore.Drop) error {
			return saying(t, a, func(e *operations.PayloadsDropped) { e.List[3]++ })
		}, "they are not those that event", "", ""},
		{"another number", erased, func(t *testing.T, a *app.App) func(eventstore.Drop) error {
			return saying(t, a, func(e *operations.PayloadsDropped) { e.Parts++ })
		}, "they are not those that event", "", ""},
		{"an event of another removal", erased, func(t *testing.T, a *app.App) func(eventstore.Drop) error {
			return saying(t, a, func(e *operations.PayloadsDropped) { e.Drop[1]++ })
		}, "no event says so", "", "1 removals were recorded and then given up"},
		{"live keys", live, func(t *testing.T, a *app.App) func(eventstore.Drop) error { return saying(t, a, nil) }, "", "is live", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			twin := t.TempDir()
			copyTo(t, dir, twin)
			a := open(t, twin)
			defer func() { require.NoError(t, a.Close()) }()
			dropFrom(t, a, fullSections(a)[0], 7, test.people, test.record(t, a))
			log, all, notes := found(t, a)
			requireOne(t, test.log, log)
			if test.events == "" {
				requireOne(t, test.log, all)
			} else {
				require.Len(t, all, len(test.people))
				for _, f := range all {
					require.Contains(t, f, test.events)
				}
			}
			require.Contains(t, notes, test.notes)
		})
	}
}

func requireOne(t *testing.T, want string, got []string) {
	t.Helper()
	if want == "" {
		require.Empty(t, got)
		return
	}
	require.Len(t, got, 1)
	require.Contains(t, got[0], want)
}

// One event stands for one section: it does not excuse what is gone elsewhere.
func TestAnEventCountsForOneSection(t *testing.T) {
	dir := t.TempDir()
	people := fill(t, dir, 90)
	a := open(t, dir)
	defer func() { require.NoError(t, a.Close()) }()
	secs := fullSections(a)
	require.Greater(t, len(secs), 2)
	var first eventstore.Drop
	dropFrom(t, a, secs[0], 7, people[:3], func(d eventstore.Drop) error { first = d; return saying(t, a, nil)(d) })
	dropFrom(t, a, secs[1], 7, people, func(eventstore.Drop) error { return nil })
	require.NotZero(t, first.Parts)
	log, _, _ := found(t, a)
	requireOne(t, "which was of another section", log)
}
