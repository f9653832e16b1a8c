package cli

import (
	"context"
	"net/http"
	"strings"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/httpapi"
)

// person names whom a command is about.
type person struct {
	Token string `arg:"" help:"The person's token."`
}

func (p person) path(more ...string) []string {
	return append([]string{"subjects", p.Token}, more...)
}

// note reads a text that is kept sealed from a file: an argument is read by
// everybody on the machine. "" when no file is named.
func (s *shell) note(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := s.read(file, maxInput)
	return strings.TrimSpace(string(text)), err
}

type subjectRestrictCmd struct {
	person    `embed:""`
	Ground    string `name:"ground" required:"" placeholder:"GROUND" help:"accuracy_contested, unlawful, claims, objection_pending (GDPR 18(1)(a) to (d))."`
	Reason    string `name:"reason-file" placeholder:"FILE|-" help:"File that says why; kept sealed; - is standard input."`
	Effective moment `name:"effective" placeholder:"TIME" help:"Since when; now when left out."`
	writing   `embed:""`
}

// Help is shown by --help.
func (subjectRestrictCmd) Help() string {
	return `The data stays stored; using, enriching and importing it are refused until the restriction is lifted (GDPR 18).

Examples:

    lethe subject restrict TOKEN --ground accuracy_contested
    echo "case 2026-17" | lethe subject restrict TOKEN --ground claims --reason-file -`
}

func (c *subjectRestrictCmd) Run(ctx context.Context, s *shell) error {
	reason, err := s.note(c.Reason)
	if err != nil {
		return err
	}
	b := httpapi.RestrictionBody{Ground: subject.RestrictionGround(c.Ground), Reason: reason, Effective: c.Effective.Time}
	return wrote(ctx, s, call{method: http.MethodPost, path: c.path("restriction"), body: &b, header: c.header()})
}

type subjectLiftCmd struct {
	person   `embed:""`
	Ground   string `name:"ground" required:"" placeholder:"GROUND" help:"The ground of the restriction."`
	Informed moment `name:"informed" required:"" placeholder:"TIME" help:"When the person was told that it ends, such as 2026-01-31 or 2026-01-31T09:00:00Z."`
	writing  `embed:""`
}

// Help is shown by --help.
func (subjectLiftCmd) Help() string {
	return `An officer lifts a restriction, and only after the person was told (GDPR 18(3)).

Example:

    lethe subject lift TOKEN --ground accuracy_contested --informed 2026-01-31`
}

func (c *subjectLiftCmd) Run(ctx context.Context, s *shell) error {
	return wrote(ctx, s, call{
		method: http.MethodDelete, path: c.path("restriction"), header: c.header(),
		query: queryOf("ground", c.Ground, "informed", c.Informed.query()),
	})
}

type subjectObjectCmd struct {
	person       `embed:""`
	Scope        string `name:"scope" required:"" placeholder:"SCOPE" help:"marketing: at once and for good (GDPR 21(2)); processing: until an officer decides (21(1)); disclosure: nobody but processors gets the data."`
	Purpose      string `name:"purpose" placeholder:"PURPOSE" help:"Every purpose in scope when left out."`
	Channel      string `name:"channel" placeholder:"CHANNEL" help:"email, sms, phone, post, push; every channel when left out."`
	ContactPoint bool   `name:"contact-point" help:"It binds every record that has the same address."`
	By           string `name:"by" placeholder:"PARTY" help:"Who acted: subject, guardian, controller, processor, authority."`
	Reason       string `name:"reason-file" placeholder:"FILE|-" help:"File that says why; kept sealed; - is standard input."`
	Effective    moment `name:"effective" placeholder:"TIME" help:"Since when; now when left out."`
	writing      `embed:""`
}

// Help is shown by --help.
func (subjectObjectCmd) Help() string {
	return `The event that is printed names the objection in lethe subject objection.

Examples:

    lethe subject object TOKEN --scope marketing
    lethe subject object TOKEN --scope marketing --channel phone
    lethe subject object TOKEN --scope processing --purpose customer.service --reason-file letter.txt`
}

func (c *subjectObjectCmd) Run(ctx context.Context, s *shell) error {
	reason, err := s.note(c.Reason)
	if err != nil {
		return err
	}
	b := httpapi.ObjectionBody{
		Scope: subject.ObjectionScope(c.Scope), Purpose: domain.Name(c.Purpose), Channel: subject.Channel(c.Channel),
		ContactPoint: c.ContactPoint, By: subject.Party(c.By), Reason: reason, Effective: c.Effective.Time,
	}
	return wrote(ctx, s, call{method: http.MethodPost, path: c.path("objection"), body: &b, header: c.header()})
}

type subjectObjectionCmd struct {
	Override objectionOverrideCmd `cmd:"" help:"Document compelling grounds that override it (GDPR 21(1))."`
	Uphold   objectionUpholdCmd   `cmd:"" help:"Let it stand: processing stays off."`
	Withdraw objectionWithdrawCmd `cmd:"" help:"The person takes it back."`
}

// settling is what every decision on an objection says.
type settling struct {
	person    `embed:""`
	Event     string `arg:"" help:"The objection's event, as lethe subject object printed it."`
	Effective moment `name:"effective" placeholder:"TIME" help:"When it took effect; now when left out."`
	writing   `embed:""`
}

func (c *settling) run(ctx context.Context, s *shell, act string, body any) error {
	return wrote(ctx, s, call{method: http.MethodPost, path: c.path("objection", c.Event, act), body: body, header: c.header()})
}

type objectionOverrideCmd struct {
	settling `embed:""`
	Grounds  string `name:"grounds-file" required:"" placeholder:"FILE|-" help:"File with the grounds; kept sealed; - is standard input."`
}

// Help is shown by --help.
func (objectionOverrideCmd) Help() string {
	return `An objection to marketing, to a channel or to disclosure cannot be overridden.

Example:

    lethe subject objection override TOKEN EVENT --grounds-file grounds.txt`
}

func (c *objectionOverrideCmd) Run(ctx context.Context, s *shell) error {
	grounds, err := s.note(c.Grounds)
	if err != nil {
		return err
	}
	return c.run(ctx, s, "override", &httpapi.GroundsBody{Grounds: grounds, Effective: c.Effective.Time})
}

type objectionUpholdCmd struct {
	settling `embed:""`
}

// Help is shown by --help.
func (objectionUpholdCmd) Help() string {
	return `Example:

    lethe subject objection uphold TOKEN EVENT`
}

func (c *objectionUpholdCmd) Run(ctx context.Context, s *shell) error {
	return c.run(ctx, s, "uphold", &httpapi.WhenBody{Effective: c.Effective.Time})
}

type objectionWithdrawCmd struct {
	settling `embed:""`
}

// Help is shown by --help.
func (objectionWithdrawCmd) Help() string {
	return `Example:

    lethe subject objection withdraw TOKEN EVENT`
}

func (c *objectionWithdrawCmd) Run(ctx context.Context, s *shell) error {
	return c.run(ctx, s, "withdraw", &httpapi.WhenBody{Effective: c.Effective.Time})
}
