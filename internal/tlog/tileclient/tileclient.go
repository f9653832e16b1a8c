// Package tileclient reads a log over HTTP (c2sp.org/tlog-tiles).
package tileclient

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"lethe/internal/tlog"
)

// Client reads what a log serves under a URL prefix. It is safe for concurrent
// use, keeps nothing, and waits no longer than its context and its
// http.Client say.
type Client struct {
	prefix string
	http   *http.Client

	// EntriesToken, when set, is sent as a bearer token for entry bundles only.
	// Set it before use.
	EntriesToken string
}

var (
	_ tlog.Tiles   = (*Client)(nil)
	_ tlog.Entries = (*Client)(nil)
)

// New makes a client of the log under prefix, such as
// https://ledger.example/log; a slash at its end does not matter. A nil client
// is http.DefaultClient.
func New(prefix string, client *http.Client) *Client {
	if client == nil {
		client = http.DefaultClient
	}
	return &Client{prefix: strings.TrimRight(prefix, "/"), http: client}
}

// Checkpoint reads the signed note at checkpoint, not verified.
func (c *Client) Checkpoint(ctx context.Context) ([]byte, error) {
	return c.get(ctx, "checkpoint", tlog.MaxNote, "")
}

// ReadTile implements tlog.Tiles.
func (c *Client) ReadTile(ctx context.Context, level int, n int64, width int) ([]byte, error) {
	if err := tlog.CheckTile(level, n, width); err != nil {
		return nil, err
	}
	name := func(width int) string { return tlog.TilePath(level, n, width) }
	return c.widest(ctx, name, width, tlog.MaxTile, "", tlog.CutTile)
}

// ReadEntries implements tlog.Entries.
func (c *Client) ReadEntries(ctx context.Context, n int64, width int) ([]byte, error) {
	if err := tlog.CheckTile(0, n, width); err != nil {
		return nil, err
	}
	name := func(width int) string { return tlog.EntriesPath(n, width) }
	return c.widest(ctx, name, width, tlog.MaxBundle, c.EntriesToken, tlog.CutEntries)
}

// widest reads the resource of this width, or else the full one: a log may
// delete a partial tile once there is a full one.
func (c *Client) widest(ctx context.Context, name func(int) string, width, limit int, token string, cut func([]byte, int, int) ([]byte, error)) ([]byte, error) {
	have := width
	data, err := c.get(ctx, name(width), limit, token)
	if errors.Is(err, fs.ErrNotExist) && width < tlog.TileWidth {
		full, e := c.get(ctx, name(tlog.TileWidth), limit, token)
		if !errors.Is(e, fs.ErrNotExist) {
			have, data, err = tlog.TileWidth, full, e
		}
	}
	if err != nil {
		return nil, err
	}
	if data, err = cut(data, have, width); err != nil {
		return nil, fmt.Errorf("getting %s: %w", name(have), err)
	}
	return data, nil
}

// get reads one resource of at most limit bytes, once unpacked. Errors name
// its path and not the prefix, which may hold a password.
func (c *Client) get(ctx context.Context, name string, limit int, token string) ([]byte, error) {
	data, err := c.fetch(ctx, name, limit, token)
	if err != nil {
		return nil, fmt.Errorf("getting %s: %w", name, err)
	}
	return data, nil
}

func (c *Client) fetch(ctx context.Context, name string, limit int, token string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.prefix+"/"+name, nil)
	if err != nil {
		return nil, errors.New("the prefix is no URL")
	}
	// Named here, so that the transport leaves unpacking to us: a log may pack
	// without being asked.
	req.Header.Set("Accept-Encoding", "gzip, identity")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusGone:
		return nil, fmt.Errorf("the log answers %s: %w", resp.Status, fs.ErrNotExist)
	default:
		return nil, fmt.Errorf("the log answers %s", resp.Status)
	}
	return read(resp, limit)
}

func read(resp *http.Response, limit int) ([]byte, error) {
	body := io.Reader(resp.Body)
	switch encoding := resp.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(resp.Body)
		if err != nil {
			return nil, fmt.Errorf("unpacking: %w", err)
		}
		body = z
	default:
		return nil, fmt.Errorf("the log answers in the encoding %q", encoding)
	}
	data, err := io.ReadAll(io.LimitReader(body, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if len(data) > limit {
		return nil, fmt.Errorf("the log answers with more than %d bytes", limit)
	}
	return data, nil
}

// withoutURL strips the URL that net/http puts in front of an error.
func withoutURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
