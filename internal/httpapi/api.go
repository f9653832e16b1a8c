package httpapi

import (
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/danielgtaylor/huma/v2/casing"
)

// API is the handler with its description.
type API struct {
	Options
	api     huma.API
	mux     *http.ServeMux
	routes  map[string]route // by the mux's pattern
	limiter *limiter
	metrics *metrics
	feeds   chan struct{}
	bundles chan struct{} // one is made at a time
	spec    []byte
	specErr error // of a declaration that cannot be written
	handler http.Handler
}

// New makes the API's handler.
func New(o Options) *API {
	o.Limits.setDefaults()
	s := &API{
		Options: o, mux: http.NewServeMux(), routes: map[string]route{}, limiter: newLimiter(o.Limits, o.Now), metrics: newMetrics(o.Metrics),
		feeds: make(chan struct{}, o.Limits.MaxFeeds), bundles: make(chan struct{}, 1),
	}
	s.api = humago.New(s.mux, s.config())
	s.catalogueRoutes()
	s.subjectRoutes()
	s.consentRoutes()
	s.rightsRoutes()
	s.erasureRoutes()
	s.linkRoutes()
	s.readingRoutes()
	s.replayRoutes()
	s.eventRoutes()
	s.operationRoutes()
	s.epochRoutes()
	s.importRoutes()
	s.proofRoutes()
	s.bundleRoutes()
	s.certificateRoutes()
	s.logRoutes()
	s.verifyRoutes()
	s.restartRoutes()
	s.backupRoutes()
	s.dropRoutes()
	s.retentionRoutes()
	s.describe()
	s.publicRoutes()
	s.logFiles()
	s.handler = s.chain(s.mux)
	return s
}

// ServeHTTP serves everything but metrics.
func (s *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// OpenAPI is the description as JSON, indented, as /openapi.json has it.
func (s *API) OpenAPI() []byte { return s.spec }

func (s *API) config() huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Lethe", Version: "v1", Description: introduction,
				License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Tags: tags,
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token": {Type: "http", Scheme: "bearer", Description: "A token made by `lethe token create`."},
				},
			},
			Security: []map[string][]string{{"token": {}}},
		},
		Formats:                      map[string]huma.Format{"application/json": format(), "json": format()}, // "json": of problem+json
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{replaceErrors},
	}
}

// describe freezes the document.
func (s *API) describe() {
	doc := s.api.OpenAPI()
	delete(doc.Components.Schemas.Map(), "ErrorModel")
	delete(doc.Components.Schemas.Map(), "ErrorDetail")
	for _, schema := range doc.Components.Schemas.Map() {
		neverNull(schema)
	}
	s.spec, s.specErr = json.MarshalIndent(doc, "", "  ")
	s.spec = append(s.spec, '\n')
}

func operationID(summary string) string { return casing.Kebab(summary) }

// neverNull: a list without entries is [], here and in what is sent.
func neverNull(s *huma.Schema) {
	if s.Type == huma.TypeArray {
		s.Nullable = false
		neverNull(s.Items)
	}
	for _, p := range s.Properties {
		neverNull(p)
	}
}
