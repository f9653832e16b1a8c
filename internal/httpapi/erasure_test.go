package httpapi_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain/personal"
	"lethe/domain/principal"
	"lethe/eventstore"
	"lethe/internal/httpapi"
)

func erasing(t testing.TB) *world {
	w := newWorld(t)
	w.declare()
	return w
}

// ended waits until a person's newest erasure is over and gives its state.
func (w *world) ended(token string) (state string) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		a := w.do("GET", "/v1/subjects/"+token+"/erasure", nil).is(200)
		var all httpapi.Erasures
		unmarshalled(w.t, a.body, &all)
		state = all.Items[len(all.Items)-1].State
		return state == "completed" || state == "stopped" || state == "cancelled"
	}, time.Minute, 50*time.Millisecond)
	return state
}

// Who follows the events from the first, before and after an erasure, holds
// ciphertext that nothing opens any more.
func TestPitfall11EveryFollowerHoldsCiphertextOnly(t *testing.T) {
	w := erasing(t)
	const email = "ada.pitfall@example.com"
	token := w.served(email)
	w.do("GET", "/v1/subjects/"+token+"?purpose=service", nil).is(200)
	before := w.do("GET", "/v1/events", nil).is(200)
	w.do("POST", "/v1/subjects/"+token+"/erasure", m{"everything": true, "ground": "unlawful"}, w.fresh()).is(202)
	require.Equal(t, "completed", w.ended(token))
	after := w.do("GET", "/v1/events", nil).is(200)
	secrets := []string{email, base64.StdEncoding.EncodeToString([]byte(email)), strings.ToUpper(email)}
	for _, feed := range []*answer{before, after} {
		for _, s := range secrets {
			require.NotContains(t, string(feed.body), s)
		}
	}
	require.Contains(t, string(after.body), `"ErasureCompleted"`)
	require.True(t, strings.HasPrefix(string(after.body), string(before.body[:len(before.body)/2])), "what was followed is as it was")
	for _, rec := range w.stored() { // what a follower kept, against the keys that are left
		if rec.Stream != "subject-"+token || rec.Type != "FieldsRecorded" {
			continue
		}
		opened := 0
		for state := range w.openedAll(rec) {
			require.Equal(t, personal.Erased, state)
			opened++
		}
		require.Positive(t, opened)
	}
}

// openedAll tells how each sealed value of an event opens.
func (w *world) openedAll(rec *eventstore.Recorded) map[personal.State]int {
	w.t.Helper()
	d, err := w.app.Codec.Decode(rec)
	require.NoError(w.t, err)
	states := map[personal.State]int{}
	for _, slot := range d.Event.Personal(nil) {
		if slot.Value.IsZero() {
			continue
		}
		v, err := w.app.Codec.OpenValue(w.t.Context(), w.app.Keys, *slot.Value)
		require.NoError(w.t, err)
		states[v.State()]++
	}
	return states
}

func TestErasureOverHTTP(t *testing.T) {
	w := erasing(t)
	token := w.served("ada@example.com")
	s := "/v1/subjects/" + token + "/erasure"
	dry := w.do("POST", s, m{"everything": true, "dry_run": true}, w.fresh()).is(200)
	require.Equal(t, "weighed", dry.text("state"))
	require.Equal(t, "contact", dry.text("groups.0.group"))
	require.Equal(t, "refuse", dry.text("groups.0.outcome"), "the contract runs")
	require.Equal(t, "contract_running", dry.text("groups.0.rule"))
	list := w.do("GET", s, nil).is(200)
	require.Contains(t, string(list.body), `"items":[]`)
	require.Contains(t, string(list.body), `"lifecycle":1`)

	for _, dry := range []bool{true, false} { // a dry run is refused as the order is
		w.do("POST", s, m{"groups": []string{"contact"}, "dry_run": dry}, w.fresh()).problem(http.StatusConflict, "erasure.no_ground")
		w.do("POST", s, m{"groups": []string{"nothing"}, "dry_run": dry}, w.fresh()).problem(http.StatusUnprocessableEntity, "erasure.group")
		w.do("POST", s, m{"superseded": []string{"contact"}, "dry_run": dry}, w.fresh()).problem(http.StatusConflict, "erasure.nothing")
		w.do("POST", s, m{"values": []m{{"field": "email", "slot": 7}}, "dry_run": dry}, w.fresh()).problem(http.StatusNotFound, "field.absent")
		w.do("POST", s, m{"everything": true, "grace": "P31D", "dry_run": dry}, w.fresh()).problem(http.StatusUnprocessableEntity, "erasure.grace")
		w.do("POST", s, m{"dry_run": dry}, w.fresh()).problem(http.StatusUnprocessableEntity, "erasure.scope")
	}
	w.do("POST", s, m{"everything": true, "grace": "soon"}, w.fresh()).problem(http.StatusUnprocessableEntity, "request.value")
	w.do("POST", "/v1/subjects/nobody/erasure", m{"everything": true}, w.fresh()).problem(http.StatusUnprocessableEntity, "subject.token")
	for _, role := range []principal.Role{principal.Service, principal.Auditor, principal.Admin} {
		w.anyone("POST", s, m{"everything": true}, bearer(w.tokenFor(role)), w.fresh()).is(403)
	}

	first := w.do("POST", s, m{"groups": []string{"contact"}, "ground": "unlawful", "grace": "P7D"}, key("once")).is(202)
	again := w.do("POST", s, m{"groups": []string{"contact"}, "ground": "unlawful", "grace": "P7D"}, key("once")).is(202)
	require.Equal(t, first.text("erasure"), again.text("erasure"))
	for _, dry := range []bool{true, false} {
		w.do("POST", s, m{"everything": true, "dry_run": dry}, w.fresh()).problem(http.StatusConflict, "erasure.underway")
	}
	id := first.text("erasure")
	w.do("POST", s+"/"+id+"/cancel", m{"reason": "changed their mind"}, w.fresh()).is(200)
	require.Equal(t, "cancelled", w.ended(token))
	w.do("POST", "/v1/subjects/"+token+"/lifecycle", m{}, w.fresh()).problem(http.StatusConflict, "lifecycle.open")

	w.do("POST", s, m{"groups": []string{"contact"}, "ground": "unlawful"}, w.fresh()).is(202)
	require.Equal(t, "completed", w.ended(token))
	done := w.do("GET", s, nil).is(200)
	require.Contains(t, string(done.body), `"closed":["contact"]`)
	all := w.do("GET", "/v1/erasures?state=completed&after_position="+w.app.Store.Stats().Head.String(), nil).is(200)
	require.Equal(t, token, all.text("items.0.token"))
	w.do("GET", "/v1/subjects/"+token+"?purpose=service", nil).is(403)
	w.do("POST", "/v1/subjects/"+token+"/lifecycle", m{"reason": "back"}, w.fresh()).is(200)
	w.do("PATCH", "/v1/subjects/"+token, m{"purpose": "service", "record": []m{{"field": "email", "value": "new@example.com"}}}, w.fresh()).is(200)
}

// Where the server's files lie is not for callers.
func TestReasonsNameNoDirectory(t *testing.T) {
	for why, told := range map[string]string{
		"writing the journal: open /srv/lethe/journal/erasures: read-only file system": "writing the journal: open erasures: read-only file system",
		"keys cannot be deleted in /srv/lethe/epochs (input/output error)":             "keys cannot be deleted in epochs (input/output error)",
		"waiting for the view customers and/or people":                                 "waiting for the view customers and/or people",
	} {
		require.Equal(t, told, httpapi.WithoutDirectories(why))
	}
}
