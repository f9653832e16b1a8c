package audit_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/app"
	"lethe/internal/audit"
	"lethe/internal/config"
	"lethe/internal/keyring"
	"lethe/internal/ledger"
	"lethe/internal/starter"
)

const purpose = "marketing.sms"

// ledgerOf is the configuration of a ledger in one directory.
func ledgerOf(dir string) config.Config {
	var cfg config.Config
	cfg.Storage = config.Storage{Data: dir, SegmentBytes: 64 << 10}
	cfg.Seal.Origin = "ledger.example.com/log"
	cfg.Seal.Interval = time.Millisecond
	cfg.Seal.Bound = time.Second
	return cfg
}

func open(t testing.TB, dir string) *app.App {
	t.Helper()
	a, err := app.Open(context.Background(), ledgerOf(dir), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return a
}

// ready waits for the views.
func ready(t testing.TB, a *app.App) {
	t.Helper()
	for _, v := range a.Views.Status() {
		require.NoError(t, a.Views.WaitFor(context.Background(), v.Name, a.Store.Stats().Head))
	}
}

func auditor(a *app.App) *audit.Auditor {
	return audit.New(audit.Options{
		Store: a.Store, Seal: a.Seal, Keys: a.Keys, Decoder: a.Codec, Views: a.Views.Runner,
		Reports: a.Reports, Version: "test", Now: time.Now,
	})
}

func verify(t testing.TB, a *app.App, req audit.Request) audit.Result {
	t.Helper()
	ready(t, a)
	res, err := auditor(a).Run(context.Background(), req, nil)
	require.NoError(t, err)
	return res
}

// verifyDir opens, verifies, and closes again.
func verifyDir(t testing.TB, dir string, req audit.Request) audit.Result {
	t.Helper()
	a := open(t, dir)
	defer func() { require.NoError(t, a.Close()) }()
	return verify(t, a, req)
}

func requireClean(t testing.TB, res audit.Result) {
	t.Helper()
	require.Empty(t, res.Findings)
	require.True(t, res.Clean)
}

// world is a ledger while it is filled.
type world struct {
	t      testing.TB
	app    *app.App
	notice domain.Digest
	people []domain.Token
}

// fill makes a ledger: a catalogue with notices, people with addresses and
// consents, and the keys of some destroyed. It is closed in order.
func fill(t testing.TB, dir string, people int) []domain.Token {
	t.Helper()
	w := &world{t: t, app: open(t, dir)}
	w.declare()
	w.register(people)
	w.destroy(people / 10)
	ready(t, w.app)
	require.NoError(t, w.app.Close())
	return w.people
}

func (w *world) request(key string) ledger.Request {
	return ledger.Request{Principal: app.Local, Command: w.app.Keys.CommandID(app.Local, key)}
}

func (w *world) declare() {
	declared, err := starter.Default()
	require.NoError(w.t, err)
	commands := make([]catalogue.Command, len(declared))
	for i := range declared {
		commands[i] = declared[i].Command
	}
	_, err = w.app.Ledger.Declare(context.Background(), w.request("catalogue"), commands...)
	require.NoError(w.t, err)
	w.findNotice()
}

type tokenOf = domain.Token

func (w *world) findNotice() {
	state, err := w.app.Ledger.Catalogue(context.Background())
	require.NoError(w.t, err)
	for _, n := range state.Notices() {
		for _, ref := range n.Purposes {
			if ref.Purpose == purpose && n.Language == "en" {
				w.notice = n.Digest
			}
		}
	}
	require.False(w.t, w.notice.IsZero())
}

func (w *world) register(people int) {
	for range people {
		token, err := w.person(len(w.people))
		require.NoError(w.t, err)
		w.people = append(w.people, token)
	}
}

// person registers somebody, who consents; every third one withdraws.
func (w *world) person(i int) (domain.Token, error) {
	ctx, n := context.Background(), strconv.Itoa(i)
	token, _, err := w.app.Ledger.Register(ctx, w.request("register-"+n), subject.Env{},
		subject.Register{Acquired: subject.FromPerson, Jurisdiction: "DE"},
		subject.RecordFields{Purpose: "customer.service", Items: []subject.Entry{
			{Field: "name.given", Text: personal.Of("Given" + n)},
			{Field: "email", Text: personal.Of("person." + n + "@example.com")},
			{Field: "phone.mobile", Text: personal.Of(fmt.Sprintf("+4915550%06d", i))},
		}},
		subject.AssertBasis{Purpose: "customer.service", Basis: domain.LegitimateInterests, Reference: personal.Of("balancing test 7")})
	if err != nil {
		return token, err
	}
	said := subject.Said{
		Purpose: purpose, Notice: w.notice, Medium: subject.Web, Method: subject.Checkbox, Evidence: personal.Of("form 17, session " + n),
	}
	_, err = w.app.Ledger.On(ctx, w.request("give-"+n), token, subject.Env{}, subject.GiveConsent{Granting: subject.Granting{Said: said}})
	if err == nil && i%3 == 0 {
		_, err = w.app.Ledger.On(ctx, w.request("withdraw-"+n), token, subject.Env{}, subject.WithdrawConsent{Said: said})
	}
	return token, err
}

// destroy erases the contact values of the first people, at the keys' level.
func (w *world) destroy(people int) {
	for _, token := range w.people[:people] {
		keys, err := w.app.Keys.Keys(context.Background(), token.Stream())
		require.NoError(w.t, err)
		var some []keyring.KeyInfo
		for _, k := range keys {
			if k.Compartment.Group == "contact" {
				some = append(some, k)
			}
		}
		require.NotEmpty(w.t, some)
		_, err = w.app.Keys.Destroy(context.Background(), "erasure", keyring.Destruction{Keys: some})
		require.NoError(w.t, err)
	}
}

// copyTo copies a ledger that is closed.
func copyTo(t testing.TB, from, to string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(from, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		at := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(at, 0o700)
		}
		in, err := os.Open(name)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := os.OpenFile(at, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		if _, err := io.Copy(out, in); err != nil {
			return err
		}
		return out.Close()
	}))
}

func fullSections(a *app.App) (full []eventstore.Section) {
	for _, sec := range a.Store.Sections() {
		if sec.Full {
			full = append(full, sec)
		}
	}
	return full
}
