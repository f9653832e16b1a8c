package cli

import (
	"context"
	"net/http"

	"lethe/internal/httpapi"
)

type auditCmd struct {
	Replay auditReplayCmd `cmd:"" help:"Show how a person's record stood at a moment, folded from the events."`
}

type auditReplayCmd struct {
	Subject string     `name:"subject" required:"" placeholder:"TOKEN" help:"The person's token."`
	AsOf    pastMoment `name:"as-of" required:"" placeholder:"TIME" help:"The moment to look back to: 2026-01-31 (the end of that day, UTC) or 2026-01-31T09:00:00Z."`
	By      string     `name:"by" default:"recorded" enum:"recorded,effective" help:"recorded: what was known then; effective: what is known now about then."`
	Purpose string     `name:"purpose" placeholder:"PURPOSE" help:"Open the values that this purpose needs; the access is recorded. Nothing is opened when left out."`
}

// Help is shown by --help.
func (auditReplayCmd) Help() string {
	return `By recorded time the answer is what the ledger would have answered at that moment. By effective time it is what is known today about that moment: what was recorded late counts, and a consent found invalid never stood.

Examples:

    lethe audit replay --subject TOKEN --as-of 2026-01-31
    lethe audit replay --subject TOKEN --as-of 2026-01-31T12:00:00Z --by effective --json`
}

// replayed is the answer's JSON.
type replayed struct {
	Consents httpapi.Consents `json:"consents"`
	History  httpapi.History  `json:"history"`
}

func (c *auditReplayCmd) Run(ctx context.Context, s *shell) error {
	var r replayed
	for _, part := range []struct {
		name    string
		into    any
		purpose string
	}{{"consents", &r.Consents, ""}, {"history", &r.History, c.Purpose}} {
		a, err := s.ask(ctx, call{
			method: http.MethodGet, path: []string{"subjects", c.Subject, part.name},
			query: queryOf("as_of", c.AsOf.query(), "by", c.By, "purpose", part.purpose),
		})
		if err != nil {
			return err
		}
		if err := a.into(part.into); err != nil {
			return err
		}
	}
	if s.root.JSON {
		return s.json(r)
	}
	p := &page{}
	consentLines(p, r.Consents)
	p.line("")
	historyLines(p, r.History)
	return p.writeTo(s.process.Stdout)
}

func consentLines(p *page, v httpapi.Consents) {
	p.line("%s as of %s by %s time", v.Token, stamp(v.AsOf), v.By)
	if len(v.Consents) == 0 {
		p.line("No consent was asked for or given.")
		return
	}
	p.head("purpose", "status", "version", "since", "until", "channels", "evidence")
	for _, e := range v.Consents {
		p.row(string(e.Purpose), string(e.Status), number(e.Version), stamp(e.Since), stamp(e.Until), words(e.Channels), e.Class)
	}
}

type consentShowCmd struct {
	Token   string `arg:"" help:"The person's token."`
	Purpose string `name:"purpose" placeholder:"PURPOSE" help:"Only this one, with its evidence opened; the access is recorded."`
	reached `embed:""`
	past    `embed:""`
}

// Help is shown by --help.
func (consentShowCmd) Help() string {
	return `Examples:

    lethe consent show TOKEN
    lethe consent show TOKEN --as-of 2026-01-31 --by effective`
}

func (c *consentShowCmd) Run(ctx context.Context, s *shell) error {
	q := call{
		method: http.MethodGet, path: []string{"subjects", c.Token, "consents"},
		query: queryOf("as_of", c.AsOf.query(), "by", c.By, "purpose", c.Purpose, "channel", c.Channel),
	}
	return show(ctx, s, q, func(p *page, v httpapi.Consents) error {
		consentLines(p, v)
		return nil
	})
}
