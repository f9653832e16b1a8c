package httpapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/domain/principal"
	"lethe/eventstore"
	"lethe/internal/app"
	"lethe/internal/bundle"
	"lethe/internal/dropping"
	"lethe/internal/httpapi"
	"lethe/internal/ledger"
	"lethe/internal/part"
	"lethe/projections"
)

// lateJob is a job of a world that is made first.
type lateJob struct{ *dropping.Job }

// withDrops lets the API drop what was erased.
func withDrops(job *lateJob) func(*httpapi.Options) {
	return func(o *httpapi.Options) { o.Drops = job }
}

// dropsIn makes the job of a world as of so many days from now. record is asked before each event; may be nil.
func (w *world) dropsIn(days int, record func() error) *dropping.Job {
	return dropping.New(dropping.Options{
		Store: w.app.Store, Keys: w.app.Keys, Rand: rand.Reader,
		Now:    func() time.Time { return time.Now().AddDate(0, 0, days) },
		Sealed: func() eventstore.Position { return w.app.Seal.Status().Position },
		Record: func(ctx context.Context, by domain.ID, e operations.PayloadsDropped) error {
			if record != nil {
				if err := record(); err != nil {
					return err
				}
			}
			_, err := w.app.Ledger.Operate(ctx, ledger.Request{Principal: by}, operations.DropPayloads{PayloadsDropped: e})
			return err
		},
	})
}

// forget erases people and waits for the end.
func (w *world) forget(body m, tokens ...string) {
	w.t.Helper()
	for _, token := range tokens {
		a := w.do("POST", "/v1/subjects/"+token+"/erasure", body)
		require.Less(w.t, a.status, 300, "%s", a.body)
	}
	w.app.Erasures.Wake()
	for _, token := range tokens {
		require.Eventually(w.t, func() bool {
			a := w.do("GET", "/v1/subjects/"+token+"/erasure", nil).is(200)
			return a.get("items.0.state") == "completed"
		}, time.Minute, 20*time.Millisecond, "%s", token)
	}
}

var (
	asOf = regexp.MustCompile(`"as_of":"[^"]*"`)
	// A history without a purpose opens nothing: it says of a value that it is
	// sealed as long as it is there.
	answered = strings.NewReplacer(`"state":"erased"`, `"state":"sealed"`)
)

// answers are what a world says of people, and the raw bytes of its tree.
func (w *world) answers(tokens []string, checkpoint string) map[string]string {
	w.t.Helper()
	all := map[string]string{}
	for _, token := range tokens {
		at := "/v1/subjects/" + token
		for _, get := range []string{"/history", "/consents", "/erasure"} {
			a := w.do("GET", at+get, nil)
			all[at+get] = fmt.Sprint(a.status, answered.Replace(asOf.ReplaceAllString(string(a.body), "")))
		}
		a := w.bundle(token, m{"checkpoint": checkpoint})
		all[at+"/bundle"] = fmt.Sprint(a.status, string(a.body))
	}
	for name, sum := range filesBelow(w.t, filepath.Join(w.dir, "seal")) {
		if strings.Contains(name, "/tile/") && !strings.Contains(name, ".p/") {
			all[name] = sum
		}
	}
	return all
}

// filesBelow are the files of a directory and the SHA-256 of each.
func filesBelow(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, ".tmp") {
			return err
		}
		b, err := os.ReadFile(name)
		sum := sha256.Sum256(b)
		all[name] = hex.EncodeToString(sum[:])
		return err
	}))
	return all
}

// ciphertexts are the sealed bodies of some people's values in full sections.
func (w *world) ciphertexts(tokens []string, groups ...string) (bodies [][]byte) {
	w.t.Helper()
	for _, sec := range w.app.Store.Sections() {
		if !sec.Full {
			continue
		}
		for rec, err := range w.app.Store.ReadSection(w.t.Context(), sec) {
			require.NoError(w.t, err)
			for _, token := range tokens {
				for _, p := range rec.Sealed {
					h, err := part.Parse(p)
					require.NoError(w.t, err)
					if rec.Stream == "subject-"+token && (len(groups) == 0 || strings.Contains(strings.Join(groups, " "), h.Group)) {
						bodies = append(bodies, bytes.Clone(h.Body))
					}
				}
			}
		}
	}
	return bodies
}

// heldIn lists files that have any of the bodies.
func heldIn(t testing.TB, dir string, bodies [][]byte) (names []string) {
	t.Helper()
	for name := range filesBelow(t, dir) {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, body := range bodies {
			if bytes.Contains(b, body) {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

// Erased values that are dropped change nothing but their bytes: no answer, no
// row of any view, no tile, no bundle.
func TestDroppingChangesNoAnswer(t *testing.T) {
	var job lateJob
	w := newWorld(t, withDrops(&job))
	w.declare()
	var tokens []string
	var born string
	for n := range 100 {
		if n == 8 { // somebody with values of two groups in one event
			in := registration("p8@example.com")
			in["records"] = []m{{"purpose": "service", "values": []m{
				{"field": "email", "value": "p8@example.com"}, {"field": "name", "value": "Ada Lovelace"}, {"field": "birth-date", "value": "1815-12-10"},
			}}}
			born = w.do("POST", "/v1/subjects", in, w.fresh()).is(201).text("token")
			w.do("POST", "/v1/subjects/"+born+"/basis", m{"purpose": "service", "basis": "contract", "reference": "K-8"}).is(200)
			tokens = append(tokens, born)
			continue
		}
		tokens = append(tokens, w.person(fmt.Sprintf("p%d@example.com", n)))
	}
	require.Greater(t, len(w.app.Store.Sections()), 2)
	gone, partly, stay := tokens[:8], tokens[40:44], tokens[95:97]
	require.Equal(t, born, tokens[8])
	for _, token := range partly { // a value that is superseded, under the same key
		w.do("PATCH", "/v1/subjects/"+token, m{"rectify": []m{{"field": "email", "value": "new@example.com"}}}).is(200)
	}
	w.forget(m{"everything": true}, gone...)
	w.forget(m{"superseded": []string{"contact"}, "cause": "rectification"}, partly...)
	w.forget(m{"groups": []string{"contact"}, "ground": "unlawful"}, born)
	w.sealed()
	ask := m{"purpose": "service", "disclose": []string{"birth-date"}}
	opened := func() *bundle.Report { return w.verified(w.bundle(born, ask).is(200).body, bundle.Trust{}) }
	require.Equal(t, 1, opened().Disclosed)
	checkpoint := string(w.anyone("GET", "/checkpoint", nil).is(200).body)
	bodies := append(w.ciphertexts(gone, "contact"), w.ciphertexts([]string{born}, "contact")...)
	require.NotEmpty(t, bodies)
	require.NotEmpty(t, heldIn(t, w.dir, bodies))
	asked := append(append(append([]string{}, gone...), partly...), stay...)
	before := w.answers(asked, checkpoint)
	repeated := w.do("POST", "/v1/subjects", registration("p0@example.com"), key("key-1"))

	job.Job = w.dropsIn(100, nil)
	lines := w.dropped(m{"older_than": "P90D"})
	report := lines[len(lines)-1].Report
	require.NotNil(t, report)
	require.GreaterOrEqual(t, report.Values, uint64(2*len(gone)+2*len(partly)+2))
	require.Empty(t, heldIn(t, w.dir, bodies), "their bytes are in no file")
	events := dropEvents(t, w)
	require.Len(t, events, report.Replaced)

	requireSameAnswers(t, before, w.answers(asked, checkpoint))
	again := w.do("POST", "/v1/subjects", registration("p0@example.com"), key("key-1"))
	require.Equal(t, repeated.status, again.status, "%s", again.body)
	w.compareViews() // rows that were written before, with a fold of what is left
	require.NoError(t, w.app.Views.Rebuild(t.Context(), nil))
	requireSameAnswers(t, before, w.answers(asked, checkpoint))
	w.compareViews()
	for _, token := range asked {
		w.verified(w.bundle(token, nil).is(200).body, bundle.Trust{})
	}
	require.Equal(t, 1, opened().Disclosed, "a value beside those that are gone is proven as before")
	w.sealed()
	res := w.audited(nil)
	require.Empty(t, res[len(res)-1].Result.Findings)
	requireDroppedInFeed(t, w, report.Values)
}

func (w *world) compareViews() {
	w.t.Helper()
	for _, v := range w.app.Views.Status() {
		require.NoError(w.t, w.app.Views.Compare(w.t.Context(), v.Name, nil, func(d projections.Difference) { w.t.Errorf("%+v", d) }))
	}
}

func requireSameAnswers(t *testing.T, want, got map[string]string) {
	t.Helper()
	for name, answer := range want {
		if got[name] != answer {
			t.Errorf("%s is another: %.400s\nwas: %.400s", name, got[name], answer)
		}
	}
}

// dropped asks for it through the API and gives the lines of the answer.
func (w *world) dropped(body any, opts ...opt) (lines []httpapi.DropLine) {
	w.t.Helper()
	a := w.do("POST", "/v1/retention/drop", body, opts...).is(200)
	require.Equal(w.t, "application/x-ndjson", a.header.Get("Content-Type"))
	for text := range bytes.Lines(a.body) {
		var l httpapi.DropLine
		require.NoError(w.t, json.Unmarshal(text, &l), "%s", text)
		lines = append(lines, l)
	}
	require.NotEmpty(w.t, lines)
	return lines
}

// dropEvents are the events that name what was dropped.
func dropEvents(t testing.TB, w *world) (events []*operations.PayloadsDropped) {
	t.Helper()
	require.NoError(t, w.app.Ledger.Replay(t.Context(), operations.Stream, func(r domain.Recorded) error {
		if e, ok := r.Event.(*operations.PayloadsDropped); ok {
			events = append(events, e)
		}
		return nil
	}))
	return events
}

// requireDroppedInFeed: the feed tells what is gone by its hash.
func requireDroppedInFeed(t testing.TB, w *world, values uint64) {
	t.Helper()
	dropped := uint64(0)
	for line := range bytes.Lines(w.do("GET", "/v1/events", nil).is(200).body) {
		var e httpapi.Event
		require.NoError(t, json.Unmarshal(line, &e))
		for _, d := range e.Dropped {
			dropped++
			require.Len(t, d.SHA256, 64)
			require.Len(t, d.KeyID, 32)
			require.Less(t, d.Part, len(e.Sealed)+len(e.Dropped))
		}
	}
	require.Equal(t, values, dropped)
}

func TestWhoMayDropWhat(t *testing.T) {
	job := lateJob{}
	w := newWorld(t, withDrops(&job))
	job.Job = w.dropsIn(0, nil)
	w.declare()
	w.do("POST", "/v1/retention/drop", nil).problem(422, "drop.off")
	w.do("POST", "/v1/retention/drop", m{"older_than": "90"}).problem(422, "request.value")
	for role, status := range map[principal.Role]int{
		principal.Admin: 200, principal.Officer: 403, principal.Operator: 403, principal.Auditor: 403, principal.Service: 403,
	} {
		w.anyone("POST", "/v1/retention/drop", m{"older_than": "P1D"}, bearer(w.tokenFor(role))).is(status)
	}
	report := w.dropped(m{"older_than": "P1D", "dry_run": true})[0].Report
	require.True(t, report.DryRun)
	require.Zero(t, report.Values)
	w.anyone("POST", "/v1/retention/drop", nil).is(401)
}

// Nobody waits for a run that was given up, and the next one goes on.
func TestDroppingEndsWithItsCaller(t *testing.T) {
	var job lateJob
	w := newWorld(t, withDrops(&job))
	w.declare()
	var tokens []string
	for n := range 60 {
		tokens = append(tokens, w.person(fmt.Sprintf("p%d@example.com", n)))
	}
	w.forget(m{"everything": true}, tokens[:2]...)
	w.sealed()
	ctx, cancel := context.WithCancel(t.Context())
	job.Job = w.dropsIn(10, func() error { cancel(); return ctx.Err() })
	r := request("POST", "/v1/retention/drop", m{"older_than": "P1D"})
	w.api.ServeHTTP(httptest.NewRecorder(), r.WithContext(httpapi.WithCaller(ctx, app.LocalCaller())))
	require.Empty(t, dropEvents(t, w))
	job.Job = w.dropsIn(10, nil)
	lines := w.dropped(m{"older_than": "P1D"})
	require.Positive(t, lines[len(lines)-1].Report.Values)
}
