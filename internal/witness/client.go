package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"lethe/internal/tlog"
)

// Client speaks to one witness. It waits as long as the context and the HTTP
// client say, and keeps nothing. It is safe for concurrent use.
type Client struct {
	Label     string          // what Name answers; the URL's host when ""
	URL       string          // submission prefix; a slash at its end does not matter
	Monitor   string          // monitoring prefix; URL when ""
	HTTP      *http.Client    // http.DefaultClient when nil
	Verifiers []note.Verifier // the witness's keys, of cosignatures; at least one
}

// Errors of a witness's answers.
var (
	// ErrNone: the witness never cosigned a checkpoint of that log.
	ErrNone = errors.New("the witness holds no checkpoint of this log")
	// ErrNoCosignature: an answer has none of a key that is known.
	ErrNoCosignature = errors.New("the witness gave no cosignature by a key that is known of it")
)

// ConflictError: the latest checkpoint that the witness cosigned has another
// size than the old one that it was told.
type ConflictError struct{ Size int64 }

func (e *ConflictError) Error() string {
	return fmt.Sprintf("the witness's latest checkpoint has size %d", e.Size)
}

// StatusError is any other refusal.
type StatusError struct {
	Code int    // 400 malformed, 403 signature, 404 unknown log, 422 inconsistent, …
	Text string // first line of the answer, quoted; "" when there is none
}

// Contradicts reports whether the witness says that the checkpoint does not go
// on from the one that it cosigned last.
func (e *StatusError) Contradicts() bool { return e.Code == http.StatusUnprocessableEntity }

func (e *StatusError) Error() string {
	s := fmt.Sprintf("the witness answers %d %s", e.Code, http.StatusText(e.Code))
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// Name tells witnesses apart, for people.
func (c *Client) Name() string {
	if c.Label != "" {
		return c.Label
	}
	if u, err := url.Parse(c.URL); err == nil {
		return u.Host
	}
	return ""
}

// AddCheckpoint submits a signed checkpoint with a proof that it goes on from
// the one of size old, the latest that the witness cosigned; 0 if none. It
// returns the witness's cosignatures as signature lines that can be appended to
// the note. They are verified; those of keys that are not known are left out.
// Errors: *ConflictError, *StatusError, ErrNoCosignature.
func (c *Client) AddCheckpoint(ctx context.Context, old int64, proof []tlog.Hash, signedNote []byte) ([]byte, error) {
	lines, err := c.addCheckpoint(ctx, &request{old: old, proof: proof, signed: signedNote})
	if err != nil {
		return nil, fmt.Errorf("asking the witness %s to cosign: %w", c.Name(), err)
	}
	return lines, nil
}

func (c *Client) addCheckpoint(ctx context.Context, r *request) ([]byte, error) {
	text, _, err := tlog.SplitNote(r.signed)
	if err != nil {
		return nil, err
	}
	resp, body, err := c.do(ctx, http.MethodPost, c.URL, "add-checkpoint", r.marshal())
	if err != nil {
		return nil, err
	}
	switch {
	case resp.StatusCode == http.StatusConflict && resp.Header.Get("Content-Type") == contentTypeSize:
		return nil, conflict(body)
	case resp.StatusCode != http.StatusOK:
		return nil, statusError(resp, body)
	}
	return c.cosignatures(text, body)
}

// conflict parses the body of a 409: a decimal size and a newline.
func conflict(body []byte) error {
	line, ok := strings.CutSuffix(string(body), "\n")
	size, err := tlog.ParseSize(line)
	if err != nil || !ok {
		return errors.New("the witness answers 409 without a size")
	}
	return &ConflictError{Size: size}
}

// cosignatures returns the lines that verify, each once.
func (c *Client) cosignatures(text string, body []byte) ([]byte, error) {
	sigs, err := tlog.ParseSignatures(string(body))
	if err != nil {
		return nil, fmt.Errorf("reading its answer: %w", err)
	}
	known := note.VerifierList(c.Verifiers...)
	var out []byte
	seen := map[note.Signature]bool{}
	for _, sig := range sigs {
		v, err := known.Verifier(sig.Name, sig.Hash)
		if err != nil || seen[sig] {
			continue
		}
		seen[sig] = true
		if _, timed := tlog.SignatureTime(sig); !timed || !tlog.VerifySignature(v, text, sig) {
			return nil, fmt.Errorf("its signature by the key %s+%08x is not valid", sig.Name, sig.Hash)
		}
		out = append(out, tlog.FormatSignature(sig)...)
	}
	if len(out) == 0 {
		return nil, ErrNoCosignature
	}
	return out, nil
}

// Latest returns the signed note of the latest checkpoint of a log that the
// witness cosigned, or ErrNone. It is of that origin, and not verified: it
// counts for what the log's own signature on it says.
func (c *Client) Latest(ctx context.Context, origin string) ([]byte, error) {
	signed, err := c.latest(ctx, origin)
	if err != nil {
		return nil, fmt.Errorf("asking the witness %s for its latest checkpoint: %w", c.Name(), err)
	}
	return signed, nil
}

func (c *Client) latest(ctx context.Context, origin string) ([]byte, error) {
	prefix := c.Monitor
	if prefix == "" {
		prefix = c.URL
	}
	resp, body, err := c.do(ctx, http.MethodGet, prefix, originHash(origin)+"/checkpoint", nil)
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusNotFound:
		return nil, ErrNone
	case resp.StatusCode != http.StatusOK:
		return nil, statusError(resp, body)
	}
	got, err := tlog.CheckpointOf(body)
	if err != nil {
		return nil, err
	}
	if got.Origin != origin {
		return nil, fmt.Errorf("its origin is %q and not %q", got.Origin, origin)
	}
	return body, nil
}

// do sends a request and reads at most a note's length of the answer. Errors
// do not name the URL, which may hold a password.
func (c *Client) do(ctx context.Context, method, prefix, path string, body []byte) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(prefix, "/")+"/"+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, errors.New("its prefix is no URL")
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		var e *url.Error
		if errors.As(err, &e) {
			err = e.Err
		}
		return nil, nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	answer, err := io.ReadAll(io.LimitReader(resp.Body, tlog.MaxNote+1))
	if err != nil {
		return nil, nil, fmt.Errorf("reading its answer: %w", err)
	}
	if len(answer) > tlog.MaxNote {
		return nil, nil, fmt.Errorf("its answer is longer than %d bytes", tlog.MaxNote)
	}
	return resp, answer, nil
}

func statusError(resp *http.Response, body []byte) error {
	const most = 200
	line, _, _ := strings.Cut(string(body[:min(len(body), most)]), "\n")
	if line != "" {
		line = fmt.Sprintf("%q", line)
	}
	return &StatusError{Code: resp.StatusCode, Text: line}
}
