package cli

import (
	"context"
	"net/http"
	"net/url"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/internal/httpapi"
)

type holdCmd struct {
	Place   holdPlaceCmd   `cmd:"" help:"Keep a retention group of one person, or of many, from erasure."`
	List    holdListCmd    `cmd:"" help:"Show the holds that stand, or that bind one person."`
	Release holdReleaseCmd `cmd:"" help:"End a hold; what waited for it is weighed again."`
}

type holdPlaceCmd struct {
	Group     string `name:"group" required:"" placeholder:"GROUP" help:"The retention group that is kept."`
	Purpose   string `name:"purpose" required:"" placeholder:"PURPOSE" help:"The purpose, declared for a duty or for claims, that alone it is kept for."`
	Review    moment `name:"review" required:"" placeholder:"TIME" help:"When somebody looks at the hold again."`
	Authority string `name:"authority-file" required:"" placeholder:"FILE|-" help:"File that says on whose authority; kept sealed; - is standard input."`

	Subject  string `name:"subject" xor:"people" placeholder:"TOKEN" help:"Of this person."`
	Everyone bool   `name:"everyone" xor:"people" help:"Of everybody."`
	For      string `name:"for" xor:"people" placeholder:"PURPOSE" help:"Of everybody of whom anything was ever recorded for this purpose."`
	Import   string `name:"import" xor:"people" placeholder:"ID" help:"Of everybody of whom anything came by this import."`
	System   string `name:"source" xor:"people" placeholder:"SYSTEM" help:"Of everybody of whom anything came from this source system."`
	writing  `embed:""`
}

// Help is shown by --help.
func (holdPlaceCmd) Help() string {
	return `An officer places a hold for a legal claim or duty (GDPR 17(3)). It needs an authority and a review date, and wins over an erasure that has not started. What it keeps may be used for the named purpose alone. A hold for many people also binds those who come later; it is written to a person's record when an erasure of theirs is weighed.

Examples:

    echo "order of the court, 4 O 17/26" | lethe hold place --subject TOKEN --group contact --purpose accounting --review 2027-01-31 --authority-file -
    lethe hold place --for contract.performance --group orders --purpose accounting --review 2027-01-31 --authority-file order.txt
    lethe hold place --everyone --group identity --purpose accounting --review 2027-01-31 --authority-file order.txt`
}

func (c *holdPlaceCmd) Run(ctx context.Context, s *shell) error {
	authority, err := s.note(c.Authority)
	if err != nil {
		return err
	}
	q := call{method: http.MethodPost, header: c.header()}
	if c.Subject != "" {
		q.path = []string{"subjects", c.Subject, "holds"}
		q.body = &httpapi.HoldBody{
			Group: domain.Name(c.Group), Purpose: domain.Name(c.Purpose), Review: c.Review.Time, Authority: authority,
		}
		return show(ctx, s, q, holdPlaced)
	}
	b := httpapi.GroupHoldBody{
		Group: domain.Name(c.Group), Purpose: domain.Name(c.Purpose), Review: c.Review.Time, Authority: authority,
		For: domain.Name(c.For), System: domain.Name(c.System),
	}
	switch {
	case c.Everyone:
		b.People = operations.Everyone
	case c.For != "":
		b.People = operations.WithPurpose
	case c.System != "":
		b.People = operations.FromSystem
	case c.Import != "":
		b.People = operations.FromImport
		if err := b.Import.UnmarshalText([]byte(c.Import)); err != nil {
			return usage("--import: an import's ID was expected, as lethe import printed it")
		}
	default:
		return usage("say whose data is kept: --subject, --everyone, --for, --import or --source")
	}
	q.path, q.body = []string{"holds"}, &b
	return show(ctx, s, q, holdPlaced)
}

func holdPlaced(p *page, out httpapi.HoldPlaced) error {
	if err := writeOutcome(p, out.Outcome); err != nil {
		return err
	}
	p.row("  hold", out.Hold.String())
	return nil
}

type holdReleaseCmd struct {
	Hold    string `arg:"" help:"The hold's ID, as hold place printed it."`
	Subject string `name:"subject" placeholder:"TOKEN" help:"Whose record it is on, as hold list shows it; left out for a hold of many people."`
	writing `embed:""`
}

// Help is shown by --help.
func (holdReleaseCmd) Help() string {
	return `Examples:

    lethe hold release 018f2c3e-0000-8000-8000-000000000001
    lethe hold release 018f2c3e-0000-8000-8000-000000000001 --subject TOKEN`
}

func (c *holdReleaseCmd) Run(ctx context.Context, s *shell) error {
	path := []string{"holds", c.Hold, "release"}
	if c.Subject != "" {
		path = append([]string{"subjects", c.Subject}, path...)
	}
	return wrote(ctx, s, call{method: http.MethodPost, path: path, header: c.header()})
}

type holdListCmd struct {
	Subject   string `name:"subject" xor:"overdue,released" placeholder:"TOKEN" help:"Those that bind this person."`
	Overdue   bool   `name:"overdue" xor:"overdue" help:"Only those whose review's day has passed; ends with exit code 3 when there are any."`
	Released  bool   `name:"released" xor:"released" help:"Also those of many people that were released."`
	Authority bool   `name:"authority" help:"Also on whose authority they were placed, of many people or, with --subject, of that person; that is recorded as an access."`
}

// Help is shown by --help.
func (holdListCmd) Help() string {
	return `Examples:

    lethe hold list
    lethe hold list --overdue
    lethe hold list --subject TOKEN --authority`
}

func (c *holdListCmd) Run(ctx context.Context, s *shell) error {
	list, err := c.all(ctx, s)
	if err != nil {
		return err
	}
	if err := s.holds(list); err != nil {
		return err
	}
	if c.Overdue && len(list) > 0 {
		return errFound
	}
	return nil
}

func (s *shell) holds(list []httpapi.HoldAnswer) error {
	if s.root.JSON {
		return s.json(items[httpapi.HoldAnswer]{Items: list})
	}
	p := &page{}
	if len(list) == 0 {
		p.line("None.")
		return p.writeTo(s.process.Stdout)
	}
	p.head("hold", "whose", "group", "kept for", "placed", "review", "state", "authority")
	for _, h := range list {
		p.row(holdRow(h)...)
	}
	return p.writeTo(s.process.Stdout)
}

// all reads what binds a person, or every page of all holds.
func (c *holdListCmd) all(ctx context.Context, s *shell) ([]httpapi.HoldAnswer, error) {
	q := call{method: http.MethodGet, path: []string{"holds"}, query: url.Values{}}
	for name, set := range map[string]bool{"overdue": c.Overdue, "released": c.Released, "authority": c.Authority} {
		if set {
			q.query.Set(name, "true")
		}
	}
	if c.Subject != "" {
		q.path = []string{"subjects", c.Subject, "holds"}
	}
	list := []httpapi.HoldAnswer{}
	for {
		a, err := s.ask(ctx, q)
		if err != nil {
			return nil, err
		}
		var v httpapi.HoldPage // a person's answer is one page
		if err := a.into(&v); err != nil {
			return nil, err
		}
		if list = append(list, v.Items...); v.Next == "" {
			return list, nil
		}
		q.query.Set("after", string(v.Next))
	}
}

func holdRow(h httpapi.HoldAnswer) []string {
	whose, state, authority := string(h.Token), "stands", ""
	switch h.People {
	case operations.WithPurpose:
		whose = "for " + string(h.For)
	case operations.FromImport:
		whose = "import " + h.Import.String()
	case operations.FromSystem:
		whose = "source " + string(h.System)
	case operations.Everyone:
		whose = "everyone"
	}
	switch {
	case !h.Released.IsZero():
		state = "released"
	case h.Overdue:
		state = "review overdue"
	}
	if h.Authority != nil {
		authority = text(*h.Authority)
	}
	return []string{h.Hold.String(), whose, string(h.Group), string(h.Purpose), stamp(h.Placed), stamp(h.Review), state, authority}
}
