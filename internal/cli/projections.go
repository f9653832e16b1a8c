package cli

import (
	"context"
	"io"
	"net/http"

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
	q := call{method: http.MethodPost, path: []string{"projections", "rebuild"}, body: httpapi.RebuildBody{Views: names(c.Views)}}
	res, err := s.stream(ctx, q)
	if err != nil {
		return err
	}
	defer res.Close() //nolint:errcheck // read to its end
	r, err := s.followRebuild(res)
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

func (s *shell) followRebuild(body io.Reader) (r rebuilt, err error) {
	bars := newProgress(s.process.Stderr)
	defer func() { bars.end(err == nil) }()
	ended, err := eachLine(body, func(at httpapi.RebuildProgress) bool {
		if !at.Ended {
			bars.set("rebuilding "+at.View, int64(at.Done), int64(at.Total))
			r.note(at.View, at.Done)
		}
		return at.Ended
	})
	if err == nil && !ended {
		err = &domain.Error{
			Kind: domain.KindUnavailable, Code: "projections.interrupted",
			Message: "the server stopped before the rebuild was done: see `lethe projections status`, and ask again",
		}
	}
	return r, err
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
