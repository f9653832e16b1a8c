package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxAnswer bounds an answer that is held in memory.
const maxAnswer = 64 << 20

// tries is how often a request is sent whose outcome is not known or that
// the server had no time for; the Idempotency-Key makes that safe.
const tries = 4

// client asks the API, over a connection or in this process.
type client struct {
	base  string // "http://host:port/v1", without a slash at the end
	http  *http.Client
	token string // "" in this process
}

// call is one request. Path segments are escaped here.
type call struct {
	method string
	path   []string
	query  url.Values
	body   any    // as JSON; nil = none
	raw    []byte // sent as it is, as media, when there is no body
	media  string
	header http.Header
}

// answer is the API's answer as it came.
type answer struct {
	status int
	header http.Header
	body   jsontext.Value
}

// into decodes the answer.
func (a answer) into(v any) error {
	if err := json.Unmarshal(a.body, v); err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	return nil
}

// do sends a request and reads its answer. Errors: *problem for a refusal.
func (c *client) do(ctx context.Context, q call) (answer, error) {
	body, err := q.encode()
	if err != nil {
		return answer{}, err
	}
	for try := 1; ; try++ {
		var in io.Reader
		if body != nil {
			in = bytes.NewReader(body)
		}
		res, err := c.send(ctx, q, in)
		if err != nil {
			return answer{}, err
		}
		a, err := read(res)
		if err == nil {
			return a, nil
		}
		if try == tries || !again(err) {
			return answer{}, err
		}
		if err := pause(ctx, res.Header, try); err != nil {
			return answer{}, err
		}
	}
}

func (q *call) encode() ([]byte, error) {
	if q.header == nil {
		q.header = http.Header{}
	}
	if q.method != http.MethodGet && q.header.Get("Idempotency-Key") == "" {
		q.header.Set("Idempotency-Key", rand.Text())
	}
	if q.body == nil {
		if q.raw != nil {
			q.header.Set("Content-Type", q.media)
		}
		return q.raw, nil
	}
	body, err := json.Marshal(q.body)
	if err != nil {
		return nil, fmt.Errorf("writing the request: %w", err)
	}
	q.header.Set("Content-Type", "application/json")
	return body, nil
}

// send sends a request once; the caller closes the answer's body.
func (c *client) send(ctx context.Context, q call, body io.Reader) (*http.Response, error) {
	target := join(c.base, q.path)
	if len(q.query) > 0 {
		target += "?" + q.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, q.method, target, body)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	for k, v := range q.header {
		req.Header[k] = v
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		var at *url.Error
		if errors.As(err, &at) { // without the address: its query can name a person
			err = at.Err
		}
		return nil, fmt.Errorf("asking %s: %w", strings.TrimSuffix(c.base, "/v1"), err)
	}
	return res, nil
}

func read(res *http.Response) (answer, error) {
	defer res.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return answer{}, fmt.Errorf("reading the answer: %w", err)
	}
	if len(body) > maxAnswer {
		return answer{}, fmt.Errorf("the answer has more than %d bytes: ask for less", maxAnswer)
	}
	if res.StatusCode >= http.StatusBadRequest {
		return answer{}, refusal(res, body)
	}
	return answer{status: res.StatusCode, header: res.Header, body: body}, nil
}

func refusal(res *http.Response, body []byte) error {
	p := &problem{}
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "application/problem+json") || json.Unmarshal(body, p) != nil || p.Code == "" {
		return &problem{
			Status: res.StatusCode, Code: "http." + strconv.Itoa(res.StatusCode),
			Detail: fmt.Sprintf("the server answered %d without saying why: is this the address of Lethe's API?", res.StatusCode),
		}
	}
	p.Status = res.StatusCode
	return p
}

func again(err error) bool {
	var p *problem
	return errors.As(err, &p) && (p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests)
}

func pause(ctx context.Context, h http.Header, try int) error {
	wait := time.Duration(try) * 250 * time.Millisecond
	if s, err := strconv.Atoi(h.Get("Retry-After")); err == nil && s > 0 && s <= 10 {
		wait = time.Duration(s) * time.Second
	}
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func escape(segment string) string { return url.PathEscape(segment) }
