package cli_test

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/cli"
)

// What does not arrive whole is not kept: the file is not there, or is the one
// that was there before.
func TestABundleThatDoesNotArriveWholeIsNotKept(t *testing.T) {
	golden, err := os.ReadFile("../bundle/testdata/golden.zip")
	require.NoError(t, err)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	altered := bytes.Replace(golden, []byte("marketing"), []byte("MARKETING"), 1)
	require.NotEqual(t, golden, altered)
	says := map[string]string{"cut off": "unexpected EOF", "interrupted": "interrupted"}
	for name, answer := range map[string]http.HandlerFunc{
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000000")
			_, _ = w.Write(golden)
		},
		"shorter":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(golden[:len(golden)/2]) },
		"not a zip": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) },
		"altered":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(altered) },
		"interrupted": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(golden[:100])
			_ = http.NewResponseController(w).Flush()
			interrupt()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(answer)
			defer server.Close()
			dir := t.TempDir()
			before := filepath.Join(dir, "before.zip")
			require.NoError(t, os.WriteFile(before, []byte("before"), 0o600))
			for _, out := range [][]string{{filepath.Join(dir, "new.zip")}, {before, "--force"}} {
				on := t.Context()
				if name == "interrupted" {
					on = ctx
				}
				args := append([]string{"audit", "bundle", "--server", server.URL, "--subject", "saeisekbtdbnvhqnyg4vdqn2ktd4q", "-o"}, out...)
				t.Setenv("LETHE_TOKEN", "lethe_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
				var said strings.Builder
				require.Equal(t, 1, cli.Run(on, cli.Process{Args: args, Stdin: strings.NewReader(""), Stdout: &said, Stderr: &said}), said.String())
				require.Contains(t, said.String(), cmp.Or(says[name], "not a whole bundle"))
			}
			list, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Len(t, list, 1)
			kept, err := os.ReadFile(before)
			require.NoError(t, err)
			require.Equal(t, "before", string(kept))
		})
	}
}
