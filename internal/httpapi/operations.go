package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/domain/personal"
	"lethe/domain/principal"
	"lethe/eventstore"
	"lethe/internal/auth"
	"lethe/projections"
)

const tagOperations = "Operations"

// ViewStatus is how one view is.
type ViewStatus struct {
	Name     string              `json:"name"`
	Schema   int                 `json:"schema_version"`
	State    projections.State   `json:"state" enum:"live,rebuilding,failed"`
	Serving  bool                `json:"serving" doc:"It answers, if only up to its position"`
	Position eventstore.Position `json:"position" doc:"Up to which it has seen the log"`
	Lag      *uint64             `json:"lag,omitempty" nullable:"false" doc:"Events it has not seen yet"`
	Done     uint64              `json:"rebuilt,omitzero" doc:"Events of the log that a rebuild under way has read"`
	Total    uint64              `json:"rebuild_total,omitzero"`
}

func viewStatus(v projections.Status) ViewStatus {
	s := ViewStatus{Name: v.Name, Schema: v.Schema, State: v.State, Serving: v.Serving, Position: v.Position, Lag: v.Lag}
	if v.Rebuild != nil {
		s.Done, s.Total = v.Rebuild.Done, v.Rebuild.Total
	}
	return s
}

// ViewStatuses turns the runner's report into the API's.
func ViewStatuses(all []projections.Status) []ViewStatus { return each(all, viewStatus) }

func (s *API) operationRoutes() {
	handle(s, route{
		method: http.MethodGet, path: "/status", tag: tagOperations, summary: "Get status", action: auth.ReadStatus,
		about: "How many events, streams and people there are, up to which position, and how far each view is behind.",
	}, func(ctx context.Context, _ *call, _ *noInput) (*bare[Status], error) {
		status, err := s.Status(ctx)
		return &bare[Status]{Body: status}, err
	})
	handle(s, route{
		method: http.MethodGet, path: "/projections", tag: tagOperations, summary: "List projections", action: auth.ReadStatus,
		about: "How each view is.",
	}, func(context.Context, *call, *noInput) (*bare[list[ViewStatus]], error) {
		return &bare[list[ViewStatus]]{Body: list[ViewStatus]{Items: ViewStatuses(s.Views.Status())}}, nil
	})
	handle(s, route{
		method: http.MethodPost, path: "/projections/rebuild", tag: tagOperations, summary: "Rebuild projections",
		action: auth.RunProjections, long: true, bodyOptional: true,
		about: "Computes views anew from the log, beside the live ones, which go on answering until they are exchanged. " +
			"The answer is a line of JSON for each step; the last says done, or is a problem.",
	}, s.rebuild)
	s.documentStream("/projections/rebuild", http.MethodPost, "application/x-ndjson")
	s.tokenRoutes()
}

// RebuildBody names views.
type RebuildBody struct {
	Views []domain.Name `json:"views,omitempty" doc:"All when left out" example:"[\"consents\"]"`
}

// RebuildProgress is how far a rebuild is.
type RebuildProgress struct {
	View  string `json:"view,omitzero"`
	Done  uint64 `json:"events" doc:"Read so far"`
	Total uint64 `json:"total" doc:"To read"`
	Ended bool   `json:"done,omitzero" doc:"Everything asked for was rebuilt"`
}

func (s *API) rebuild(_ context.Context, c *call, in *struct{ Body body[RebuildBody] }) (*streamed, error) {
	var views []string
	known := s.Views.Status()
	for _, name := range in.Body.Value.Views {
		if !slices.ContainsFunc(known, func(v projections.Status) bool { return v.Name == string(name) }) {
			return nil, domain.NotFound("view.unknown", "views", "there is no view of this name: list them to see their names")
		}
		views = append(views, string(name))
	}
	return &streamed{Body: func(hctx huma.Context) {
		_, w := humago.Unwrap(hctx)
		out := s.startStream(w, false)
		err := s.Views.Rebuild(hctx.Context(), func(p projections.Progress) {
			_ = out.line(RebuildProgress{View: p.View, Done: p.Done, Total: p.Total}) // it goes on without its caller's interest
		}, views...)
		if err != nil {
			out.problem(problem(c, err))
			return
		}
		_ = out.line(RebuildProgress{Ended: true})
	}}, nil
}

// TokenBody creates an access token, for a new principal or another one of
// somebody who has one.
type TokenBody struct {
	Principal domain.ID        `json:"principal,omitzero" doc:"Who has a token already; left out for a new user or program"`
	Name      string           `json:"name,omitzero" doc:"Of a new user or program; kept sealed" example:"web shop"`
	Kind      principal.Kind   `json:"kind,omitzero" enum:"user,program" doc:"Of a new one; program when left out"`
	Roles     []principal.Role `json:"roles" enum:"admin,officer,operator,auditor,service"`
	Purposes  []domain.Name    `json:"purposes,omitempty" doc:"It may act for these only, which are declared; for any when left out" example:"[\"customer.service\"]"`
	Expires   time.Time        `json:"expires,omitzero" doc:"In 90 days when left out"`
}

// TokenCreated is the answer to creating a token.
type TokenCreated struct {
	Outcome
	ID        domain.ID `json:"id" doc:"To revoke it by"`
	Principal domain.ID `json:"principal"`
	Expires   time.Time `json:"expires"`
	Secret    string    `json:"secret,omitzero" doc:"The token itself, shown this once and kept nowhere; absent from a repeat"`
}

// TokenAnswer is a token without its secret.
type TokenAnswer struct {
	ID        domain.ID        `json:"id"`
	Principal domain.ID        `json:"principal"`
	Roles     []principal.Role `json:"roles"`
	Purposes  []domain.Name    `json:"purposes,omitempty"`
	Created   time.Time        `json:"created"`
	Expires   time.Time        `json:"expires"`
	Revoked   bool             `json:"revoked,omitzero"`
	Valid     bool             `json:"valid"`
	Name      *Value           `json:"name,omitempty" nullable:"false" doc:"Of the user or program, when asked for"`
}

type tokenCreated struct {
	Position string `header:"Lethe-Position"`
	Body     TokenCreated
}

const tokenLife = 90 * 24 * time.Hour

func (s *API) tokenRoutes() {
	handle(s, route{
		method: http.MethodGet, path: "/tokens", tag: tagOperations, summary: "List tokens", action: auth.ManageTokens,
		about: "Every access token there was, without its secret. With `names`, whose it is: that is an access to staff data and recorded.",
	}, s.tokens)
	handle(s, route{
		method: http.MethodPost, path: "/tokens", tag: tagOperations, summary: "Create token", status: http.StatusCreated,
		action: auth.ManageTokens, keyed: true,
		about: "Creates an access token. Only a hash of it is kept: the secret is in this answer and nowhere else.",
	}, s.createToken)
	handle(s, route{
		method: http.MethodDelete, path: "/tokens/{id}", tag: tagOperations, summary: "Revoke token", action: auth.ManageTokens, keyed: true,
		about: "Ends a token now, for requests and for feeds that are open.",
	}, func(ctx context.Context, c *call, in *struct {
		ID domain.ID `path:"id"`
	},
	) (*written, error) {
		out, err := s.Ledger.Operate(ctx, c.request(""), operations.RevokeToken{Token: in.ID})
		return wrote("", out, err)
	})
}

func (s *API) tokens(ctx context.Context, c *call, in *struct {
	Names bool `query:"names" doc:"Also open the names of the users and programs"`
},
) (*bare[list[TokenAnswer]], error) {
	state, err := s.Ledger.Operations(ctx)
	if err != nil {
		return nil, err
	}
	now := s.Ledger.Now()
	answer := list[TokenAnswer]{Items: each(state.Tokens(), func(t operations.Token) TokenAnswer {
		return TokenAnswer{
			ID: t.TokenCreated.Token, Principal: t.Principal, Roles: t.Roles, Purposes: t.Purposes,
			Created: t.Created, Expires: t.Expires, Revoked: t.Revoked, Valid: t.Valid(now),
		}
	})}
	if in.Names {
		err = s.nameHolders(ctx, c, answer.Items)
	}
	return &bare[list[TokenAnswer]]{Body: answer}, err
}

func (s *API) nameHolders(ctx context.Context, c *call, tokens []TokenAnswer) error {
	names := make([]personal.Value, len(tokens))
	for i, t := range tokens {
		p, err := s.Ledger.Principal(ctx, t.Principal)
		if err != nil {
			return err
		}
		if p != nil {
			names[i] = p.Name
		}
	}
	opened, err := s.Door.Staff(ctx, c.caller, names)
	if err != nil {
		return err
	}
	for i := range tokens {
		tokens[i].Name = ptr(shown(opened[i]))
	}
	return nil
}

func (s *API) createToken(ctx context.Context, c *call, in *struct{ Body body[TokenBody] }) (*tokenCreated, error) {
	b := &in.Body.Value
	if len(b.Roles) == 0 { // before a principal is registered for it
		return nil, domain.Invalid("token.roles", "roles", "name at least one role: admin, officer, operator, auditor, service")
	}
	if err := s.declaredPurposes(ctx, b.Purposes); err != nil {
		return nil, err
	}
	holder, err := s.holder(ctx, c, b)
	if err != nil {
		return nil, err
	}
	id, err := s.nameFor(c, "token")
	if err != nil {
		return nil, err
	}
	secret, hash, err := auth.Mint(s.Rand)
	if err != nil {
		return nil, err
	}
	if b.Expires.IsZero() {
		b.Expires = s.Ledger.Now().Add(tokenLife)
	}
	out, err := s.Ledger.Operate(ctx, c.request(""), operations.CreateToken{
		Token: id, Principal: holder, Hash: hash, Roles: b.Roles, Purposes: b.Purposes, Expires: b.Expires,
	})
	if err != nil {
		return nil, err
	}
	a := &tokenCreated{Position: out.Position.String(), Body: TokenCreated{
		Outcome: outcome("", out), ID: id, Principal: holder, Expires: b.Expires, Secret: secret,
	}}
	if out.Repeated {
		a.Body.Secret = "" // this one was never made: the first is the token
		if state, err := s.Ledger.Operations(ctx); err == nil {
			if t, ok := state.Token(id); ok {
				a.Body.Expires = t.Expires
			}
		}
	}
	return a, nil
}

// declaredPurposes refuses a token for a purpose that nothing can be done for.
func (s *API) declaredPurposes(ctx context.Context, purposes []domain.Name) error {
	if len(purposes) == 0 {
		return nil
	}
	cat, err := s.Ledger.Catalogue(ctx)
	if err != nil {
		return err
	}
	for _, p := range purposes {
		if _, ok := cat.Purpose(p, 0); !ok {
			return domain.Invalid("token.purpose", "purposes",
				"a purpose is not declared: GET /v1/catalogue/purposes lists those that are, `lethe catalogue show` too")
		}
	}
	return nil
}

// holder is the principal that a new token is for, registered if it is new.
func (s *API) holder(ctx context.Context, c *call, b *TokenBody) (domain.ID, error) {
	if !b.Principal.IsZero() {
		p, err := s.Ledger.Principal(ctx, b.Principal)
		if err == nil && (p == nil || p.Disabled) {
			err = domain.NotFound("principal.unknown", "principal", "there is no such user or program, or it is disabled")
		}
		return b.Principal, err
	}
	id, err := s.nameFor(c, "principal")
	if err != nil {
		return id, err
	}
	if b.Kind == "" {
		b.Kind = principal.Program
	}
	_, err = s.Ledger.Staff(ctx, c.derived(c.command), id, principal.Register{ID: id, Kind: b.Kind, Name: sealed(b.Name)})
	return id, err
}
