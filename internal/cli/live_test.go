package cli_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/internal/cli"
)

// live is `lethe serve` as a user starts it, on free ports.
type live struct {
	t       *testing.T
	dir     string
	url     string
	metrics string
	token   string
	log     *serverLog
	end     func() int
	keys    atomic.Int64
	seen    func(status int, body string) // every answer
	asked   []string                      // every request
}

func start(t *testing.T, dir string, args ...string) *live {
	t.Helper()
	l := &live{t: t, dir: dir, log: newServerLog(), seen: func(int, string) {}}
	tokenFile := filepath.Join(filepath.Dir(dir), "first.token")
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := l.log.ready, make(chan int, 1)
	args = append([]string{
		"serve", "--data", dir, "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0",
		"--bootstrap-token-file", tokenFile, "--segment-bytes", "64KiB",
	}, args...)
	go func() {
		done <- cli.Run(ctx, cli.Process{Args: args, Stdin: strings.NewReader(""), Stdout: l.log, Stderr: l.log, Version: "test"})
	}()
	ended := false
	l.end = func() int {
		if ended {
			return 0
		}
		ended = true
		cancel()
		return <-done
	}
	t.Cleanup(func() { l.end() })
	select {
	case at := <-ready:
		l.url, l.metrics = at[0], at[1]
	case code := <-done:
		ended = true
		t.Fatalf("serve ended with %d: %s", code, l.log)
	case <-time.After(time.Minute):
		t.Fatalf("serve is not ready: %s", l.log)
	}
	secret, err := os.ReadFile(tokenFile)
	require.NoError(t, err)
	l.token = strings.TrimSpace(string(secret))
	return l
}

// officer changes to a token that has every right.
func (l *live) officer() {
	a := l.do("POST", "/v1/tokens", `{"name": "test", "roles": ["admin", "officer", "operator", "auditor"]}`)
	require.Equal(l.t, http.StatusCreated, a.status, a.body)
	l.token = a.get("secret")
}

type reply struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

func (l *live) do(method, path, body string, headers ...string) reply {
	l.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, l.url+path, strings.NewReader(body))
	require.NoError(l.t, err)
	req.Header.Set("Authorization", "Bearer "+l.token)
	req.Header.Set("Idempotency-Key", "k"+strconv.FormatInt(l.keys.Add(1), 10))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return l.send(req)
}

func (l *live) send(req *http.Request) reply {
	l.t.Helper()
	res, err := http.DefaultClient.Do(req)
	require.NoError(l.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(l.t, err)
	l.seen(res.StatusCode, string(text))
	l.asked = append(l.asked, req.Method+" "+req.URL.Path)
	return reply{l.t, res.StatusCode, res.Header, string(text)}
}

// ok requires success.
func (r reply) ok() reply {
	r.t.Helper()
	require.Less(r.t, r.status, 300, r.body)
	return r
}

// refused requires a problem document.
func (r reply) refused() reply {
	r.t.Helper()
	require.GreaterOrEqual(r.t, r.status, 400, r.body)
	require.Less(r.t, r.status, 500, r.body)
	return r
}

func (r reply) get(name string) string {
	r.t.Helper()
	var v map[string]any
	require.NoError(r.t, json.Unmarshal([]byte(r.body), &v), r.body)
	text, _ := v[name].(string)
	return text
}
