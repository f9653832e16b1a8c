package audit_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/eventstore"
	"lethe/internal/app"
	"lethe/internal/httpapi"
	"lethe/internal/keyring"
	"lethe/internal/part"
	"lethe/internal/tlog"
)

// questions is all that is asked of a ledger, so that two can be compared. It
// writes nothing, and asks as of a fixed moment.
type questions struct {
	people   []domain.Token
	purposes []domain.Name
	at       time.Time
	keys     []keyring.KeyInfo // of every sealed part
	live     []bool            // that it was there
}

// ask makes the questions from an intact ledger.
func ask(t testing.TB, a *app.App, people []domain.Token) *questions {
	t.Helper()
	q := &questions{people: people}
	for rec, err := range a.Store.ReadAll(t.Context(), 0) {
		require.NoError(t, err)
		q.at = rec.Recorded
		for _, p := range rec.Sealed {
			h, err := part.Parse(p)
			require.NoError(t, err)
			q.keys = append(q.keys, keyring.KeyOf(&h))
		}
	}
	states, err := a.Keys.KeyStates(t.Context(), q.keys)
	require.NoError(t, err)
	for _, s := range states {
		require.Contains(t, []keyring.KeyState{keyring.KeyLive, keyring.KeyFenced}, s)
		q.live = append(q.live, s == keyring.KeyLive)
	}
	cat, err := a.Ledger.Catalogue(t.Context())
	require.NoError(t, err)
	for _, p := range cat.Purposes() {
		q.purposes = append(q.purposes, p.ID)
	}
	return q
}

// api is the API of an open ledger, without a server.
func api(a *app.App) *httpapi.API {
	return httpapi.New(httpapi.Options{
		Ledger: a.Ledger, Door: a.Door, Keys: a.Keys, Views: a.Views.Runner, Store: a.Store, Leaves: a.Seal, Seal: a.Seal,
		System: app.System, Erasures: a.Erasures, Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler),
	})
}

func get(h *httpapi.API, method, path string, body io.Reader) (int, []byte) {
	r := httptest.NewRequest(method, path, body)
	r = r.WithContext(httpapi.WithCaller(r.Context(), app.LocalCaller()))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.Bytes()
}

// answers gives every answer as a line. What cannot be answered is an answer
// too; only what names the request is left out.
func (q *questions) answers(a *app.App) []string {
	var out []string
	add := func(what string, args ...any) { out = append(out, what+": "+fmt.Sprintln(args...)) }
	h := api(a)
	for _, path := range q.paths() {
		code, body := get(h, "GET", path, nil)
		if code >= 400 {
			body = nil // it names the request
		}
		add(path, code, fmt.Sprintf("%x", sha256.Sum256(body)))
	}
	q.history(a, add)
	q.proofs(a, add)
	q.lookups(a, add)
	return out
}

func (q *questions) paths() []string {
	at := "as_of=" + url.QueryEscape(q.at.Format(time.RFC3339Nano))
	paths := []string{
		"/checkpoint", "/log-keys", "/v1/log/keys", "/v1/log/checkpoints", "/v1/tokens", "/v1/imports", "/v1/catalogue/purposes",
		"/v1/catalogue/notices", "/v1/catalogue/fields", "/v1/catalogue/controllers", "/v1/catalogue/recipients",
		"/tile/0/000", "/tile/entries/000",
	}
	for _, p := range q.people {
		of := "/v1/subjects/" + string(p)
		paths = append(paths, of+"/history?"+at, of+"/consents?"+at, of+"/accesses?limit=1000", of+"/consents?by=effective&"+at,
			of+"/may-process?purpose="+purpose+"&at="+url.QueryEscape(q.at.Format(time.RFC3339Nano)))
	}
	for _, p := range q.purposes {
		paths = append(paths, "/v1/purposes/"+string(p)+"/consents?limit=1000&"+at, "/v1/purposes/"+string(p)+"/totals?"+at)
	}
	return paths
}

// history reads every event by the log and by its stream, and opens its values.
func (q *questions) history(a *app.App, add func(string, ...any)) {
	ctx := context.Background()
	n := 0
	for rec, err := range a.Store.ReadAll(ctx, 0) {
		if err != nil {
			add("log", "ends", n)
			return
		}
		n++
		add("event", rec.Position, rec.ID, rec.Stream, rec.Revision, rec.Type, rec.Version, rec.Recorded, rec.Effective, rec.Dropped,
			fmt.Sprintf("%x %x %x", rec.Facts, rec.Metadata, rec.Sealed))
		for same, err := range a.Store.ReadStream(ctx, rec.Stream, eventstore.StreamRange{From: rec.Revision, Limit: 1}) {
			add("by stream", err == nil && same.ID == rec.ID)
		}
		event, err := a.Codec.Decode(rec)
		if err != nil {
			add("decoded", false)
			continue
		}
		for _, s := range event.Event.Personal(nil) {
			v, err := a.Codec.OpenValue(ctx, a.Keys, *s.Value)
			text, _ := v.Reveal()
			add("value", s.Field, v.State(), text, err == nil)
		}
	}
}

func (q *questions) proofs(a *app.App, add func(string, ...any)) {
	ctx := context.Background()
	p := a.Seal.Published()
	if p == nil {
		add("published", false)
		return
	}
	n := 0
	for rec, err := range a.Store.ReadAll(ctx, 0) {
		if err != nil {
			return
		}
		if n++; n%7 > 0 {
			continue
		}
		proof, err := a.Seal.Prove(ctx, rec.ID, p)
		if err != nil {
			add("proof", false)
			continue
		}
		add("proof", fmt.Sprintf("%x", sha256.Sum256(proof.Marshal())))
	}
	for size := int64(1); size < p.Size; size += 37 {
		path, err := a.Seal.Consistency(ctx, size, p.Size)
		add("consistency", size, fmt.Sprintf("%x", tlog.MarshalConsistency(size, p.Size, path)), err == nil)
	}
}

func (q *questions) lookups(a *app.App, add func(string, ...any)) {
	ctx := context.Background()
	for i, p := range q.people {
		for _, by := range []struct {
			kind catalogue.LookupKind
			text string
		}{
			{catalogue.LookupEmail, fmt.Sprintf("person.%d@example.com", i)}, {catalogue.LookupPhone, fmt.Sprintf("+4915550%06d", i)},
		} {
			hits, err := a.Keys.Find(ctx, by.kind, by.text)
			lines := make([]string, len(hits))
			for i, h := range hits {
				lines[i] = fmt.Sprint(h)
			}
			sort.Strings(lines)
			add("lookup", by.kind, by.text, strings.Join(lines, ";"), err == nil)
		}
		peers, err := a.Keys.Peers(ctx, p)
		add("peers", p, peers, err == nil)
		keys, err := a.Keys.Keys(ctx, p.Stream())
		add("keys", keys, err == nil)
	}
}

// neverErased requires that no value is taken for erased that was not.
func (q *questions) neverErased(a *app.App) error {
	states, err := a.Keys.KeyStates(context.Background(), q.keys)
	if err != nil {
		return nil //nolint:nilerr // that is not "erased"
	}
	for i, s := range states {
		if q.live[i] && s == keyring.KeyFenced {
			return fmt.Errorf("key %s counts as destroyed", q.keys[i].ID)
		}
	}
	for rec, err := range a.Store.ReadAll(context.Background(), 0) {
		if err != nil {
			return nil //nolint:nilerr // that is not "erased"
		}
		for _, p := range rec.Sealed {
			h, err := part.Parse(p)
			if err != nil {
				continue
			}
			v, err := a.Keys.Open(context.Background(), &personal.Ref{
				Stream: rec.Stream, EventID: rec.ID, Type: rec.Type, Version: rec.Version, Part: p,
			})
			if err == nil && v.State() == personal.Erased && q.wasLive(h.KeyID) {
				return fmt.Errorf("a value of %s counts as erased", rec.Stream)
			}
		}
	}
	return nil
}

func (q *questions) wasLive(id part.KeyID) bool {
	for i, k := range q.keys {
		if k.ID == id {
			return q.live[i]
		}
	}
	return false
}

// firstDifference names where two lists of answers part.
func firstDifference(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("%.300q instead of %.300q", b[i], a[i])
		}
	}
	if len(a) != len(b) {
		return fmt.Sprintf("%d answers instead of %d", len(b), len(a))
	}
	return ""
}
