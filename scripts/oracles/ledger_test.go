package oracles

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/internal/app"
	"lethe/internal/config"
	"lethe/internal/httpapi"
	core "lethe/internal/ledger"
	"lethe/internal/tlog"
)

const (
	origin     = "ledger.example/log"
	waitAtMost = time.Minute
	atOnce     = 64 // people who are registered at the same time
)

// ledger is a whole ledger, its API served on the loopback.
type ledger struct {
	t     *testing.T
	dir   string
	app   *app.App
	http  *httptest.Server
	token string // an auditor's
	vkey  string // as the API exports it
	key   uint64

	bundles map[string][][]byte // entries that were fetched, by path
}

// openLedger opens or makes a ledger. policy names a file; "" is none.
func openLedger(t *testing.T, dir, policy string) *ledger {
	t.Helper()
	var cfg config.Config
	cfg.Storage.Data, cfg.Storage.SegmentBytes = dir, 1<<20
	cfg.Seal.Origin, cfg.Seal.Interval, cfg.Seal.Policy = origin, time.Millisecond, policy
	quiet := slog.New(slog.DiscardHandler)
	a, err := app.Open(t.Context(), cfg, quiet)
	require.NoError(t, err)
	api := httpapi.New(httpapi.Options{
		Ledger: a.Ledger, Door: a.Door, Keys: a.Keys, Views: a.Views, Store: a.Store, Erasures: a.Erasures,
		Leaves: a.Seal, Seal: a.Seal, System: app.System, Spool: dir, Now: time.Now, Rand: rand.Reader, Logger: quiet,
	})
	l := &ledger{t: t, dir: dir, app: a, http: httptest.NewServer(api), bundles: map[string][][]byte{}}
	l.key = a.Store.Stats().Events
	t.Cleanup(l.close)
	l.token = l.mint(api)
	l.await()
	l.vkey = l.exportedKey()
	return l
}

// close may be called twice.
func (l *ledger) close() {
	if l.app == nil {
		return
	}
	l.http.Close()
	require.NoError(l.t, l.app.Close())
	l.app = nil
}

// mint makes an auditor's token, as the local operator.
func (l *ledger) mint(api http.Handler) string {
	r := httptest.NewRequest(http.MethodPost, "/v1/tokens", strings.NewReader(`{"name": "oracle", "roles": ["auditor"]}`))
	answer := httptest.NewRecorder()
	api.ServeHTTP(answer, r.WithContext(httpapi.WithCaller(r.Context(), app.LocalCaller())))
	require.Equal(l.t, http.StatusCreated, answer.Code, answer.Body)
	var made struct{ Secret string }
	require.NoError(l.t, json.Unmarshal(answer.Body.Bytes(), &made))
	return made.Secret
}

func (l *ledger) exportedKey() string {
	var keys struct {
		Items []struct {
			VKey  string
			Signs bool
		}
	}
	require.NoError(l.t, json.Unmarshal(l.get("/v1/log/keys"), &keys))
	require.Len(l.t, keys.Items, 1)
	require.True(l.t, keys.Items[0].Signs)
	return keys.Items[0].VKey
}

func (l *ledger) size() uint64 { return l.app.Store.Stats().Events }

// await waits until all there is stands under a published checkpoint.
func (l *ledger) await() {
	ctx, cancel := context.WithTimeout(l.t.Context(), waitAtMost)
	defer cancel()
	require.NoError(l.t, l.app.Seal.WaitFor(ctx, l.app.Store.Stats().Head))
	require.EqualValues(l.t, l.size(), l.app.Seal.Published().Size)
}

func (l *ledger) request() core.Request {
	l.key++
	r := core.Request{Principal: app.Local}
	binary.BigEndian.PutUint64(r.Command[:], l.key)
	return r
}

// people registers n with an address each, so that their leaves have parts.
func (l *ledger) people(n int) {
	_, err := l.app.Ledger.Declare(l.t.Context(), core.Request{Principal: app.Local},
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
	require.NoError(l.t, err)
	for range n {
		email := personal.Of("ada@example.org")
		_, _, err := l.app.Ledger.Register(l.t.Context(), l.request(), subject.Env{}, registration,
			subject.RecordFields{Purpose: "service", Items: []subject.Entry{{Field: "email", Text: email}}})
		require.NoError(l.t, err)
	}
	l.await()
}

var registration = subject.Register{Acquired: subject.FromPerson, Jurisdiction: "DE"}

// grow registers people, an event each, until the log has exactly size events
// and a published checkpoint of that size.
func (l *ledger) grow(size uint64) {
	l.t.Helper()
	require.LessOrEqual(l.t, l.size(), size)
	var g errgroup.Group
	g.SetLimit(atOnce)
	for range size - l.size() {
		r := l.request()
		g.Go(func() error {
			_, _, err := l.app.Ledger.Register(l.t.Context(), r, subject.Env{}, registration)
			return err
		})
	}
	require.NoError(l.t, g.Wait())
	require.Equal(l.t, size, l.size())
	l.await()
}

// files is the directory of the log's static files.
func (l *ledger) files() string { return filepath.Join(l.dir, "seal", "log-0") }

func (l *ledger) root() *url.URL {
	u, err := url.Parse(l.http.URL + "/")
	require.NoError(l.t, err)
	return u
}

// client sends the auditor's token with every request.
func (l *ledger) client() *http.Client {
	return &http.Client{Transport: withToken{l.token, l.http.Client().Transport}}
}

type withToken struct {
	token string
	next  http.RoundTripper
}

func (w withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+w.token)
	return w.next.RoundTrip(r)
}

// get fetches with the auditor's token.
func (l *ledger) get(path string) []byte {
	l.t.Helper()
	r, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, l.http.URL+path, nil)
	require.NoError(l.t, err)
	answer, err := l.client().Do(r)
	require.NoError(l.t, err)
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	require.NoError(l.t, err)
	require.Equal(l.t, http.StatusOK, answer.StatusCode, "%s: %s", path, b)
	return b
}

// checkpoint is the served one, which nothing has verified.
func (l *ledger) checkpoint() (tlog.Checkpoint, []byte) {
	l.t.Helper()
	signed := l.get("/checkpoint")
	c, err := tlog.CheckpointOf(signed)
	require.NoError(l.t, err)
	return c, signed
}
