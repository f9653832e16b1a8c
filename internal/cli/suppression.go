package cli

import (
	"context"
	"net/http"

	"lethe/internal/httpapi"
)

type suppressionCmd struct {
	Search suppressionSearchCmd `cmd:"" help:"Ask whether erasures left marks of somebody."`
	Lift   suppressionLiftCmd   `cmd:"" help:"Let somebody in again who was erased."`
}

type suppressionSearchCmd struct {
	Values string `name:"values" required:"" placeholder:"FILE|-" help:"JSON object with source (system, table, row), email or phone; - is standard input."`
}

// Help is shown by --help.
func (suppressionSearchCmd) Help() string {
	return `An erasure of everything leaves keyed marks, so that no import brings the person back. They lead to no record; asking for them, as for an access request (GDPR 15), is recorded.

Examples:

    echo '{"email": "ada@example.com", "phone": "+4930123456"}' | lethe suppression search --values -
    echo '{"source": {"system": "dolibarr", "table": "llx_socpeople", "row": "17"}}' | lethe suppression search --values -`
}

func (c *suppressionSearchCmd) Run(ctx context.Context, s *shell) error {
	var b httpapi.MarkedBody
	if err := s.personal(c.Values, &b); err != nil {
		return err
	}
	q := call{method: http.MethodPost, path: []string{"suppression", "search"}, body: &b}
	return showList(ctx, s, q, []string{"mark of", "erased", "objected", "left on", "until"}, func(m httpapi.Marked) []string {
		until := ""
		if !m.Until.IsZero() {
			until = m.Until.Format("2006-01-02")
		}
		return []string{string(m.By), yes(m.Erased), yes(m.Objection), m.Day.Format("2006-01-02"), until}
	})
}

type suppressionLiftCmd struct {
	Values    string `name:"values" required:"" placeholder:"FILE|-" help:"JSON object with one of source (system, table, row), email and phone; - is standard input."`
	Reason    string `name:"reason-file" required:"" placeholder:"FILE|-" help:"File that says why; kept sealed."`
	Objection bool   `name:"objection" help:"Lift what the mark says of marketing, as after a fresh opt-in; what it says of the erasure stays."`
	writing   `embed:""`
}

// Help is shown by --help.
func (suppressionLiftCmd) Help() string {
	return `An officer lifts the mark of a row's key in its source; the next import of the row makes a new record. What was erased stays erased, and the new record is not tied to the old one.

Example:

    echo '{"source": {"system": "dolibarr", "table": "llx_socpeople", "row": "17"}}' | lethe suppression lift --values - --reason-file reason.txt`
}

func (c *suppressionLiftCmd) Run(ctx context.Context, s *shell) error {
	b := httpapi.LiftBody{Objection: c.Objection}
	if err := s.personal(c.Values, &b.MarkedBody); err != nil {
		return err
	}
	reason, err := s.note(c.Reason)
	if err != nil {
		return err
	}
	b.Reason = reason
	return wrote(ctx, s, call{method: http.MethodPost, path: []string{"suppression", "lift"}, body: &b, header: c.header()})
}
