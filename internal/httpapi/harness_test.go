package httpapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"lethe/domain/principal"
	"lethe/internal/app"
	"lethe/internal/audit"
	"lethe/internal/auth"
	"lethe/internal/config"
	"lethe/internal/httpapi"
)

// world is the API over a real data directory.
type world struct {
	t        testing.TB
	app      *app.App
	api      *httpapi.API
	dir      string
	logs     *bytes.Buffer
	registry *prometheus.Registry
	keys     atomic.Uint64
}

func newWorld(t testing.TB, change ...func(*httpapi.Options)) *world {
	t.Helper()
	if p, ok := t.(*testing.T); ok {
		p.Parallel()
	}
	return newWorldIn(t, t.TempDir(), change...)
}

// newWorldIn opens what is in a directory.
func newWorldIn(t testing.TB, dir string, change ...func(*httpapi.Options)) *world {
	t.Helper()
	w := &world{t: t, dir: dir, logs: &bytes.Buffer{}, registry: prometheus.NewRegistry()}
	log := slog.New(slog.NewTextHandler(&locked{to: w.logs}, nil))
	var cfg config.Config
	cfg.Storage.Data, cfg.Storage.SegmentBytes = w.dir, 64<<10
	a, err := app.Open(context.Background(), cfg, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	w.app = a
	o := httpapi.Options{
		Ledger: a.Ledger, Door: a.Door, Keys: a.Keys, Views: a.Views, Store: a.Store, Leaves: a.Seal, Seal: a.Seal, System: app.System, Erasures: a.Erasures,
		Status: func(context.Context) (httpapi.Status, error) {
			return httpapi.Status{Events: a.Store.Stats().Events, Views: httpapi.ViewStatuses(a.Views.Status())}, nil
		},
		Audit: audit.New(audit.Options{
			Store: a.Store, Seal: a.Seal, Keys: a.Keys, Decoder: a.Codec, Views: a.Views.Runner, Reports: a.Reports, Version: "test", Now: time.Now,
		}),
		Backups: &app.Backups{
			App: a, To: config.Backup{LedgerTo: filepath.Join(w.t.TempDir(), "ledger"), KeysTo: filepath.Join(w.t.TempDir(), "keys")}, Program: "test",
		},
		Drops: a.Drops, Retention: a.Retention, Spool: w.dir, Now: time.Now, Rand: rand.Reader, Logger: log, Metrics: w.registry,
	}
	for _, f := range change {
		f(&o)
	}
	w.api = httpapi.New(o)
	return w
}

// locked lets several requests log.
type locked struct {
	mu sync.Mutex
	to io.Writer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(b)
}

// answer is a response that was read to its end.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

// opt changes a request before it is sent.
type opt func(*http.Request)

func header(name, value string) opt { return func(r *http.Request) { r.Header.Set(name, value) } }
func key(k string) opt              { return header("Idempotency-Key", k) }
func bearer(secret string) opt      { return header("Authorization", "Bearer "+secret) }

// as injects a caller in process.
func as(c auth.Caller) opt {
	return func(r *http.Request) { *r = *r.WithContext(httpapi.WithCaller(r.Context(), c)) }
}

// request is not authenticated unless an option says by whom.
func request(method, path string, body any, opts ...opt) *http.Request {
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(b)
	case []byte:
		content = bytes.NewReader(b)
	default:
		raw, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		content = bytes.NewReader(raw)
	}
	r := httptest.NewRequest(method, path, content)
	for _, o := range opts {
		o(r)
	}
	return r
}

func (w *world) send(r *http.Request) *answer {
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, r)
	return &answer{t: w.t, status: rec.Code, header: rec.Header(), body: rec.Body.Bytes()}
}

// anyone sends without a caller of its own.
func (w *world) anyone(method, path string, body any, opts ...opt) *answer {
	return w.send(request(method, path, body, opts...))
}

// do sends as the local operator, who has every role.
func (w *world) do(method, path string, body any, opts ...opt) *answer {
	return w.anyone(method, path, body, append([]opt{as(app.LocalCaller())}, opts...)...)
}

func (a *answer) is(status int) *answer {
	a.t.Helper()
	require.Equal(a.t, status, a.status, "%s", a.body)
	return a
}

func (a *answer) problem(status int, code string) *answer {
	a.t.Helper()
	a.is(status)
	require.Equal(a.t, "application/problem+json", a.header.Get("Content-Type"))
	require.Equal(a.t, code, a.get("code"), "%s", a.body)
	require.Equal(a.t, "urn:lethe:problem:"+code, a.get("type"))
	return a
}

// get follows members and indexes: "fields.0.value.text".
func (a *answer) get(at string) any {
	a.t.Helper()
	var v any
	require.NoError(a.t, json.Unmarshal(a.body, &v), "%s", a.body)
	if at == "" {
		return v
	}
	for step := range strings.SplitSeq(at, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[step]
		case []any:
			i, err := strconv.Atoi(step)
			require.NoError(a.t, err)
			require.Less(a.t, i, len(in), "%s in %s", at, a.body)
			v = in[i]
		default:
			return nil
		}
	}
	return v
}

func (a *answer) text(at string) string {
	a.t.Helper()
	s, ok := a.get(at).(string)
	require.True(a.t, ok, "%s in %s", at, a.body)
	return s
}

type m = map[string]any

// declare makes a small catalogue.
func (w *world) declare() {
	w.t.Helper()
	file, err := os.ReadFile("testdata/catalogue.yaml")
	require.NoError(w.t, err)
	w.do("POST", "/v1/catalogue", file, header("Content-Type", "application/yaml")).is(200)
}

// fresh is a key that was not used.
func (w *world) fresh() opt { return key("key-" + strconv.FormatUint(w.keys.Add(1), 10)) }

// person registers somebody with an e-mail address.
func (w *world) person(email string) string {
	w.t.Helper()
	return w.do("POST", "/v1/subjects", registration(email), w.fresh()).is(201).text("token")
}

func registration(email string) m {
	return m{
		"acquired": "from_person", "jurisdiction": "DE",
		"records": []m{{"purpose": "service", "values": []m{{"field": "email", "value": email}, {"field": "name", "value": "Ada Lovelace"}}}},
	}
}

// tokenFor makes a bearer token with a role.
func (w *world) tokenFor(role principal.Role, purposes ...string) string {
	w.t.Helper()
	return w.do("POST", "/v1/tokens", m{"name": "test", "roles": []principal.Role{role}, "purposes": purposes}).is(201).text("secret")
}

// notice is the digest of the newsletter's text.
func (w *world) notice(id string) string {
	w.t.Helper()
	return w.do("GET", "/v1/catalogue/notices/"+id, nil).is(200).text("publications.0.digest")
}
