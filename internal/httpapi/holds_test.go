package httpapi_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/principal"
	"lethe/internal/app"
)

// seen waits until a view has seen everything.
func (w *world) seen(view string) {
	w.t.Helper()
	require.NoError(w.t, w.app.Views.WaitFor(w.t.Context(), view, w.app.Store.Stats().Head))
}

func groupHold(change m) m {
	b := m{"group": "contact", "purpose": "claims", "review": "2990-01-31T00:00:00Z", "authority": "canary: court order 4 O 17", "people": "everyone"}
	for k, v := range change {
		b[k] = v
	}
	return b
}

func TestHoldsForManyPeople(t *testing.T) {
	w := newWorld(t)
	w.declare()
	ada := w.person("ada@example.com")
	w.do("POST", "/v1/holds", groupHold(m{"people": "purpose"})).problem(422, "hold.people")
	w.do("POST", "/v1/holds", groupHold(m{"people": "pigeons"})).problem(422, "request.value")
	w.do("POST", "/v1/holds", groupHold(m{"authority": ""})).problem(422, "hold.authority")
	w.do("POST", "/v1/holds", groupHold(m{"people": "import", "import": domain.ID{1}.String()})).problem(404, "import.unknown")

	first := w.do("POST", "/v1/holds", groupHold(nil), key("one")).is(200)
	again := w.do("POST", "/v1/holds", groupHold(nil), key("one")).is(200)
	require.Equal(t, first.text("hold"), again.text("hold"))
	require.Equal(t, true, again.get("repeated"))
	w.do("POST", "/v1/holds", groupHold(m{"people": "purpose", "for": "service"})).is(200)
	w.do("POST", "/v1/holds", groupHold(m{"people": "purpose", "for": "newsletter"})).is(200)
	own := w.do("POST", "/v1/subjects/"+ada+"/holds", m{
		"group": "identity", "purpose": "claims", "review": "2990-01-31T00:00:00Z", "authority": "x",
	}).is(200)

	w.seen("customers")
	list := w.do("GET", "/v1/holds", nil).is(200)
	require.Len(t, list.get("items"), 4)
	require.NotContains(t, string(list.body), "canary")
	require.Equal(t, "service", list.text("items.1.for"))
	opened := w.do("GET", "/v1/holds?authority=true", nil).is(200)
	require.Equal(t, "canary: court order 4 O 17", opened.text("items.0.authority.text"))
	require.Empty(t, w.do("GET", "/v1/holds?overdue=true", nil).is(200).get("items"))
	require.Equal(t, ada, list.text("items.3.token"))
	require.Equal(t, own.text("hold"), list.text("items.3.hold"))

	binding := w.do("GET", "/v1/subjects/"+ada+"/holds", nil).is(200)
	require.Len(t, binding.get("items"), 3, "her own, and two for the groups that she belongs to")
	require.Equal(t, ada, binding.text("items.0.token"))
	require.Equal(t, "everyone", binding.text("items.1.people"))
	w.do("GET", "/v1/subjects/"+ada+"x/holds", nil).problem(422, "subject.token")
	require.NotContains(t, string(binding.body), `"authority"`)
	told := w.do("GET", "/v1/subjects/"+ada+"/holds?authority=true", nil).is(200)
	for i := range 3 {
		require.Equal(t, "present", told.text(fmt.Sprintf("items.%d.authority.state", i)))
	}
}

func TestReleasingAHoldForManyPeopleReleasesItsCopies(t *testing.T) {
	w := newWorld(t)
	w.declare()
	ada := w.person("ada@example.com")
	w.seen("customers")
	hold := w.do("POST", "/v1/holds", groupHold(nil)).is(200).text("hold")
	n, err := w.app.Ledger.FanOutHolds(t.Context(), app.System, domain.Token(ada), nil)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Len(t, w.do("GET", "/v1/subjects/"+ada+"/holds", nil).is(200).get("items"), 1, "it is one hold")
	w.do("POST", "/v1/subjects/"+ada+"/holds/"+hold+"/release", nil).problem(409, "hold.of_people")

	w.do("POST", "/v1/holds/"+hold+"/release", nil).is(200)
	w.do("POST", "/v1/holds/"+hold+"/release", nil).problem(404, "hold.unknown")
	require.Empty(t, w.do("GET", "/v1/subjects/"+ada+"/holds", nil).is(200).get("items"))
	require.Empty(t, w.do("GET", "/v1/holds", nil).is(200).get("items"))
	require.Len(t, w.do("GET", "/v1/holds?released=true", nil).is(200).get("items"), 1)
	require.Eventually(t, func() bool {
		s, err := w.app.Ledger.Subject(t.Context(), domain.Token(ada))
		return err == nil && len(s.At(time.Time{}, time.Time{}).Holds) == 0
	}, 10*time.Second, time.Millisecond, "a follower releases the copy")
}

func TestWhoMayHold(t *testing.T) {
	w := newWorld(t)
	w.declare()
	ada := w.person("ada@example.com")
	w.seen("customers")
	hold := w.do("POST", "/v1/holds", groupHold(nil)).is(200).text("hold")
	for role, reads := range map[principal.Role]bool{
		principal.Admin: false, principal.Operator: false, principal.Service: false, principal.Auditor: true,
	} {
		token := bearer(w.tokenFor(role))
		w.anyone("POST", "/v1/holds", groupHold(nil), token).problem(403, "auth.role")
		w.anyone("POST", "/v1/holds/"+hold+"/release", nil, token).problem(403, "auth.role")
		w.anyone("GET", "/v1/holds?authority=true", nil, token).problem(403, "auth.role")
		w.anyone("GET", "/v1/subjects/"+ada+"/holds?authority=true", nil, token).problem(403, "auth.role")
		for _, path := range []string{"/v1/holds", "/v1/subjects/" + ada + "/holds"} {
			if a := w.anyone("GET", path, nil, token); reads {
				a.is(200)
			} else {
				a.problem(403, "auth.role")
			}
		}
	}
	w.anyone("GET", "/v1/holds?authority=true", nil, bearer(w.tokenFor(principal.Officer))).is(200)
}
