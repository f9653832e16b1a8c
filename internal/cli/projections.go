package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/go-json-experiment/json"

	"lethe/domain"
	"lethe/internal/httpapi"
)

type projectionsCmd struct {
	Status  projectionsStatusCmd  `cmd:"" help:"Show each view's state, position and lag."`
	Rebuild projectionsRebuildCmd `cmd:"" help:"Compute views anew from the log, while the live ones go on answering."`
}

type projectionsStatusCmd struct{}

// Help is shown by --help.
func (projectionsStatusCmd) Help() string {
	return `Ends with exit code 3 when a view has failed.

Example:

    lethe projections status --json`
}

func (projectionsStatusCmd) Run(ctx context.Context, s *shell) error {
	var broken bool
	err := show(ctx, s, call{method: http.MethodGet, path: []string{"projections"}}, func(p *page, v items[httpapi.ViewStatus]) error {
		viewLines(p, v.Items)
		broken = failed(v.Items)
		return nil
	})
	if err == nil && broken {
		return errFound
	}
	return err
}

type projectionsRebuildCmd struct {
	Views []string `arg:"" optional:"" help:"Views by name; all when left out."`
}

// Help is shown by --help.
func (projectionsRebuildCmd) Help() string {
	return `Examples:

    lethe projections rebuild
    lethe projections rebuild consents --json`
}

// rebuilt is the command's JSON.
type rebuilt struct {
	Views []viewEvents `json:"views"`
}

type viewEvents struct {
	View   string `json:"view"`
	Events uint64 `json:"events"`
}

func (c *projectionsRebuildCmd) Run(ctx context.Context, s *shell) error {
	api, err := s.api(ctx)
	if err != nil {
		return err
	}
	q := call{method: http.MethodPost, path: []string{"projections", "rebuild"}, body: httpapi.RebuildBody{Views: names(c.Views)}}
	body, err := q.encode()
	if err != nil {
		return err
	}
	res, err := api.send(ctx, q, bytesOf(body))
	if err != nil {
		return err
	}
	if res.StatusCode >= http.StatusBadRequest {
		_, err := read(res)
		return err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	r, err := s.followRebuild(res.Body)
	if err != nil {
		return err
	}
	if s.root.JSON {
		return s.json(r)
	}
	p := &page{}
	p.head("view", "events")
	for _, v := range r.Views {
		p.row(v.View, count(v.Events))
	}
	p.line("Rebuilt.")
	return p.writeTo(s.process.Stdout)
}

// step is one line of the answer: progress, or the problem that ended it.
type step struct {
	httpapi.RebuildProgress
	Code   string `json:"code,omitzero"`
	Detail string `json:"detail,omitzero"`
	Status int    `json:"status,omitzero"`
	Type   string `json:"type,omitzero"`
	Title  string `json:"title,omitzero"`
	Field  string `json:"field,omitzero"`
	Source string `json:"source,omitzero"`
	ID     string `json:"request,omitzero"`
}

func (s *shell) followRebuild(body io.Reader) (r rebuilt, err error) {
	bars := newProgress(s.process.Stderr)
	defer func() { bars.end(err == nil) }()
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var at step
		if err := json.Unmarshal(lines.Bytes(), &at); err != nil {
			return r, fmt.Errorf("reading the server's answer: %w", err)
		}
		switch {
		case at.Code != "":
			return r, &problem{Status: at.Status, Code: at.Code, Detail: at.Detail, Field: at.Field, Source: at.Source, Request: at.ID}
		case at.Ended:
			return r, nil
		}
		bars.set("rebuilding "+at.View, int64(at.Done), int64(at.Total))
		r.note(at.View, at.Done)
	}
	if err := lines.Err(); err != nil {
		return r, fmt.Errorf("reading the server's answer: %w", err)
	}
	return r, &domain.Error{
		Kind: domain.KindUnavailable, Code: "projections.interrupted",
		Message: "the server stopped before the rebuild was done: see `lethe projections status`, and ask again",
	}
}

func (r *rebuilt) note(view string, events uint64) {
	for i := range r.Views {
		if r.Views[i].View == view {
			r.Views[i].Events = events
			return
		}
	}
	r.Views = append(r.Views, viewEvents{view, events})
}
