package app_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/app"
	"lethe/internal/config"
	"lethe/internal/ledger"
)

const (
	waitAtMost = 10 * time.Second
	tick       = 10 * time.Millisecond
)

func open(t *testing.T, dir string) *app.App {
	t.Helper()
	return openConf(t, conf(dir))
}

func openConf(t *testing.T, c config.Config) *app.App {
	t.Helper()
	a, err := app.Open(context.Background(), c, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return a
}

func conf(dir string) config.Config {
	var c config.Config
	c.Storage.Data = dir
	c.Storage.SegmentBytes = 64 << 10
	return c
}

func TestASecondProcessIsRefusedWithWhatToDo(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir)
	_, err := app.Open(context.Background(), conf(dir), slog.New(slog.DiscardHandler))
	require.ErrorIs(t, err, eventstore.ErrLocked)
	require.ErrorContains(t, err, "--server")
	require.NoError(t, a.Close())
	require.NoError(t, open(t, dir).Close())
}

func TestLostLookupIsRebuiltBeforeServing(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	a := open(t, dir)
	_, err := a.Ledger.Declare(ctx, ledger.Request{Principal: app.Local},
		catalogue.DeclareController{ControllerDeclared: catalogue.ControllerDeclared{
			ID: "acme", Country: "DE", Name: personal.Of("Acme"), Address: personal.Of("Weg 1"), Contact: personal.Of("DP"),
			Email: personal.Of("p@acme.example"), Phone: personal.Of("+4930123456"), PolicyURL: personal.Of("https://acme.example/p"),
			Withdrawal: personal.Of("https://acme.example/w"),
		}},
		catalogue.DeclareField{FieldDeclared: catalogue.FieldDeclared{
			ID: "email", Group: "contact", Type: catalogue.Email, Category: "EmailAddress", Lookup: catalogue.LookupEmail,
		}},
		catalogue.DeclarePurpose{PurposeDeclared: catalogue.PurposeDeclared{
			ID: "service", Controllers: []domain.Name{"acme"}, Basis: domain.LegitimateInterests, Fields: []domain.Name{"email"},
			Retention: "P3Y", RetentionStart: catalogue.FromLastActivity, DPV: "dpv:CustomerCare",
		}})
	require.NoError(t, err)
	req := ledger.Request{Principal: app.Local, Command: domain.Digest{1}, Body: domain.Digest{2}}
	commands := []subject.Command{
		subject.Register{Acquired: subject.FromPerson, Jurisdiction: "DE"},
		subject.RecordFields{Purpose: "service", Items: []subject.Entry{{Field: "email", Text: personal.Of("a@example.org")}}},
	}
	token, _, err := a.Ledger.Register(ctx, req, subject.Env{}, commands...)
	require.NoError(t, err)
	require.NoError(t, a.Close())

	require.NoError(t, os.RemoveAll(filepath.Join(dir, "lookup")))
	a = open(t, dir)
	defer func() { require.NoError(t, a.Close()) }()
	require.NotEmpty(t, a.Report)
	hits, err := a.Keys.Find(ctx, catalogue.LookupEmail, "A@example.org")
	require.NoError(t, err)
	require.Len(t, hits, 1)
	require.Equal(t, token, hits[0].Token)

	again, out, err := a.Ledger.Register(ctx, req, subject.Env{}, commands...)
	require.NoError(t, err)
	require.Equal(t, token, again, "the creation's claim is back: no second person")
	require.True(t, out.Repeated)
	req.Body = domain.Digest{3}
	_, _, err = a.Ledger.Register(ctx, req, subject.Env{}, commands...)
	e, ok := domain.AsError(err)
	require.True(t, ok)
	require.Equal(t, "idempotency.other_body", e.Code)
}

// A link accepted on one record reaches the other also when the program was
// cut off in between: the follower mirrors it after the restart, once.
func TestLinksAreMirroredOnce(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	a := open(t, dir)
	var tokens [2]domain.Token
	for i := range tokens {
		var err error
		tokens[i], _, err = a.Ledger.Register(ctx, ledger.Request{Principal: app.Local, Command: domain.Digest{byte(i + 1)}},
			subject.Env{}, subject.Register{Acquired: subject.FromPerson, Jurisdiction: "DE"})
		require.NoError(t, err)
	}
	for _, c := range []subject.Command{
		subject.ProposeLink{Other: tokens[1], Ground: subject.ByOfficer}, subject.AcceptLink{Other: tokens[1]},
	} {
		_, err := a.Ledger.On(ctx, ledger.Request{Principal: app.Local}, tokens[0], subject.Env{Officer: true}, c)
		require.NoError(t, err)
	}
	mirrored := func() (n int) {
		s, err := a.Ledger.Subject(ctx, tokens[1])
		require.NoError(t, err)
		for _, e := range s.Entries() {
			if l, ok := e.Event.(*subject.LinkAccepted); ok && l.Mirror && l.Other == tokens[0] {
				n++
			}
		}
		return n
	}
	require.NoError(t, a.Close())
	for range 2 {
		require.NoError(t, os.RemoveAll(filepath.Join(dir, "react")), "a follower that forgot where it was")
		a = open(t, dir)
		require.Eventually(t, func() bool { return mirrored() >= 1 }, waitAtMost, tick)
		require.NoError(t, a.Close())
	}
	a = open(t, dir)
	require.Equal(t, 1, mirrored())
	require.NoError(t, a.Close())
}
