package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"lethe/internal/auth"
)

const prefix = "/v1"

// route declares one operation: what it is called and who may call it.
type route struct {
	method  string
	path    string // below /v1
	tag     string
	summary string // its operation ID is made of it: never changes
	about   string // the description, worth reading
	action  auth.Action
	// byDoor leaves the refusal of a role to the door, which records it.
	byDoor bool
	status int // of success; 0 = 200
	// keyed routes take an Idempotency-Key; needsKey ones refuse to go without.
	keyed, needsKey bool
	matched         bool   // takes If-Match
	long            bool   // a feed or an import: no timeout
	conditional     bool   // answers 304 to an If-None-Match
	stream          bool   // reads its body itself
	media           string // of the body; "" = application/json
	bodyOptional    bool
}

func (r route) operation(s *API) huma.Operation {
	op := huma.Operation{
		OperationID: operationID(r.summary), Method: r.method, Path: prefix + r.path,
		Summary: r.summary, Description: r.about + "\n\nRoles: " + rolesOf(r) + ".", Tags: []string{r.tag},
		DefaultStatus: r.status, SkipValidateBody: true, BodyReadTimeout: -1,
		MaxBodyBytes: s.Limits.MaxBody + 1, // the body was read and bounded before
		Security:     []map[string][]string{{"token": {}}},
		Responses:    map[string]*huma.Response{"default": problemResponse(s.api.OpenAPI().Components.Schemas)},
		Middlewares:  huma.Middlewares{s.enter(r)},
	}
	if r.keyed {
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: "Idempotency-Key", In: "header", Required: r.needsKey, Schema: &huma.Schema{Type: "string", MaxLength: ptr(maxKey)},
			Description: "Names the command, 1 to 255 characters of your choice: a repeat with the same key is answered, not done again; " +
				"with another body it is refused (422). Only a keyed hash of it is kept.",
		})
	}
	if r.matched {
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: "If-Match", In: "header", Schema: &huma.Schema{Type: "string"},
			Description: "An ETag read before: if the record changed since, nothing is done (412).",
		})
	}
	if r.conditional {
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: "If-None-Match", In: "header", Schema: &huma.Schema{Type: "string"}, Description: "ETags that you have.",
		})
		op.Responses["304"] = &huma.Response{
			Description: "Nothing changed since the ETag. Where personal data was asked for, the access was recorded all the same.",
		}
	}
	return op
}

func problemResponse(r huma.Registry) *huma.Response {
	return &huma.Response{
		Description: "A problem (RFC 9457). The code says which; nothing was changed unless the status is 503, after which a repeat with the same Idempotency-Key is safe.",
		Content: map[string]*huma.MediaType{
			problemType: {Schema: r.Schema(reflect.TypeFor[Problem](), true, "Problem")},
		},
	}
}

func ptr[T any](v T) *T { return &v }

func rolesOf(r route) string {
	roles := auth.RolesFor(r.action)
	names := make([]string, len(roles))
	for i, role := range roles {
		names[i] = string(role)
	}
	return strings.Join(names, ", ")
}

// handle registers an operation. The caller's role is checked before anything
// of the request is looked at.
func handle[I, O any](s *API, r route, do func(ctx context.Context, c *call, in *I) (*O, error)) {
	s.routes[r.method+" "+prefix+r.path] = r
	huma.Register(s.api, r.operation(s), func(ctx context.Context, in *I) (*O, error) {
		c := callIn(ctx)
		if err := checkInput(in); err != nil {
			return nil, problem(c, err)
		}
		out, err := do(ctx, c, in)
		if err != nil {
			return nil, answerTo(c, err)
		}
		return out, nil
	})
	if r.bodyOptional { // registering makes every body required
		operationAt(s.api.OpenAPI().Paths[prefix+r.path], r.method).RequestBody.Required = false
	}
}

func operationAt(p *huma.PathItem, method string) *huma.Operation {
	return map[string]*huma.Operation{
		http.MethodGet: p.Get, http.MethodPut: p.Put, http.MethodPost: p.Post, http.MethodPatch: p.Patch, http.MethodDelete: p.Delete,
	}[method]
}

// answerTo keeps what is an answer by itself, such as "not modified".
func answerTo(c *call, err error) error {
	if as, ok := err.(*notModified); ok { //nolint:errorlint // never wrapped
		return as
	}
	return problem(c, err)
}

// checkInput refuses illegal parameters and then bodies.
func checkInput(in any) error {
	v := reflect.ValueOf(in).Elem()
	if err := checkForm(v, "", ""); err != nil {
		return err
	}
	f := v.FieldByName("Body")
	if !f.IsValid() {
		return nil
	}
	if b, ok := f.Addr().Interface().(interface{ check() error }); ok {
		return b.check()
	}
	return nil
}

// enter is the middleware of one operation.
func (s *API) enter(r route) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		c := callIn(ctx.Context())
		if err := s.admit(c, r); err != nil {
			p := problem(c, err)
			for k, v := range p.GetHeaders() {
				ctx.SetHeader(k, v[0])
			}
			ctx.SetHeader("Content-Type", problemType)
			ctx.SetStatus(p.Status)
			_ = s.api.Marshal(ctx.BodyWriter(), "application/json", p)
			return
		}
		if r.long {
			next(ctx)
			return
		}
		bounded, cancel := context.WithTimeout(ctx.Context(), s.Limits.Timeout)
		defer cancel()
		next(huma.WithContext(ctx, bounded))
	}
}

func (s *API) admit(c *call, r route) error {
	if !r.byDoor {
		if err := auth.Allow(c.caller, r.action); err != nil {
			return err
		}
	}
	if r.needsKey && c.command.IsZero() {
		return errNoKey
	}
	if c.ifMatch != nil && !r.matched && r.method != http.MethodGet {
		return malformed("If-Match", "this operation takes no If-Match")
	}
	return nil
}
