package witness

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
)

const contentTypeText = "text/plain; charset=utf-8"

func (s *Server) addCheckpoint(w http.ResponseWriter, r *http.Request) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		w.Header().Set("Retry-After", "1")
		answer(w, http.StatusServiceUnavailable, contentTypeText, "too many requests at once\n")
		return
	}
	lines, err := s.add(r.Context(), http.MaxBytesReader(w, r.Body, maxRequest))
	var no *refusal
	switch {
	case err == nil:
		answer(w, http.StatusOK, contentTypeText, string(lines))
	case !errors.As(err, &no):
		s.log.ErrorContext(r.Context(), "a checkpoint could not be cosigned", "error", err)
		answer(w, http.StatusInternalServerError, contentTypeText, "the witness failed\n")
	case no.code == http.StatusConflict:
		answer(w, no.code, contentTypeSize, strconv.FormatInt(no.size, 10)+"\n")
	default:
		answer(w, no.code, contentTypeText, no.text+"\n")
	}
}

// add reads a request and answers it by the log's history.
func (s *Server) add(ctx context.Context, body io.Reader) ([]byte, error) {
	b, err := io.ReadAll(body)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, refuse(http.StatusRequestEntityTooLarge, "the request is larger than %d bytes", large.Limit)
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "the request cannot be read to its end")
	}
	req, err := parseRequest(b)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "%v", err)
	}
	h := s.logs[req.checkpoint.Origin]
	if h == nil {
		return nil, refuse(http.StatusNotFound, "the log is not known here")
	}
	lines, err := h.add(req)
	s.tell(ctx, h, req, err)
	return lines, err
}

// tell logs what became of a checkpoint. One that is signed and inconsistent
// is proof against the log: it is told in full, if it is not too long.
func (s *Server) tell(ctx context.Context, h *history, r *request, err error) {
	const most = 8 << 10
	attrs := []any{slog.String("origin", h.origin), slog.Int64("size", r.checkpoint.Size)}
	var no *refusal
	switch {
	case err == nil:
		s.log.InfoContext(ctx, "a checkpoint was cosigned", attrs...)
	case !errors.As(err, &no), no.code == http.StatusConflict:
	case no.code == http.StatusUnprocessableEntity && len(r.signed) <= most:
		s.log.WarnContext(ctx, "a signed checkpoint was refused", append(attrs, "why", no.text, "old", r.old, "checkpoint", string(r.signed))...)
	default:
		s.log.WarnContext(ctx, "a checkpoint was refused", append(attrs, "why", no.text)...)
	}
}

// latest serves the monitoring path.
func (s *Server) latest(w http.ResponseWriter, r *http.Request) {
	var note []byte
	if h := s.byURL[r.PathValue("hash")]; h != nil {
		note = h.note()
	}
	if note == nil {
		answer(w, http.StatusNotFound, contentTypeText, "no checkpoint of this log was cosigned\n")
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	answer(w, http.StatusOK, contentTypeText, string(note))
}

func answer(w http.ResponseWriter, code int, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	_, _ = io.WriteString(w, body) // who has gone asks again
}
