package httpapi

import (
	"bytes"
	"context"
	"net/http"
	"regexp"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/internal/auth"
	"lethe/internal/ledger"
	"lethe/internal/starter"
)

const tagCatalogue = "Catalogue"

type noInput struct{}

type named struct {
	ID domain.Name `path:"id" doc:"The name it is declared under" example:"customer.service"`
}

type shownAs[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

// bare is an answer without an ETag.
type bare[T any] struct{ Body T }

type list[T any] struct {
	Items []T `json:"items"`
}

func (s *API) catalogueRoutes() {
	s.controllerRoutes()
	s.fieldRoutes()
	s.purposeRoutes()
	s.noticeRoutes()
	s.recipientRoutes()
	handle(s, route{
		method: http.MethodPost, path: "/catalogue", tag: tagCatalogue, summary: "Load catalogue file", keyed: true,
		action: auth.WriteCatalogue, media: "application/yaml",
		about: "Declares everything in a catalogue file (YAML, `format: lethe-catalogue/1`), all or nothing. " +
			"What is declared identically already makes no event, so loading a file twice changes nothing. " +
			"The answer lists the versions of purposes that were made and whether consent must be given anew.",
	}, s.loadCatalogue)
}

type catalogueFile struct {
	RawBody []byte `contentType:"application/yaml" required:"true"`
}

func (s *API) loadCatalogue(ctx context.Context, c *call, in *catalogueFile) (*wroteAs[CatalogueOutcome], error) {
	declared, err := starter.Parse(bytes.NewReader(in.RawBody))
	if err != nil {
		return nil, withoutKeys(err)
	}
	commands := make([]catalogue.Command, len(declared))
	for i, d := range declared {
		commands[i] = d.Command
	}
	out, err := s.Ledger.Declare(ctx, c.request(""), commands...)
	if err != nil {
		return nil, err
	}
	made, err := s.made(ctx, out)
	if err != nil {
		return nil, err
	}
	return answerWith(out, CatalogueOutcome{Outcome: outcome("", out), Purposes: made}), nil
}

var (
	unknownKey  = regexp.MustCompile(`(?s)field .*? not found`)
	repeatedKey = regexp.MustCompile(`(?s)mapping key .*? already defined`)
)

// withoutKeys takes the keys of a file that is not understood out of its
// error: a misplaced value is a key to YAML.
func withoutKeys(err error) error {
	e, ok := domain.AsError(err)
	if !ok {
		return err
	}
	clean := *e
	clean.Message = unknownKey.ReplaceAllString(clean.Message, "this key is not known")
	clean.Message = repeatedKey.ReplaceAllString(clean.Message, "this key is there twice")
	return &clean
}

// catalogueList registers a list of declarations.
func catalogueList[T any](s *API, kind, about string, of func(*catalogue.State) []T) {
	handle(s, route{
		method: http.MethodGet, path: "/catalogue/" + kind, tag: tagCatalogue, summary: "List " + kind,
		action: auth.ReadCatalogue, conditional: true, about: about,
	}, func(ctx context.Context, c *call, _ *noInput) (*shownAs[list[T]], error) {
		cat, tag, err := s.catalogueNow(ctx, c)
		if err != nil {
			return nil, err
		}
		items := of(cat)
		if items == nil {
			items = []T{}
		}
		return &shownAs[list[T]]{ETag: tag, Body: list[T]{Items: items}}, nil
	})
}

// catalogueItem registers reading one declaration.
func catalogueItem[T any](s *API, kind, one, about string, of func(context.Context, *catalogue.State, domain.Name) (T, bool, error)) {
	handle(s, route{
		method: http.MethodGet, path: "/catalogue/" + kind + "/{id}", tag: tagCatalogue, summary: "Get " + one,
		action: auth.ReadCatalogue, conditional: true, about: about,
	}, func(ctx context.Context, c *call, in *named) (*shownAs[T], error) {
		cat, tag, err := s.catalogueNow(ctx, c)
		if err != nil {
			return nil, err
		}
		item, ok, err := of(ctx, cat, in.ID)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, domain.NotFound("catalogue.undeclared", "id", "no %s of this name is declared", one)
		}
		return &shownAs[T]{ETag: tag, Body: item}, nil
	})
}

type declaration[T any] struct {
	ID   domain.Name `path:"id" doc:"The name to declare it under: lower-case letters and digits joined by . _ or -" example:"customer.service"`
	Body body[T]
}

// cataloguePut registers declaring one thing.
func cataloguePut[T, O any](
	s *API, kind, one, about string, command func(domain.Name, T) catalogue.Command,
	answer func(context.Context, domain.Name, ledger.Outcome) (*O, error),
) {
	handle(s, route{
		method: http.MethodPut, path: "/catalogue/" + kind + "/{id}", tag: tagCatalogue, summary: "Declare " + one,
		action: auth.WriteCatalogue, keyed: true, matched: true,
		about: about + " Declaring the same again makes no event. The ETag is the whole catalogue's revision.",
	}, func(ctx context.Context, c *call, in *declaration[T]) (*O, error) {
		out, err := s.Ledger.Declare(ctx, c.request(""), command(in.ID, in.Body.Value))
		if err != nil {
			return nil, err
		}
		return answer(ctx, in.ID, out)
	})
}

// catalogueNow is the catalogue with its ETag, or a 304.
func (s *API) catalogueNow(ctx context.Context, c *call) (*catalogue.State, string, error) {
	cat, err := s.Ledger.Catalogue(ctx)
	if err != nil {
		return nil, "", err
	}
	tag := etag(cat.Revision())
	if fresh(c.none, tag) {
		return nil, "", unchanged(tag)
	}
	return cat, tag, nil
}
