package cli

import (
	"context"
	"net/http"
	"strings"
	"time"

	"lethe/domain"
	"lethe/domain/principal"
	"lethe/internal/httpapi"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Create an access token; it is printed once."`
	List   tokenListCmd   `cmd:"" help:"List access tokens."`
	Revoke tokenRevokeCmd `cmd:"" help:"End a token now."`
}

type tokenCreateCmd struct {
	Role      []string `name:"role" required:"" placeholder:"ROLE" help:"admin, officer, operator, auditor, service; several with commas."`
	Purpose   []string `name:"purpose" placeholder:"PURPOSE" help:"It may act for these only; for any when left out."`
	Name      string   `name:"name-file" placeholder:"FILE|-" help:"File with the name of a new user or program, which is kept sealed; - is standard input."`
	Kind      string   `name:"kind" default:"program" enum:"user,program" help:"Of a new one: ${enum}."`
	Principal string   `name:"principal" placeholder:"ID" help:"Another token for somebody who has one."`
	Life      string   `name:"life" placeholder:"TIME" help:"How long it counts, such as 24h or 30d; 90 days when left out."`
	File      string   `name:"out" placeholder:"FILE" help:"Write the token to a new file (0600) instead of printing it."`
	writing   `embed:""`
}

// Help is shown by --help.
func (tokenCreateCmd) Help() string {
	return `Only a hash of a token is kept: what is printed now is printed nowhere again. What a role may do:

    admin     catalogue, tokens, views, imports; opens no personal data
    officer   everything about people, links, objections, restrictions; catalogue and imports
    operator  records people, changes and consents; reads for a purpose
    auditor   reads facts and history; opens nothing
    service   an application: as operator, for the purposes given

Examples:

    echo "web shop" | lethe token create --role service --purpose customer.service --name-file -
    lethe token create --role admin --out admin.token`
}

// tokenRequest asks for a token.
type tokenRequest struct {
	Name      string
	Kind      principal.Kind
	Principal domain.ID
	Roles     []principal.Role
	Purposes  []domain.Name
	Expires   time.Duration
	header    http.Header
}

func (t tokenRequest) call() call {
	b := httpapi.TokenBody{Principal: t.Principal, Name: t.Name, Kind: t.Kind, Roles: t.Roles, Purposes: t.Purposes}
	if t.Expires > 0 { // the API's own default keeps a repeated request the same
		b.Expires = time.Now().UTC().Add(t.Expires).Truncate(time.Second)
	}
	return call{method: http.MethodPost, path: []string{"tokens"}, header: t.header, body: b}
}

// mint creates a token and returns its secret.
func mint(ctx context.Context, c *client, t tokenRequest) (string, error) {
	a, err := c.do(ctx, t.call())
	if err != nil {
		return "", err
	}
	var made httpapi.TokenCreated
	if err := a.into(&made); err != nil {
		return "", err
	}
	return made.Secret, nil
}

func (c *tokenCreateCmd) Run(ctx context.Context, s *shell) error {
	life, err := parseLife(c.Life)
	if err != nil {
		return err
	}
	t := tokenRequest{Kind: principal.Kind(c.Kind), Purposes: names(c.Purpose), Expires: life, header: c.header()}
	for _, r := range c.Role {
		t.Roles = append(t.Roles, principal.Role(r))
	}
	if c.Principal != "" {
		if err := t.Principal.UnmarshalText([]byte(c.Principal)); err != nil {
			return usage("--principal: an ID was expected; see `lethe token list`")
		}
		t.Kind = ""
	} else if t.Name, err = c.holder(s); err != nil {
		return err
	}
	var out *secretFile
	if c.File != "" { // before the token, which could not be had again
		if out, err = newSecretFile(c.File); err != nil {
			return err
		}
		defer out.discard()
	}
	a, err := s.ask(ctx, t.call())
	if err != nil {
		return err
	}
	var made httpapi.TokenCreated
	if err := a.into(&made); err != nil {
		return err
	}
	if out != nil && made.Secret != "" {
		if err := out.write(made.Secret); err != nil {
			return err
		}
		made.Secret = ""
	}
	if s.root.JSON {
		return s.json(made)
	}
	return tokenLines(made, c.File).writeTo(s.process.Stdout)
}

func (c *tokenCreateCmd) holder(s *shell) (string, error) {
	if c.Name == "" {
		return strings.Join(c.Role, " and ") + " (unnamed)", nil
	}
	text, err := s.read(c.Name, 1<<10)
	return strings.TrimSpace(string(text)), err
}

func tokenLines(made httpapi.TokenCreated, file string) *page {
	p := &page{}
	switch {
	case made.Repeated:
		p.line("This was done before with the same key; the token is not shown again.")
	case file != "":
		p.line("The token is in %s.", file)
	default:
		p.line("%s", made.Secret)
		p.line("")
		p.line("This is the only time it is shown. Send it as `Authorization: Bearer …`, or set LETHE_TOKEN.")
	}
	p.row("  id", made.ID.String())
	p.row("  principal", made.Principal.String())
	p.row("  expires", stamp(made.Expires))
	return p
}

// parseLife reads a duration that may count days; 0 when there is none.
func parseLife(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := time.ParseDuration(days + "h"); err == nil && n > 0 && n < 200_000*time.Hour {
			return n * 24, nil
		}
		return 0, usage("--life: a time is written 24h or 90d")
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, usage("--life: a time is written 24h or 90d")
	}
	return d, nil
}

type tokenListCmd struct {
	Names bool `name:"names" help:"Also whose they are; that is an access to staff data and recorded."`
}

// Help is shown by --help.
func (tokenListCmd) Help() string {
	return `Example:

    lethe token list --names`
}

func (c *tokenListCmd) Run(ctx context.Context, s *shell) error {
	q := call{method: http.MethodGet, path: []string{"tokens"}}
	if c.Names {
		q.query = queryOf("names", "true")
	}
	return showList(ctx, s, q, []string{"id", "principal", "roles", "purposes", "created", "expires", "state", "name"}, tokenRow)
}

func tokenRow(t httpapi.TokenAnswer) []string {
	state, name := "valid", ""
	switch {
	case t.Revoked:
		state = "revoked"
	case !t.Valid:
		state = "expired"
	}
	if t.Name != nil {
		name = text(*t.Name)
	}
	return []string{
		t.ID.String(), t.Principal.String(), words(t.Roles), words(t.Purposes), stamp(t.Created), stamp(t.Expires), state, name,
	}
}

type tokenRevokeCmd struct {
	ID      string `arg:"" help:"The token's ID, as token list shows it."`
	writing `embed:""`
}

// Help is shown by --help.
func (tokenRevokeCmd) Help() string {
	return `Example:

    lethe token revoke 018f2c3e-0000-8000-8000-000000000001`
}

func (c *tokenRevokeCmd) Run(ctx context.Context, s *shell) error {
	return wrote(ctx, s, call{method: http.MethodDelete, path: []string{"tokens", c.ID}, header: c.header()})
}
