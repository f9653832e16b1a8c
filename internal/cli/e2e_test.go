package cli_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/cli"
	"lethe/internal/starter"
)

// What was acknowledged before a stop is there after the next start, by the
// same tokens, and an open feed does not hold up the stop.
func TestStopAndStartAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	l := start(t, dir)
	l.officer()
	l.do("POST", "/v1/catalogue", starter.Text(), "Content-Type", "application/yaml").ok()
	a := l.do("POST", "/v1/subjects", `{"acquired": "from_person", "jurisdiction": "DE"}`).ok()
	person := a.get("token")

	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, l.url+"/v1/events?follow=true", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+l.token)
	feed, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer feed.Body.Close()
	lines := bufio.NewScanner(feed.Body)
	lines.Buffer(nil, 1<<20)
	require.True(t, lines.Scan(), "the feed has begun")

	require.Zero(t, l.end(), l.log.String())
	for lines.Scan() { // to the end that the server made
		require.NotContains(t, lines.Text(), `"problem"`)
	}
	require.NoError(t, lines.Err())

	token := l.token
	l = start(t, dir)
	l.token = token
	again := l.do("GET", "/v1/subjects/"+person+"/history", "").ok()
	require.Contains(t, again.body, "SubjectRegistered")
	status := l.do("GET", "/v1/status", "").ok()
	require.Contains(t, status.body, `"subjects":1`)
	repeated := l.do("GET", "/v1/subjects/"+person+"/history?as_of=2001-01-01T00:00:00Z", "").ok()
	require.NotContains(t, repeated.body, "SubjectRegistered")
	require.Zero(t, l.end())
}

// A taken address is told before a data directory is touched.
func TestTakenAddress(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	dir := filepath.Join(t.TempDir(), "data")
	for _, flag := range []string{"--listen", "--metrics-listen"} {
		args := []string{"serve", "--data", dir, "--listen", "127.0.0.1:0", "--metrics-listen", "off", flag, taken.Addr().String()}
		var out, errs strings.Builder
		code := cli.Run(t.Context(), cli.Process{Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Version: "test"})
		require.Equal(t, 1, code)
		require.Contains(t, errs.String(), flag)
		require.Contains(t, errs.String(), "address already in use")
		_, err := os.Stat(dir)
		require.ErrorIs(t, err, os.ErrNotExist)
	}
}

// The demo takes free ports where its own are taken, and stays up until told.
func TestDemoStaysUp(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &watched{until: "Ctrl-C", seen: make(chan struct{})}
	done := make(chan int, 1)
	t.Setenv("TMPDIR", t.TempDir())
	go func() {
		done <- cli.Run(ctx, cli.Process{
			Args:   []string{"demo", "--people", "5", "--listen", taken.Addr().String(), "--metrics-listen", "127.0.0.1:0"},
			Stdin:  strings.NewReader(""),
			Stdout: out, Stderr: &strings.Builder{}, Version: "test",
		})
	}()
	select {
	case <-out.seen:
	case code := <-done:
		t.Fatalf("the demo ended with %d: %s", code, out.text.String())
	}
	url, token := between(out.text.String(), "LETHE_SERVER=", " "), between(out.text.String(), "LETHE_TOKEN=", "\n")
	require.NotContains(t, url, taken.Addr().String())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/status", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
	stop()
	require.Zero(t, <-done)
	left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "lethe-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// watched tells when a text has been written. It is read only after that.
type watched struct {
	text  strings.Builder
	until string
	seen  chan struct{}
	told  bool
}

func (w *watched) Write(b []byte) (int, error) {
	n, err := w.text.Write(b)
	if !w.told && strings.Contains(w.text.String(), w.until) {
		w.told = true
		close(w.seen)
	}
	return n, err
}

func between(text, after, before string) string {
	_, rest, _ := strings.Cut(text, after)
	found, _, _ := strings.Cut(rest, before)
	return found
}
