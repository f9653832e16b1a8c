package httpapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/principal"
	"lethe/internal/keyring"
)

// forgotten registers and erases somebody, whose address and source row leave
// marks.
func (w *world) forgotten(email, row string) {
	w.t.Helper()
	ctx := w.t.Context()
	token := domain.Token(w.person(email))
	key := w.app.Keys.SourceKeyOf("shop", "people", row)
	_, err := w.app.Keys.ReserveImports(ctx, []keyring.Reservation{{Key: key, Token: token}})
	require.NoError(w.t, err)
	keys, err := w.app.Keys.Keys(ctx, token.Stream())
	require.NoError(w.t, err)
	_, err = w.app.Keys.Destroy(ctx, "erasure", keyring.Destruction{
		Erasure: domain.ID{1}, Token: token, Keys: keys, Everything: true, Marks: keyring.MarkSource | keyring.MarkObjection,
	})
	require.NoError(w.t, err)
}

func registrationOf(email, row string) m {
	r := registration(email)
	r["source"] = m{"system": "shop", "table": "people", "row": row}
	return r
}

func TestMarksAreSearchedAndLifted(t *testing.T) {
	w := newWorld(t)
	w.declare()
	w.forgotten("canary@example.com", "17")
	row := m{"source": m{"system": "shop", "table": "people", "row": "17"}}
	found := w.do("POST", "/v1/suppression/search", m{"source": row["source"], "email": "Canary@example.com", "phone": "+4930123456"}).is(200)
	require.Len(t, found.get("items"), 2)
	require.Equal(t, "source", found.text("items.0.by"))
	require.Equal(t, "email", found.text("items.1.by"))
	require.Equal(t, true, found.get("items.1.objection"))
	require.Empty(t, w.do("POST", "/v1/suppression/search", m{"email": "eve@example.com"}).is(200).get("items"))
	w.do("POST", "/v1/suppression/search", m{}).problem(400, "request.malformed")
	w.do("POST", "/v1/suppression/search", m{"source": m{"system": "shop"}}).problem(400, "request.malformed")

	w.do("POST", "/v1/subjects", registrationOf("new@example.com", "17"), w.fresh()).problem(409, "subject.suppressed")
	made := w.do("POST", "/v1/subjects", registrationOf("canary@example.com", "18"), w.fresh()).is(201)
	require.Equal(t, "email", made.text("suppressed.0"))

	lift := func(with m) m {
		b := m{"reason": "canary came back", "source": row["source"]}
		for k, v := range with {
			b[k] = v
		}
		return b
	}
	w.do("POST", "/v1/suppression/lift", lift(m{"reason": ""})).problem(422, "mark.reason")
	w.do("POST", "/v1/suppression/lift", lift(m{"email": "x@example.com"})).problem(400, "request.malformed")
	lifted := w.do("POST", "/v1/suppression/lift", lift(nil), key("lift")).is(200)
	require.Equal(t, true, w.do("POST", "/v1/suppression/lift", lift(nil), key("lift")).is(200).get("repeated"))
	w.do("POST", "/v1/suppression/lift", lift(nil)).problem(404, "mark.unknown")
	require.NotContains(t, string(lifted.body), "canary")
	w.do("POST", "/v1/subjects", registrationOf("new@example.com", "17"), w.fresh()).is(201)
	require.NotContains(t, w.logs.String(), "canary")

	for _, role := range []principal.Role{principal.Admin, principal.Operator, principal.Auditor, principal.Service} {
		token := bearer(w.tokenFor(role))
		w.anyone("POST", "/v1/suppression/search", row, token).problem(403, "auth.role")
		w.anyone("POST", "/v1/suppression/lift", lift(nil), token).problem(403, "auth.role")
	}
}
