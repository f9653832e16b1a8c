package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"lethe/domain"
	"lethe/internal/dropping"
	"lethe/internal/httpapi"
)

type retentionCmd struct {
	Due  retentionDueCmd  `cmd:"" help:"Show what is to go since its retention has ended, and why."`
	Run  retentionRunCmd  `cmd:"" help:"Order all of that to be erased."`
	Drop retentionDropCmd `cmd:"" help:"Take the ciphertext of values that were erased long ago out of the log's files."`
}

type retentionDropCmd struct {
	OlderThan string `name:"older-than" placeholder:"PERIOD" help:"How long ago the keys were destroyed, such as P90D, P1D at least; --drop-after when left out."`
	DryRun    bool   `name:"dry-run" short:"n" help:"Only count."`
}

// Help is shown by --help.
func (retentionDropCmd) Help() string {
	return `An erasure destroys keys, so that nobody can read what they sealed. This also takes what is left, the ciphertext, out of the log's files, file by file: each is replaced by one without it, and the old one is overwritten. Events, their order, facts and proofs stay, and an event in the log names what was taken from each file, so that an audit can tell it from tampering. It cannot be undone. Stopped, it goes on the next time.

Copies that were made before, such as backups, are not touched: they go by their own retention. A server does the same by itself, once a day, with --drop-after.

Examples:

    lethe retention drop --older-than P90D --dry-run
    lethe retention drop --older-than P90D
    lethe retention drop --server https://ledger.example.com --token-file admin.token`
}

func (c *retentionDropCmd) Run(ctx context.Context, s *shell) error {
	res, err := s.stream(ctx, call{method: http.MethodPost, path: []string{"retention", "drop"}, body: httpapi.DropBody{
		OlderThan: domain.Duration(c.OlderThan), DryRun: c.DryRun,
	}})
	if err != nil {
		return err
	}
	defer res.Close() //nolint:errcheck // read to its end
	report, ended, err := s.followDrop(res)
	if report != nil {
		if perr := s.dropped(report, ended); err == nil {
			err = perr
		}
	}
	return err
}

// dropLine is one line of the answer.
type dropLine struct {
	Progress *dropping.Progress `json:"progress"`
	Report   *dropping.Report   `json:"report"`
	Problem  *problem           `json:"problem"`
}

// followDrop reads the answer to its end. What was done is told also when it
// did not come to its end.
func (s *shell) followDrop(body io.Reader) (report *dropping.Report, ended bool, err error) {
	bars := newProgress(s.process.Stderr)
	defer func() { bars.end(err == nil) }()
	var last dropLine
	ended, err = eachLine(body, func(l dropLine) bool {
		if last = l; l.Progress != nil {
			bars.set("dropping", int64(l.Progress.Done), int64(l.Progress.Total))
		}
		return l.Report != nil || l.Problem != nil
	})
	switch {
	case err != nil:
		return nil, false, err
	case last.Problem != nil:
		return last.Report, false, last.Problem
	case ended:
		return last.Report, true, nil
	}
	return nil, false, &domain.Error{
		Kind: domain.KindUnavailable, Code: "drop.interrupted",
		Message: "the server stopped before everything was dropped: ask again, and it goes on",
	}
}

// dropped prints a report. Damage ends the command as a check that found
// something.
func (s *shell) dropped(r *dropping.Report, ended bool) error {
	if s.root.JSON {
		if err := s.json(r); err != nil {
			return err
		}
	} else if err := dropPage(r, ended).writeTo(s.process.Stdout); err != nil {
		return err
	}
	if len(r.Damaged) > 0 {
		return errFound
	}
	return nil
}

func dropPage(r *dropping.Report, ended bool) *page {
	p := &page{}
	p.row("keys destroyed before "+r.Before.UTC().Format(time.DateTime), count(r.Keys))
	p.row("full files looked at", count(uint64(r.Sections)))
	p.row("of them with such values", count(uint64(r.Replaced)))
	p.row("values", fmt.Sprintf("%s, %s bytes", count(r.Values), count(r.Bytes)))
	if r.Unsealed > 0 {
		p.row("left, not yet under a checkpoint", count(uint64(r.Unsealed)))
	}
	for _, name := range r.Damaged {
		p.line("damaged, left as it is: log/" + name + " (lethe audit verify says more)")
	}
	switch {
	case r.DryRun:
		p.line("Nothing was dropped: this is what would be.")
	case ended:
		p.line("Dropped.")
	}
	return p
}
