package cli

import (
	"context"
	"net/http"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/httpapi"
)

type subjectLinkCmd struct {
	Propose linkProposeCmd `cmd:"" help:"Propose that two records are one person; it changes nothing yet."`
	Accept  linkAcceptCmd  `cmd:"" help:"Say that they are one person."`
	Undo    linkUndoCmd    `cmd:"" help:"Say that they are not, or not any more taken to be, one person."`
}

// pair is two records.
type pair struct {
	person `embed:""`
	Other  string `arg:"" help:"The other record's token."`
}

type linkProposeCmd struct {
	pair      `embed:""`
	Ground    string `name:"ground" default:"officer" placeholder:"GROUND" help:"same_email, same_phone, same_external_id, officer."`
	Effective moment `name:"effective" placeholder:"TIME" help:"Since when; now when left out."`
	writing   `embed:""`
}

// Help is shown by --help.
func (linkProposeCmd) Help() string {
	return `Example:

    lethe subject link propose TOKEN OTHER --ground same_email`
}

func (c *linkProposeCmd) Run(ctx context.Context, s *shell) error {
	b := httpapi.LinkBody{Other: domain.Token(c.Other), Ground: subject.LinkGround(c.Ground), Effective: c.Effective.Time}
	return wrote(ctx, s, call{method: http.MethodPost, path: c.path("links"), body: &b, header: c.header()})
}

type linkAcceptCmd struct {
	pair    `embed:""`
	writing `embed:""`
}

// Help is shown by --help.
func (linkAcceptCmd) Help() string {
	return `From then on a denial on one record binds both; consent never crosses. The link stands on both records.

Example:

    lethe subject link accept TOKEN OTHER`
}

func (c *linkAcceptCmd) Run(ctx context.Context, s *shell) error {
	return wrote(ctx, s, call{method: http.MethodPost, path: c.path("links", c.Other, "accept"), header: c.header()})
}

type linkUndoCmd struct {
	pair    `embed:""`
	Reason  string `name:"reason-file" placeholder:"FILE|-" help:"File that says why; kept sealed; - is standard input."`
	writing `embed:""`
}

// Help is shown by --help.
func (linkUndoCmd) Help() string {
	return `Example:

    echo "father and son" | lethe subject link undo TOKEN OTHER --reason-file -`
}

func (c *linkUndoCmd) Run(ctx context.Context, s *shell) error {
	reason, err := s.note(c.Reason)
	if err != nil {
		return err
	}
	return wrote(ctx, s, call{
		method: http.MethodPost, path: c.path("links", c.Other, "undo"), body: &httpapi.ReasonBody{Reason: reason}, header: c.header(),
	})
}
