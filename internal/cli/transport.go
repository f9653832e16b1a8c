package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// inMemory calls a handler as if over a connection: the answer's body streams
// through a pipe, and the request's context ends when the caller closes it.
type inMemory struct{ handler http.Handler }

var _ http.RoundTripper = inMemory{}

// RoundTrip returns once the handler has begun its answer.
func (t inMemory) RoundTrip(out *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(out.Context())
	in := out.Clone(ctx)
	in.RequestURI, in.RemoteAddr = out.URL.RequestURI(), "in-process"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	body, sink := io.Pipe()
	w := &pipeWriter{header: http.Header{}, sink: sink, begun: make(chan struct{})}
	go func() {
		t.handler.ServeHTTP(w, in)
		w.WriteHeader(http.StatusOK)
		_ = sink.CloseWithError(in.Context().Err()) // an interrupted answer must not look whole; nil is its end
		_ = in.Body.Close()                         // a transport closes what it was given
	}()
	select {
	case <-w.begun:
	case <-out.Context().Done():
		cancel()
		return nil, fmt.Errorf("asking in process: %w", out.Context().Err())
	}
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: &pipeBody{PipeReader: body, cancel: cancel}, ContentLength: -1, Request: out,
	}, nil
}

// pipeBody ends the handler when the caller has read enough.
type pipeBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (b *pipeBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}

// pipeWriter is the handler's side.
type pipeWriter struct {
	header http.Header
	sent   http.Header // as it was when the answer began
	status int
	sink   *io.PipeWriter
	once   sync.Once
	begun  chan struct{}
}

var _ http.Flusher = (*pipeWriter)(nil)

func (w *pipeWriter) Header() http.Header { return w.header }

func (w *pipeWriter) WriteHeader(status int) {
	if status < http.StatusOK { // informational: the answer is still to come
		return
	}
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.begun)
	})
}

func (w *pipeWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.sink.Write(b)
}

// Flush has nothing to do but begin: nothing is buffered.
func (w *pipeWriter) Flush() { w.WriteHeader(http.StatusOK) }

// join makes an address of its segments, each escaped on its own.
func join(base string, segments []string) string {
	var b strings.Builder
	b.WriteString(base)
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(escape(s))
	}
	return b.String()
}
