package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"time"

	"lethe/domain"
)

// Bounds of a request's address, which is checked before it is looked at.
const (
	maxPath  = 512
	maxQuery = 4096
)

// answered notes what was sent, for log and metrics.
type answered struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (a *answered) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answered) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(b)
	a.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController flush and set deadlines.
func (a *answered) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// chain is what every request passes, from the outside in: a name for the
// request, headers, log and metrics, recovery; then who calls, how much, and
// what; then the operation.
func (s *API) chain(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := s.begin()
		a := &answered{ResponseWriter: w}
		setHeaders(w.Header(), c)
		if err != nil {
			refuse(a, c, err)
			return
		}
		start := s.Now()
		s.metrics.begun()
		ctx := context.WithValue(r.Context(), callKey, c)
		defer func() {
			if p := recover(); p != nil {
				s.recovered(ctx, a, c, p)
			}
			s.finish(ctx, a, c, s.Now().Sub(start))
		}()
		s.serve(a, r.WithContext(ctx), c, mux)
	})
}

func (s *API) begin() (*call, error) {
	c := &call{route: "unmatched"}
	if _, err := io.ReadFull(s.Rand, c.id[:]); err != nil {
		return c, domain.Internal("drawing a request ID", err)
	}
	c.id[6] = c.id[6]&0x0f | 0x40 // version 4
	c.id[8] = c.id[8]&0x3f | 0x80
	return c, nil
}

func setHeaders(h http.Header, c *call) {
	h.Set("Lethe-Request", c.id.String())
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
}

// serve matches, admits and runs one request.
func (s *API) serve(w http.ResponseWriter, r *http.Request, c *call, mux *http.ServeMux) {
	if !cleanAddress(r) {
		refuse(w, c, errNoRoute)
		return
	}
	_, pattern := mux.Handler(r)
	if public[pattern] {
		c.route = pattern
		mux.ServeHTTP(w, r)
		return
	}
	if err := s.identify(r, c); err != nil {
		refuse(w, c, err)
		return
	}
	declared, ok := s.routes[pattern]
	if ok && declared.long && r.Method == http.MethodHead { // a stream that nobody reads would not end
		w.Header().Set("Allow", declared.method)
		refuse(w, c, errMethod)
		return
	}
	if !ok {
		s.noRoute(w, r, c, mux)
		return
	}
	c.route = pattern
	if err := s.prepare(w, r, c, declared); err != nil {
		refuse(w, c, err)
		return
	}
	mux.ServeHTTP(w, r)
}

// cleanAddress reports whether the address is one that the router takes as it
// is: a redirect to a cleaned one would repeat it in an answer.
func cleanAddress(r *http.Request) bool {
	p := r.URL.Path
	return r.Method != http.MethodConnect && len(r.URL.EscapedPath()) <= maxPath && len(r.URL.RawQuery) <= maxQuery &&
		path.Clean(p) == p
}

var errMethod = domain.Invalid("request.method", "", "this address does not take this method; Allow lists those that it takes")

var errNoRoute = domain.NotFound("request.route", "", "there is nothing at this address; /openapi.json lists what there is")

// noRoute tells an unknown address from a known one with another method.
func (s *API) noRoute(w http.ResponseWriter, r *http.Request, c *call, mux *http.ServeMux) {
	probe := &discarded{header: http.Header{}}
	mux.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", probe.header.Get("Allow"))
		refuse(w, c, errMethod)
		return
	}
	refuse(w, c, errNoRoute)
}

// discarded takes the router's own answer, of which only status and Allow count.
type discarded struct {
	header http.Header
	status int
}

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) Write(b []byte) (int, error) { return len(b), nil }
func (d *discarded) WriteHeader(status int)      { d.status = status }

func (s *API) recovered(ctx context.Context, a *answered, c *call, p any) {
	err, ok := p.(error)
	if ok && errors.Is(err, http.ErrAbortHandler) {
		return
	}
	// The value of a panic may quote what was being worked on: its type and
	// place are enough to find the fault.
	s.Logger.ErrorContext(ctx, "ALARM: a handler panicked", "request", c.id.String(), "route", c.route,
		"type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
	if a.status == 0 {
		refuse(a, nil, domain.Internal("panic", nil))
	}
}

// finish logs and counts. It names the route, never the address.
func (s *API) finish(ctx context.Context, a *answered, c *call, took time.Duration) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	s.metrics.ended(c.route, a.status, took)
	logFailure(ctx, s.Logger, c)
	if !s.Logger.Enabled(ctx, slog.LevelInfo) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request", c.id.String()), slog.String("route", c.route), slog.Int("status", a.status),
		slog.Int64("bytes", a.bytes), slog.Duration("took", took),
	}
	if !c.caller.Principal.IsZero() {
		attrs = append(attrs, slog.String("principal", c.caller.Principal.String()))
	}
	s.Logger.LogAttrs(ctx, slog.LevelInfo, "request", attrs...)
}
