package httpapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/principal"
	"lethe/internal/auth"
	"lethe/internal/httpapi"
)

var roles = []principal.Role{principal.Admin, principal.Officer, principal.Operator, principal.Auditor, principal.Service}

// fill puts well-formed values in a path's places.
func fill(path, token string) string {
	return strings.NewReplacer(
		"{token}", token, "{other}", token, "{purpose}", "newsletter", "{field}", "email",
		"{event}", "00000000-0000-4000-8000-000000000000", "{hold}", "00000000-0000-4000-8000-000000000000",
		"{id}", "00000000-0000-4000-8000-000000000000",
	).Replace(path)
}

func TestNoRouteWithoutAToken(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.person("ada@example.com")
	wrong := []opt{
		func(*http.Request) {}, bearer("lethe_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), bearer("x"), header("Authorization", "Basic eDp5"),
	}
	before := w.app.Store.Stats().Events
	for path, methods := range describe(t, w).Paths {
		for method := range methods {
			for _, o := range wrong {
				a := w.anyone(strings.ToUpper(method), fill(path, token), nil, o)
				a.problem(401, "auth.token")
				require.NotEmpty(t, a.header.Get("WWW-Authenticate"))
			}
		}
	}
	w.anyone("GET", "/v1/nothing", nil).problem(401, "auth.token")
	require.Equal(t, before, w.app.Store.Stats().Events, "nothing was written")
}

// Every route × every role: allowed means anything but 401 and 403 for the
// role, refused means 403 with the role's code.
func TestRolesAreTheTable(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.person("ada@example.com")
	secrets := map[principal.Role]string{}
	for _, r := range roles {
		secrets[r] = w.tokenFor(r)
	}
	actions := w.api.Actions()
	bodies := map[string]any{ // where the door refuses, after the body was understood
		"POST /v1/subjects/lookup": m{"kind": "email", "value": "eve@example.com", "purpose": "service"},
	}
	for path, methods := range describe(t, w).Paths {
		for method := range methods {
			pattern := strings.ToUpper(method) + " " + path
			action, ok := actions[pattern]
			require.True(t, ok, pattern)
			for _, role := range roles {
				a := w.anyone(strings.ToUpper(method), fill(path, token), bodies[pattern], bearer(secrets[role]), key("k-"+string(role)+pattern))
				if slices.Contains(auth.RolesFor(action), role) {
					require.NotEqual(t, 401, a.status, "%s %s", pattern, role)
					if a.status == 403 {
						require.NotEqual(t, "auth.role", a.get("code"), "%s %s", pattern, role)
					}
					continue
				}
				a.problem(403, "auth.role")
			}
		}
	}
}

func TestATokenForOtherPurposesIsRefused(t *testing.T) {
	w := newWorld(t)
	w.declare()
	token := w.person("ada@example.com")
	shop := bearer(w.tokenFor(principal.Service, "service"))
	w.anyone("GET", "/v1/subjects/"+token+"?purpose=newsletter", nil, shop).problem(403, "access.purpose")
	w.anyone("POST", "/v1/subjects/"+token+"/consents/newsletter/give", m{}, shop).problem(403, "access.purpose")
	w.anyone("PATCH", "/v1/subjects/"+token, m{"purpose": "newsletter", "record": []m{{"field": "email", "value": "x@example.com"}}}, shop).
		problem(403, "access.purpose")
	w.anyone("PATCH", "/v1/subjects/"+token, m{"purpose": "service", "record": []m{{"field": "name", "value": "Ada L."}}}, shop).is(200)
	w.anyone("POST", "/v1/subjects/"+token+"/consents/newsletter/withdraw", nil, shop).is(200)
}

func TestARevokedTokenCountsNoMore(t *testing.T) {
	w := newWorld(t)
	made := w.do("POST", "/v1/tokens", m{"name": "shop", "roles": []string{"auditor"}}, key("one")).is(201)
	again := w.do("POST", "/v1/tokens", m{"name": "shop", "roles": []string{"auditor"}}, key("one")).is(201)
	require.Equal(t, made.get("id"), again.get("id"))
	require.Equal(t, true, again.get("repeated"))
	require.Nil(t, again.get("secret"))
	secret := made.text("secret")
	w.anyone("GET", "/v1/status", nil, bearer(secret)).is(200)
	list := w.do("GET", "/v1/tokens?names=true", nil).is(200)
	require.Equal(t, "shop", list.get("items.0.name.text"))
	require.NotContains(t, string(list.body), secret)
	w.do("DELETE", "/v1/tokens/"+made.text("id"), nil).is(200)
	w.anyone("GET", "/v1/status", nil, bearer(secret)).problem(401, "auth.token")
	require.Nil(t, w.do("GET", "/v1/tokens", nil).get("items.0.name"))
}

func TestHealthTellsNothingElse(t *testing.T) {
	ready := false
	w := newWorld(t, func(o *httpapi.Options) { o.Ready = func() bool { return ready } })
	require.Equal(t, "ok\n", string(w.anyone("GET", "/healthz", nil).is(200).body))
	require.Equal(t, "not ready\n", string(w.anyone("GET", "/readyz", nil).is(503).body))
	ready = true
	require.Equal(t, "ok\n", string(w.anyone("GET", "/readyz", nil).is(200).body))
}

func TestEveryKindHasAStatus(t *testing.T) {
	for kind, status := range map[domain.Kind]int{
		domain.KindInvalid: 422, domain.KindNotFound: 404, domain.KindConflict: 409, domain.KindPrecondition: 412,
		domain.KindForbidden: 403, domain.KindGone: 410, domain.KindUnauthorized: 401, domain.KindUnavailable: 503,
		domain.KindInternal: 500, 0: 500, 99: 500,
	} {
		require.Equal(t, status, httpapi.StatusOf(&domain.Error{Kind: kind, Code: "x.y"}), kind)
	}
}
