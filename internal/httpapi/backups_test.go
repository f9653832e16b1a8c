package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain/principal"
	"lethe/internal/app"
	"lethe/internal/backup"
	"lethe/internal/config"
	"lethe/internal/httpapi"
)

// made is what an answer that is a line for each step says was made, and with
// which problem it ended, if it did.
func (a *answer) made() (made []httpapi.Made, problem string) {
	a.t.Helper()
	ended := false
	for line := range bytes.Lines(a.is(200).body) {
		var l struct {
			httpapi.BackupLine
			Code string `json:"code"`
		}
		require.NoError(a.t, json.Unmarshal(line, &l))
		made, ended, problem = append(made, l.Made...), l.Ended, l.Code
	}
	require.NotEqual(a.t, ended, problem != "")
	return made, problem
}

// A backup that is taken while clients write is a state of the ledger, holds
// what was acknowledged before, and has the key of every value in it.
func TestBackingUpWhileClientsWrite(t *testing.T) {
	w := newWorld(t)
	w.declare()
	var acknowledged atomic.Int64
	var stop atomic.Bool
	var writers sync.WaitGroup
	for c := range 4 {
		writers.Go(func() {
			for n := 0; !stop.Load(); n++ {
				w.do("POST", "/v1/subjects", registration(fmt.Sprintf("p%d-%d@example.com", c, n)), w.fresh()).is(201)
				acknowledged.Add(1)
			}
		})
	}
	operator := bearer(w.tokenFor(principal.Operator))
	places := map[string]bool{}
	for range 5 {
		before := acknowledged.Load()
		made, _ := w.anyone("POST", "/v1/backups", nil, operator).made()
		require.Len(t, made, 2)
		require.Equal(t, backup.Ledger, made[0].Of)
		for _, m := range made {
			r, err := app.VerifyBackup(t.Context(), filepath.Join(m.Place, m.Name), backup.VerifyOptions{})
			require.NoError(t, err)
			require.True(t, r.Clean, "%v", r.Findings)
			require.GreaterOrEqual(t, m.Events, uint64(before), "an acknowledged event is in it")
			places[filepath.Join(m.Place, m.Name)] = true
		}
	}
	stop.Store(true)
	writers.Wait()
	require.Len(t, places, 10)
	listed := w.anyone("GET", "/v1/backups", nil, operator).is(200)
	require.Len(t, listed.get("items"), 10)
	require.Equal(t, "ledger", listed.get("items.0.of"))
	require.Equal(t, "keys", listed.get("items.9.of"))

	// Of the last pair: every value that the copy holds opens.
	dir := t.TempDir()
	_, err := backup.Restore(t.Context(), backup.RestoreOptions{
		LedgerFrom: listed.text("items.0.place"), KeysFrom: listed.text("items.9.place"), Data: dir, KeyDir: filepath.Join(dir, "keys"),
	})
	require.NoError(t, err)
	for _, part := range []string{"epochs", "root.key", "journal", "pins"} { // what is in no backup
		from := filepath.Join(w.dir, part)
		if info, err := os.Stat(from); err == nil && !info.IsDir() {
			b, err := os.ReadFile(from)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, part), b, 0o600))
		} else if err == nil {
			require.NoError(t, os.CopyFS(filepath.Join(dir, part), os.DirFS(from)))
		}
	}
	var cfg config.Config
	cfg.Storage.Data, cfg.Storage.SegmentBytes = dir, 64<<10
	first, err := app.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NotEmpty(t, first.Report, "the first opening tells that it was restored")
	require.NoError(t, first.Close())
	restored := newWorldIn(t, dir)
	lines := restored.do("POST", "/v1/audit/verify", nil).is(200)
	require.Contains(t, string(lines.body), `"clean":true`)
}

func TestWhoMayBackUp(t *testing.T) {
	w := newWorld(t, func(o *httpapi.Options) {
		o.Backups = &app.Backups{App: o.Backups.(*app.Backups).App, To: config.Backup{LedgerTo: filepath.Join(t.TempDir(), "ledger")}, Program: "test"}
	})
	for _, role := range roles {
		a := w.anyone("POST", "/v1/backups", m{"of": []string{"ledger"}}, bearer(w.tokenFor(role)))
		if role != principal.Admin && role != principal.Operator {
			a.problem(403, "auth.role")
			continue
		}
		made, _ := a.made()
		require.Len(t, made, 1)
	}
	w.do("POST", "/v1/backups", m{"of": []string{"keys"}}).problem(409, "backup.no_place")
	w.do("POST", "/v1/backups", m{"of": []string{"lookup"}}).is(422)
	made, _ := w.do("POST", "/v1/backups", m{"of": []string{}}).made()
	require.Len(t, made, 1, "all that there is a place for")
	nowhere := newWorldIn(t, t.TempDir(), func(o *httpapi.Options) { o.Backups = &app.Backups{App: o.Backups.(*app.Backups).App} })
	nowhere.do("POST", "/v1/backups", nil).problem(409, "backup.no_place")
	require.Empty(t, nowhere.do("GET", "/v1/backups", nil).is(200).get("items"))

	events := string(w.do("GET", "/v1/events?after=0", nil).is(200).body)
	require.Equal(t, 3, strings.Count(events, `"BackupMade"`), "each is recorded")
	require.NotContains(t, events, w.do("GET", "/v1/backups", nil).text("items.0.place"), "where it lies is not")
}

// Why a backup cannot be made is told, with its place, which this role may know.
func TestABackupThatCannotBeMade(t *testing.T) {
	for want, err := range map[string]error{
		"backup.busy":    backup.ErrBusy,
		"backup.no_room": backup.ErrNoRoom,
		"backup.place":   &os.PathError{Op: "open", Path: "/mnt/a/secret", Err: syscall.EROFS},
		"backup.failed":  errors.New("something else"),
	} {
		w := newWorldIn(t, t.TempDir(), func(o *httpapi.Options) { o.Backups = failing{err} })
		answer := w.do("POST", "/v1/backups", nil)
		made, problem := answer.made()
		require.Empty(t, made)
		require.Equal(t, want, problem)
		require.Contains(t, string(answer.body), "/mnt/a")
		require.NotContains(t, string(answer.body), "secret")
	}
}

type failing struct{ err error }

func (failing) Places() (bool, bool) { return true, true }

func (f failing) Create(context.Context, bool, bool, func(backup.Kind, int64, int64)) ([]backup.Made, error) {
	return nil, fmt.Errorf("making a backup: %w", &backup.Failed{Of: backup.Keys, Place: "/mnt/a", Err: f.err})
}

func (failing) List(context.Context) (ledger, keys []backup.Entry, err error) { return nil, nil, nil }

// Without a restart there is nothing to accept; only an officer may.
func TestAcceptingALostRange(t *testing.T) {
	w := newWorld(t)
	require.Empty(t, w.do("GET", "/v1/log/restarts", nil).is(200).get("items"))
	w.do("POST", "/v1/log/restarts/1/accept", nil).problem(404, "log_restart.unknown")
	for _, role := range roles {
		if role != principal.Officer {
			w.anyone("POST", "/v1/log/restarts/1/accept", nil, bearer(w.tokenFor(role))).problem(403, "auth.role")
		}
	}
}
