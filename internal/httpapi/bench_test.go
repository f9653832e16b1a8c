package httpapi_test

import (
	"io"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain/principal"
	"lethe/internal/httpapi"
)

// BenchmarkMayProcess is a request that opens nothing and writes nothing:
// what the edge itself costs.
func BenchmarkMayProcess(b *testing.B) {
	w := newWorld(b, func(o *httpapi.Options) {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	w.declare()
	token := w.served("ada@example.com")
	secret := bearer(w.tokenFor(principal.Auditor))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		r := request("GET", "/v1/subjects/"+token+"/may-process?purpose=service", nil, secret)
		rec := httptest.NewRecorder()
		w.api.ServeHTTP(rec, r)
		require.Equal(b, 200, rec.Code)
	}
}
