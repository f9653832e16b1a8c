package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"

	"lethe/domain"
	"lethe/internal/auth"
)

// identify finds the caller: injected in process, or by bearer token.
func (s *API) identify(r *http.Request, c *call) error {
	if caller, ok := callerIn(r.Context()); ok {
		c.caller, c.local = caller, true
		return nil
	}
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		bearer = ""
	}
	caller, err := auth.Authenticate(r.Context(), s.Ledger, bearer, s.Now())
	if err == nil {
		c.caller, c.bearer = caller, bearer
		return s.limiter.caller(caller.Token)
	}
	if e, ok := domain.AsError(err); !ok || e.Kind != domain.KindUnauthorized {
		return err
	}
	s.metrics.unauthorized.Inc()
	host, _, splitErr := net.SplitHostPort(r.RemoteAddr)
	if splitErr != nil {
		host = r.RemoteAddr
	}
	if limited := s.limiter.address(host); limited != nil {
		return limited
	}
	return err
}

// prepare reads headers and body of a request to a known route.
func (s *API) prepare(w http.ResponseWriter, r *http.Request, c *call, declared route) error {
	if err := c.readKey(s, r, declared); err != nil {
		return err
	}
	match, err := parseIfMatch(r.Header.Values("If-Match"))
	if err != nil {
		return err
	}
	c.ifMatch, c.none, c.accept = match, r.Header.Get("If-None-Match"), r.Header.Get("Accept")
	if declared.stream {
		r.Body = http.MaxBytesReader(w, r.Body, s.Limits.MaxImport)
		return nil
	}
	return s.readBody(w, r, c, declared)
}

const maxKey = 255

var (
	errNoKey = &domain.Error{
		Kind: domain.KindInvalid, Code: "idempotency.missing", Field: "Idempotency-Key",
		Message: "this needs an Idempotency-Key header, so that a repeat does not do it twice",
	}
	errBadKey = &domain.Error{
		Kind: domain.KindInvalid, Code: "idempotency.malformed", Field: "Idempotency-Key",
		Message: "send one Idempotency-Key of 1 to 255 printable ASCII characters, such as a UUID",
	}
)

// readKey hashes the Idempotency-Key, which may be anything the caller chose,
// and takes it out of the request.
func (c *call) readKey(s *API, r *http.Request, declared route) error {
	values := r.Header.Values("Idempotency-Key")
	r.Header.Del("Idempotency-Key")
	if len(values) == 0 || !declared.keyed {
		return nil
	}
	key := values[0]
	if len(values) > 1 || key == "" || len(key) > maxKey || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errBadKey
	}
	c.command = s.Keys.CommandID(c.caller.Principal, key)
	return nil
}

// readBody reads the whole body, bounded, checks its media type and makes the
// digest that tells a repeated command from another one.
func (s *API) readBody(w http.ResponseWriter, r *http.Request, c *call, declared route) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		r.Body = http.NoBody
		return nil
	}
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.Limits.MaxBody))
	if err != nil {
		return badBody(err, s.Limits.MaxBody)
	}
	if len(content) > 0 && !declared.takes(r.Header.Get("Content-Type")) {
		return domain.Invalid("request.media_type", "Content-Type", "send the body as %s", declared.mediaType())
	}
	r.Body = io.NopCloser(bytes.NewReader(content))
	c.body = digest([]byte(r.Method), []byte(r.URL.Path), []byte(r.URL.Query().Encode()), content)
	return nil
}

func badBody(err error, limit int64) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return domain.Invalid("request.too_large", "body", "the body is larger than %d bytes", limit)
	}
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		return domain.Invalid("request.timeout", "body", "the body did not arrive in time")
	}
	return malformed("body", "the body could not be read to its end")
}

func (r route) mediaType() string {
	if r.media != "" {
		return r.media
	}
	return "application/json"
}

func (r route) takes(contentType string) bool {
	if contentType == "" {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && mediaType == r.mediaType()
}

// digest is SHA-256 over length-prefixed parts.
func digest(parts ...[]byte) domain.Digest {
	h := sha256.New()
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
	return domain.Digest(h.Sum(nil))
}
