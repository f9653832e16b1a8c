package httpapi

import (
	"compress/gzip"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"lethe/domain"
	"lethe/internal/auth"
	"lethe/internal/durable"
	"lethe/internal/tlog"
)

// The log's own files, at the addresses and with the headers that C2SP
// tlog-tiles asks for. Checkpoint, hash tiles and the list of keys are
// public: they are hashes and signatures. Entries name everyone's tokens,
// event types and times: they need the auditor's role and stay private.
const (
	patternCheckpoint = "GET /checkpoint"
	patternKeys       = "GET /log-keys"
	patternTile       = "GET /tile/{level}/{n...}"
	patternNoTile     = "GET /tile/{level}" // else the router would redirect to the one above
	patternEntries    = "GET /tile/entries/{n...}"
)

const forever = "max-age=31536000, immutable"

func (s *API) logFiles() {
	if s.Seal == nil {
		return
	}
	s.routes[patternEntries] = route{method: http.MethodGet, path: "/tile/entries", action: auth.ReadEntries}
	s.mux.HandleFunc(patternCheckpoint, func(w http.ResponseWriter, r *http.Request) {
		p := s.Seal.Published()
		if p == nil {
			refuse(w, callIn(r.Context()), errNoCheckpoint)
			return
		}
		sendText(w, "public, max-age=1", p.Note)
	})
	s.mux.HandleFunc(patternKeys, func(w http.ResponseWriter, _ *http.Request) { sendText(w, "public, max-age=1", s.Seal.KeyList()) })
	s.mux.HandleFunc(patternTile, s.tile)
	s.mux.HandleFunc(patternNoTile, func(w http.ResponseWriter, r *http.Request) { refuse(w, callIn(r.Context()), errNoTile) })
	s.mux.HandleFunc(patternEntries, s.entries)
}

var errNoCheckpoint = &domain.Error{
	Kind: domain.KindUnavailable, Code: "log.unpublished",
	Message: "no checkpoint is published yet: the first follows the first event, or waits for the witnesses' cosignatures",
}

func sendText(w http.ResponseWriter, cache string, b []byte) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", cache)
	_, _ = w.Write(b) // the caller is gone: nobody is left to tell
}

var errNoTile = domain.NotFound("log.tile", "", "there is no such tile: fetch the checkpoint, and tiles for its size (C2SP tlog-tiles)")

// tilePath reads what the address names.
func tilePath(r *http.Request) (level int, n int64, width int, ok bool) {
	level, n, width, err := tlog.ParsePath(strings.TrimPrefix(r.URL.Path, "/"))
	return level, n, width, err == nil
}

func (s *API) tile(w http.ResponseWriter, r *http.Request) {
	level, n, width, ok := tilePath(r)
	if !ok || level < 0 {
		refuse(w, callIn(r.Context()), errNoTile)
		return
	}
	b, err := s.Seal.Tiles().ReadTile(r.Context(), level, n, width)
	s.sendTile(w, r, "public, "+forever, b, err)
}

func (s *API) entries(w http.ResponseWriter, r *http.Request) {
	c := callIn(r.Context())
	if err := auth.Allow(c.caller, auth.ReadEntries); err != nil {
		refuse(w, c, err)
		return
	}
	_, n, width, ok := tilePath(r)
	if !ok {
		refuse(w, c, errNoTile)
		return
	}
	b, err := s.Seal.Entries().ReadEntries(r.Context(), n, width)
	s.sendTile(w, r, "private, "+forever, b, err)
}

// minCompressed is what compressing is worth the while for.
const minCompressed = 1 << 10

func (s *API) sendTile(w http.ResponseWriter, r *http.Request, cache string, b []byte, err error) {
	c := callIn(r.Context())
	switch {
	case durable.IsNotExist(err):
		refuse(w, c, errNoTile)
		return
	case err != nil:
		refuse(w, c, domain.Internal("reading a tile", err))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Cache-Control", cache)
	h.Add("Vary", "Accept-Encoding")
	if strings.HasPrefix(cache, "private") && len(b) >= minCompressed && takesGzip(r) { // hashes do not get smaller
		h.Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, err := z.Write(b)
		_ = errors.Join(err, z.Close()) // the caller is gone: nobody is left to tell
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b)
}

func takesGzip(r *http.Request) bool {
	for _, part := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" && strings.TrimSpace(params) != "q=0" {
			return true
		}
	}
	return false
}
