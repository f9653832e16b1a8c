package cli

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
)

func ask(t *testing.T, ctx context.Context, h http.HandlerFunc) (*http.Response, error) { //nolint:revive // t first
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://in-process/v1/x?a=b", strings.NewReader("body"))
	require.NoError(t, err)
	return (&http.Client{Transport: inMemory{handler: h}}).Do(req)
}

func TestInMemoryStreams(t *testing.T) {
	next := make(chan string)
	res, err := ask(t, t.Context(), func(w http.ResponseWriter, r *http.Request) {
		in, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, "body", string(in))
		require.Equal(t, "/v1/x?a=b", r.RequestURI)
		w.Header().Set("X-Before", "1")
		w.WriteHeader(http.StatusAccepted)
		w.Header().Set("X-After", "1")
		for line := range next {
			_, err := io.WriteString(w, line)
			require.NoError(t, err)
		}
	})
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, res.StatusCode)
	require.Equal(t, "1", res.Header.Get("X-Before"))
	require.Empty(t, res.Header.Get("X-After"), "sent with the status")
	buf := make([]byte, 8)
	for _, line := range []string{"one\n", "two\n"} { // each before the next is written
		next <- line
		n, err := res.Body.Read(buf)
		require.NoError(t, err)
		require.Equal(t, line, string(buf[:n]))
	}
	close(next)
	rest, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Empty(t, rest)
}

func TestInMemoryEnds(t *testing.T) {
	ended := make(chan struct{})
	res, err := ask(t, t.Context(), func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(ended)
	})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.NoError(t, res.Body.Close(), "who has read enough")
	<-ended

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = ask(t, ctx, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	require.ErrorIs(t, err, context.Canceled)
}

// An answer that is tried again is one that says so, and comes with the same key.
func TestAgainWithTheSameKey(t *testing.T) {
	var keys []string
	c := &client{base: "http://in-process/v1", http: &http.Client{Transport: inMemory{handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			keys = append(keys, r.Header.Get("Idempotency-Key"))
			if len(keys) < 3 {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(w, `{"code": "outcome.unknown", "detail": "again"}`)
			}
		})}}}
	_, err := c.do(t.Context(), call{method: http.MethodPost, path: []string{"a b", "ü/c"}, body: struct{}{}})
	require.NoError(t, err)
	require.Len(t, keys, 3)
	require.NotEmpty(t, keys[0])
	require.Equal(t, keys[0], keys[2])
}

func TestAnswersOfStrangers(t *testing.T) {
	c := &client{base: "http://in-process/v1", http: &http.Client{Transport: inMemory{handler: http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<html>\x1b[31m")
		})}}}
	_, err := c.do(t.Context(), call{method: http.MethodGet})
	require.ErrorContains(t, err, "the server answered 502")
	require.NotContains(t, err.Error(), "html")
}

func TestPageIsSafeToPrint(t *testing.T) {
	p := &page{}
	p.head("a", "b")
	p.row("x\x1b[2J", "y\u202ez")
	p.row("longer", "")
	p.line("end")
	var b strings.Builder
	require.NoError(t, p.writeTo(&b))
	require.Equal(t, "A       B\nx�[2J   y�z\nlonger  -\nend\n", b.String())
}

func TestNumbersAndTimes(t *testing.T) {
	require.Equal(t, "0", count(0))
	require.Equal(t, "999", count(999))
	require.Equal(t, "1 234 567", count(uint64(1_234_567)))
	require.Equal(t, "-1 000", count(-1000))
	var m moment
	require.NoError(t, m.UnmarshalText([]byte("2026-01-31")))
	require.Equal(t, "2026-01-31 00:00:00Z", stamp(m.Time))
	require.NoError(t, m.UnmarshalText([]byte("2026-01-31T10:00:00+02:00")))
	require.Equal(t, "2026-01-31 08:00:00Z", stamp(m.Time))
	require.Error(t, m.UnmarshalText([]byte("31.1.2026")))
	require.Empty(t, stamp(time.Time{}))
	life, err := parseLife("30d")
	require.NoError(t, err)
	require.Equal(t, 720*time.Hour, life)
	for _, bad := range []string{"-1h", "d", "1e9d", "week"} {
		_, err := parseLife(bad)
		require.Error(t, err, bad)
	}
}

func TestErrorsHaveOneForm(t *testing.T) {
	var b strings.Builder
	e := domain.Invalid("consent.notice", "notice", "the notice was not published").Citing("GDPR 7(1)")
	require.Equal(t, exitFailed, fail(&b, false, e))
	require.Equal(t, "lethe: the notice was not published\n  field:   notice\n  rule:    consent.notice\n  source:  GDPR 7(1)\n", b.String())
	b.Reset()
	require.Equal(t, exitFailed, fail(&b, true, e))
	require.JSONEq(t, `{"code":"consent.notice","detail":"the notice was not published","field":"notice","source":"GDPR 7(1)"}`, b.String())
	b.Reset()
	require.Equal(t, exitFound, fail(&b, false, errors.Join(errFound, nil)))
	require.Empty(t, b.String())
	require.Equal(t, exitDone, fail(&b, false, nil))
	require.Equal(t, exitUsage, fail(&b, false, usage("wrong")))
}
