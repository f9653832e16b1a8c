package httpapi_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain/principal"
	"lethe/internal/bundle"
	"lethe/internal/keyring"
	"lethe/internal/tlog"
	"lethe/internal/tlog/tileclient"
)

// sealed waits until everything that the log holds is under a published
// checkpoint, and gives that.
func (w *world) sealed() *tlog.Checkpoint {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	require.NoError(w.t, w.app.Seal.WaitFor(ctx, w.app.Store.Stats().Head))
	return &w.app.Seal.Published().Checkpoint
}

// vkeys are the keys that sign the log.
func (w *world) vkeys() (keys []string) {
	for _, k := range w.app.Seal.Keys() {
		keys = append(keys, k.VKey)
	}
	return keys
}

func (w *world) bundle(token string, ask any, opts ...opt) *answer {
	w.t.Helper()
	return w.do("POST", "/v1/subjects/"+token+"/bundle", ask, opts...)
}

// verified checks a bundle as an auditor does who has the log's keys.
func (w *world) verified(zip []byte, t bundle.Trust) *bundle.Report {
	w.t.Helper()
	t.Keys = w.vkeys()
	r, err := bundle.Verify(w.t.Context(), zip, t)
	require.NoError(w.t, err)
	require.Empty(w.t, r.Findings)
	require.Equal(w.t, bundle.Verified, r.Outcome)
	return r
}

// unzipped reads a bundle with another program's eyes.
func unzipped(t *testing.T, b []byte) map[string]string {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	files := map[string]string{}
	for _, f := range r.File {
		in, err := f.Open()
		require.NoError(t, err)
		text, err := io.ReadAll(in)
		require.NoError(t, err)
		files[f.Name] = string(text)
	}
	return files
}

// types counts the events of a bundle by what they are.
func types(t *testing.T, b []byte) map[string]int {
	t.Helper()
	var m struct {
		Events []struct{ Stream, Type string }
	}
	unmarshalled(t, []byte(unzipped(t, b)["manifest.json"]), &m)
	n := map[string]int{}
	for _, e := range m.Events {
		n[strings.Split(e.Stream, "-")[0]+" "+e.Type]++
	}
	return n
}

// Somebody's history with a disclosure, checked offline by the log's keys.
func TestABundleIsVerifiedWithoutTheLedger(t *testing.T) {
	w := newWorld(t)
	w.declare()
	w.person("eve@example.com")
	token := w.served("ada@example.com")
	w.newsletter(token, "give", "2024-05-01T10:00:00Z", m{"evidence": "form 17"})
	w.do("PATCH", "/v1/subjects/"+token, m{"rectify": []m{{"field": "email", "value": "ada@new.example"}}}).is(200)
	w.newsletter(token, "withdraw", "2024-06-01T10:00:00Z")

	a := w.bundle(token, m{"purpose": "service", "disclose": []string{"email"}}).is(200)
	require.Equal(t, "application/zip", a.header.Get("Content-Type"))
	require.Contains(t, a.header.Get("Content-Disposition"), "bundle.zip")
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	granted := w.do("GET", "/v1/subjects/"+token+"/accesses", nil).is(200)
	require.Equal(t, granted.text("items.0.event"), a.header.Get("Lethe-Access"))
	require.Equal(t, []any{"email"}, granted.get("items.0.fields"))
	require.Empty(t, a.header.Get("Lethe-Undisclosed"))

	r := w.verified(a.body, bundle.Trust{})
	require.Equal(t, token, r.Subject)
	require.EqualValues(t, 5, *r.Revision)
	require.Equal(t, 3, r.Disclosed, "two addresses and the notice")
	require.Contains(t, r.Statement, "complete to revision 5 at checkpoint ")
	require.Contains(t, r.Statement, "was not checked")
	files := unzipped(t, a.body)
	page := files["summary.html"]
	for _, shown := range []string{"ada@example.com", "ada@new.example", "We write to you once a month."} {
		require.Contains(t, page, shown)
	}
	all := strings.Join(slices.Collect(values(files)), "")
	for _, hidden := range []string{"eve@example.com", "Ada Lovelace", "form 17", "privacy@acme.example", "Mailer GmbH"} {
		require.NotContains(t, all, hidden)
	}
	require.Equal(t, map[string]int{
		"subject SubjectRegistered": 1, "subject FieldsRecorded": 1, "subject BasisAsserted": 1, "subject ConsentGiven": 1, "subject FieldsRectified": 1, "subject ConsentWithdrawn": 1,
		"catalogue PurposeDeclared": 2, "catalogue FieldDeclared": 3, "catalogue ControllerDeclared": 1, "catalogue RecipientDeclared": 1,
		"catalogue NoticePublished": 1,
	}, types(t, a.body))

	alone, err := bundle.Verify(t.Context(), a.body, bundle.Trust{})
	require.NoError(t, err)
	require.Equal(t, bundle.Unanchored, alone.Outcome)
	other, err := bundle.Verify(t.Context(), a.body, bundle.Trust{Keys: newWorldIn(t, t.TempDir()).vkeys()})
	require.NoError(t, err)
	require.NotEqual(t, bundle.Verified, other.Outcome)
}

func values(files map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, text := range files {
			if !yield(text) {
				return
			}
		}
	}
}

// With the served tiles it is shown that the stream has no other entry; later
// ones do not spoil an older bundle.
func TestAScanOfTheServedTilesShowsThatNothingWasWithheld(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.person("ada@example.com")
	for range 300 { // more than a tile
		w.person("eve@example.com")
	}
	w.newsletter(token, "give", "2024-05-01T10:00:00Z")
	before := time.Now().UTC()
	server := httptest.NewServer(w.api)
	defer server.Close()
	tiles := tileclient.New(server.URL, nil)
	tiles.EntriesToken = w.tokenFor(principal.Auditor)
	trust := bundle.Trust{Tiles: tiles, Entries: tiles, Workers: 2}

	whole := w.bundle(token, m{}).is(200).body
	r := w.verified(whole, trust)
	require.Contains(t, r.Statement, "complete to revision 2 at checkpoint ")
	require.Contains(t, r.Statement, "the stream has no other entry among the")

	w.newsletter(token, "withdraw", "2024-06-01T10:00:00Z")
	w.sealed()
	require.Contains(t, w.verified(whole, trust).Statement, "the stream has no other entry")
	w.verified(w.bundle(token, m{"as_of": "9999-12-31T23:59:59-23:00"}).is(200).body, trust)
	then := w.bundle(token, m{"as_of": before.Format(time.RFC3339Nano)}).is(200).body
	r = w.verified(then, trust)
	require.EqualValues(t, 2, *r.Revision)
	require.Contains(t, r.Statement, "the stream's 1 other entry in the tree was recorded later")

	// An older bundle under a newer checkpoint, by the log's own consistency proof.
	newer, err := tiles.Checkpoint(t.Context())
	require.NoError(t, err)
	r = w.verified(whole, bundle.Trust{Checkpoint: newer, Tiles: tiles})
	require.Less(t, r.Size, w.sealed().Size)
	for _, c := range r.Checks {
		if c.Name == bundle.CheckNewer {
			require.Equal(t, bundle.Passed, c.State)
		}
	}
}

// The same request gives the same bytes, whatever happened since.
func TestTheSameCheckpointGivesTheSameBytes(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.served("ada@example.com")
	w.newsletter(token, "give", "2024-05-01T10:00:00Z")
	ask := m{"purpose": "service", "as_of": time.Now().UTC().Format(time.DateOnly)}
	first := w.bundle(token, ask).is(200).body
	cp := unzipped(t, first)["checkpoint"]
	ask["checkpoint"] = cp
	same := func() {
		t.Helper()
		w.sealed()
		require.True(t, bytes.Equal(first, w.bundle(token, ask).is(200).body))
	}
	same()
	w.newsletter(token, "withdraw", "2024-06-01T10:00:00Z")
	w.do("POST", "/v1/catalogue/purposes", m{
		"id": "newsletter", "controllers": []string{"acme"}, "basis": "consent", "fields": []string{"email", "name"}, "retention": "P3Y",
		"retention_start": "consent_end", "marketing": true, "dpv": "dpv:DirectMarketing",
	})
	same()
	old := w.vkeys()
	id := w.do("GET", "/v1/log/keys", nil).is(200).text("items.0.id")
	w.do("POST", "/v1/log/keys", nil).is(200)
	w.person("eve@example.com")
	w.sealed()
	w.do("POST", "/v1/log/keys/"+id+"/retire", nil).is(200)
	same()
	later := w.bundle(token, m{"purpose": "service"}).is(200).body
	require.Equal(t, 2, types(t, later)["operations LogKeyChanged"])
	w.verified(later, bundle.Trust{})
	for _, k := range old { // who has the old key is led to the new one
		r, err := bundle.Verify(t.Context(), later, bundle.Trust{Keys: []string{k}})
		require.NoError(t, err)
		require.NotEqual(t, bundle.Verified, r.Outcome, "the old key alone did not sign this one")
	}
}

func TestABundleThatCannotBeMade(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.served("ada@example.com")
	w.sealed()
	early := w.do("GET", "/v1/log/checkpoints", nil).is(200).text("items.0.note")
	w.bundle("snothing", nil).problem(422, "subject.token")
	w.bundle(token, m{"as_of": "2020-01-01"}).problem(404, "bundle.empty")
	w.bundle(token, m{"as_of": "yesterday"}).problem(422, "request.parameter")
	w.bundle(token, m{"unknown": 1}).problem(400, "request.malformed")
	w.bundle(token, m{"disclose": []string{"email"}}).problem(422, "access.purpose_missing")
	w.bundle(token, m{"purpose": "service", "disclose": []string{"shoe-size"}}).problem(404, "access.field_unknown")
	w.bundle(token, m{"purpose": "claims", "disclose": []string{"name"}}).problem(422, "access.field_not_needed")
	w.bundle(token, m{"checkpoint": "no checkpoint"}).problem(422, "checkpoint.foreign")
	w.bundle(token, m{"checkpoint": strings.Replace(early, "\n1\n", "\n2\n", 1) + "x"}).problem(422, "checkpoint.foreign")
	foreign := newWorldIn(t, t.TempDir())
	foreign.declare()
	foreign.sealed()
	w.bundle(foreign.person("ada@example.com"), nil).problem(404, "subject.unknown")
	w.bundle(token, m{"checkpoint": string(foreign.anyone("GET", "/checkpoint", nil).is(200).body)}).problem(422, "checkpoint.foreign")

	late := w.person("eve@example.com")
	w.bundle(late, m{"checkpoint": string(w.anyone("GET", "/checkpoint", nil).body)})
	w.bundle(late, m{"checkpoint": early}).problem(404, "bundle.empty")
	require.Empty(t, w.do("GET", "/v1/subjects/"+token+"/accesses", nil).is(200).get("items"), "nothing was opened")
}

// What was erased since is told and left out; the rest is proven as before.
func TestABundleTellsWhatHasNoKey(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.served("ada@example.com")
	ask := m{"purpose": "service", "disclose": []string{"email", "name"}}
	require.Equal(t, 2, w.verified(w.bundle(token, ask).is(200).body, bundle.Trust{}).Disclosed)
	keys, err := w.app.Keys.Keys(t.Context(), "subject-"+token)
	require.NoError(t, err)
	for _, k := range keys {
		if k.Compartment.Group == "contact" {
			_, err := w.app.Keys.Destroy(t.Context(), "erasure", keyring.Destruction{Keys: []keyring.KeyInfo{k}})
			require.NoError(t, err)
		}
	}
	a := w.bundle(token, ask).is(200)
	require.Equal(t, "email=erased, name=erased", a.header.Get("Lethe-Undisclosed"))
	require.Empty(t, a.header.Get("Lethe-Access"), "nothing was left to open")
	require.Equal(t, 0, w.verified(a.body, bundle.Trust{}).Disclosed)
}

// Facts are for the auditor; values need the right to open them.
func TestWhoMayMakeWhichBundle(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.served("ada@example.com")
	at := "/v1/subjects/" + token + "/bundle"
	auditor, officer := bearer(w.tokenFor(principal.Auditor)), bearer(w.tokenFor(principal.Officer))
	w.anyone("POST", at, nil, bearer(w.tokenFor(principal.Service))).problem(403, "auth.role")
	before := w.app.Store.Stats().Events
	facts := w.anyone("POST", at, nil, auditor).is(200)
	require.Equal(t, 0, w.verified(facts.body, bundle.Trust{}).Disclosed)
	require.Empty(t, facts.header.Get("Lethe-Access"))
	require.Equal(t, before, w.app.Store.Stats().Events, "facts are read without a record, as history is")
	w.anyone("POST", at, m{"purpose": "service"}, auditor).problem(403, "auth.role")
	given := w.anyone("POST", at, m{"purpose": "service", "recipient": "mailer"}, officer)
	given.problem(403, "access.recipient_not_declared")
	given = w.anyone("POST", at, m{"purpose": "service"}, officer).is(200)
	require.Equal(t, 3, w.verified(given.body, bundle.Trust{}).Disclosed, "an officer also gets what the basis refers to")
}

// Two copies of one ledger go on apart. Under what both signed they make the
// same bundle; what the other one signed since, each refuses and keeps.
func TestABundleIsNotMadeUnderAnotherHistory(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.served("ada@example.com")
	w.sealed()
	require.NoError(t, w.app.Close())
	copied := t.TempDir()
	require.NoError(t, os.CopyFS(copied, os.DirFS(w.dir)))
	require.NoError(t, os.Chmod(filepath.Join(copied, "root.key"), 0o600))
	one, two := newWorldIn(t, w.dir), newWorldIn(t, copied)
	one.keys.Store(100) // the Idempotency-Keys before were used
	two.keys.Store(100)
	common := unzipped(t, one.bundle(token, nil).is(200).body)["checkpoint"]
	ask := m{"checkpoint": common, "purpose": "service"}
	same := one.bundle(token, ask).is(200).body
	one.verified(same, bundle.Trust{})
	require.True(t, bytes.Equal(same, two.bundle(token, ask).is(200).body))

	known := two.do("GET", "/v1/log/checkpoints", nil).is(200)
	for i := range 5 {
		one.person(fmt.Sprintf("one%d@example.com", i))
	}
	one.sealed()
	ahead := string(one.anyone("GET", "/checkpoint", nil).is(200).body)
	two.bundle(token, m{"checkpoint": ahead}).problem(409, "checkpoint.ahead")
	for i := range 10 {
		two.person(fmt.Sprintf("two%d@example.com", i))
	}
	two.sealed()
	two.bundle(token, m{"checkpoint": ahead}).problem(409, "checkpoint.contradicted")
	two.do("POST", "/v1/log/checkpoints", ahead, header("Content-Type", "text/plain")).problem(409, "checkpoint.contradicted")
	require.Equal(t, 3, strings.Count(two.logs.String(), "ALARM: a checkpoint was brought"))
	kept := two.do("GET", "/v1/log/checkpoints", nil).is(200)
	require.Greater(t, len(kept.get("items").([]any)), len(known.get("items").([]any)))
	require.Contains(t, string(kept.body), strings.Split(ahead, "\n")[2])
}

func unmarshalled(t testing.TB, text []byte, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(text, into))
}
