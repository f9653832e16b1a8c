package httpapi

import (
	_ "embed"
	"net/http"

	"lethe/domain"
)

// docsPage lists the operations of /openapi.json without anything from
// elsewhere.
//
//go:embed docs.html
var docsPage []byte

// public are the routes that ask for no token. They tell nothing of the
// installation: two words, the description that every one shares, and the
// log's checkpoint and hashes, which are there to be compared.
var public = map[string]bool{
	"GET /healthz": true, "GET /readyz": true, "GET /openapi.json": true, "GET /docs": true,
	patternCheckpoint: true, patternKeys: true, patternTile: true, patternNoTile: true,
}

func (s *API) publicRoutes() {
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { word(w, http.StatusOK, "ok\n") })
	s.mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if s.Ready != nil && !s.Ready() {
			word(w, http.StatusServiceUnavailable, "not ready\n")
			return
		}
		word(w, http.StatusOK, "ok\n")
	})
	s.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, r *http.Request) {
		if s.specErr != nil {
			refuse(w, callIn(r.Context()), domain.Internal("describing the API", s.specErr))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(s.spec) // the caller is gone: nobody is left to tell
	})
	s.mux.HandleFunc("GET /docs", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy",
			"default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-ancestors 'none'")
		_, _ = w.Write(docsPage)
	})
}

func word(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}
