package cli

import (
	"context"
	"net/http"

	"lethe/internal/httpapi"
)

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
