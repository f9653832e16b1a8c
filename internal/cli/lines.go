package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/go-json-experiment/json"
)

// stream sends a request whose answer is lines of JSON as long work goes on.
func (s *shell) stream(ctx context.Context, q call) (io.ReadCloser, error) {
	api, err := s.api(ctx)
	if err != nil {
		return nil, err
	}
	body, err := q.encode()
	if err != nil {
		return nil, err
	}
	res, err := api.send(ctx, q, bytesOf(body))
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= http.StatusBadRequest {
		_, err := read(res)
		return nil, err
	}
	return res.Body, nil
}

// refusedLine is a line that is a problem and not progress.
type refusedLine struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Status int    `json:"status"`
	Field  string `json:"field"`
	Source string `json:"source"`
	ID     string `json:"request"`
}

// eachLine visits the lines of such an answer until one says that it is the
// last; false when none did. A problem among them is the error.
func eachLine[P any](body io.Reader, visit func(P) (last bool)) (ended bool, err error) {
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var no refusedLine
		var at P
		if err := json.Unmarshal(lines.Bytes(), &no); err != nil {
			return false, fmt.Errorf("reading the server's answer: %w", err)
		}
		if no.Code != "" {
			return false, &problem{Status: no.Status, Code: no.Code, Detail: no.Detail, Field: no.Field, Source: no.Source, Request: no.ID}
		}
		if err := json.Unmarshal(lines.Bytes(), &at); err != nil {
			return false, fmt.Errorf("reading the server's answer: %w", err)
		}
		if visit(at) {
			return true, nil
		}
	}
	if err := lines.Err(); err != nil {
		return false, fmt.Errorf("reading the server's answer: %w", err)
	}
	return false, nil
}
