package cli

import (
	"context"
	"net/http"
	"net/url"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/httpapi"
)

type consentCmd struct {
	Request    consentRequestCmd    `cmd:"" help:"Ask a person; for a double opt-in the answer has what must go out to them."`
	Confirm    consentConfirmCmd    `cmd:"" help:"Give a double-opt-in consent by answering its request."`
	Give       consentGiveCmd       `cmd:"" help:"The person agrees."`
	Renew      consentRenewCmd      `cmd:"" help:"Prolong a consent that stands or has expired."`
	Defer      consentDeferCmd      `cmd:"" help:"The person puts the answer off."`
	Refuse     consentRefuseCmd     `cmd:"" help:"The person says no."`
	Withdraw   consentWithdrawCmd   `cmd:"" help:"The person takes the consent back."`
	Revoke     consentRevokeCmd     `cmd:"" help:"Somebody other than the person ends it."`
	Invalidate consentInvalidateCmd `cmd:"" help:"It was never valid: reaches back to its giving."`
	Show       consentShowCmd       `cmd:"" help:"Show what stands, now or as of a day."`
	Receipt    consentReceiptCmd    `cmd:"" help:"Print the consent record as a receipt (JSON)."`
}

// about names the person and the purpose.
type about struct {
	Token   string `arg:"" help:"The person's token."`
	Purpose string `arg:"" help:"Purpose of the catalogue."`
}

func (a about) path(act string) []string {
	return []string{"subjects", a.Token, "consents", a.Purpose, act}
}

// said is what every act on a consent can say.
type said struct {
	Notice    string `name:"notice" placeholder:"ID|DIGEST" help:"The notice that was shown: its ID, or the SHA-256 of its text."`
	Language  string `name:"language" placeholder:"LANG" help:"Language of the notice, such as en."`
	Medium    string `name:"medium" placeholder:"MEDIUM" help:"web, app, api, email, phone, paper, in_person, import."`
	Method    string `name:"method" placeholder:"METHOD" help:"checkbox, signature, spoken, link_click, reply, form_submit, setting, signal, unsubscribe, source_record."`
	By        string `name:"by" placeholder:"PARTY" help:"Who acted: subject, guardian, controller, processor, authority."`
	Effective moment `name:"effective" placeholder:"TIME" help:"When it took effect; now when left out."`
	Version   uint32 `name:"purpose-version" placeholder:"N" help:"Version of the purpose; the one in force when left out."`
	Values    string `name:"values" placeholder:"FILE|-" help:"JSON object with personal members, such as evidence and guardian; - is standard input."`
}

// fill sets what flags say; what they leave out stays as --values has it.
func (f *said) fill(ctx context.Context, s *shell, b *httpapi.SaidBody) error {
	digest, err := f.digest(ctx, s)
	if err != nil {
		return err
	}
	if !digest.IsZero() {
		b.Notice = httpapi.NoticeRef(digest.String())
	}
	override(&b.Language, domain.Language(f.Language))
	override(&b.Medium, subject.Medium(f.Medium))
	override(&b.Method, subject.Method(f.Method))
	override(&b.By, subject.Party(f.By))
	override(&b.Version, f.Version)
	if !f.Effective.IsZero() {
		b.Effective = f.Effective.Time
	}
	return nil
}

func override[T comparable](to *T, v T) {
	var zero T
	if v != zero {
		*to = v
	}
}

// digest finds the text that a notice's name means: its newest version, in
// the language given or in the only one there is.
func (f *said) digest(ctx context.Context, s *shell) (domain.Digest, error) {
	var d domain.Digest
	if f.Notice == "" {
		return d, nil
	}
	if d.UnmarshalText([]byte(f.Notice)) == nil {
		return d, nil
	}
	a, err := s.ask(ctx, call{method: http.MethodGet, path: []string{"catalogue", "notices", f.Notice}})
	if err != nil {
		return d, err
	}
	var n httpapi.NoticePublications
	if err := a.into(&n); err != nil {
		return d, err
	}
	var newest *httpapi.NoticeAnswer
	several := false
	for i := range n.Publications {
		p := &n.Publications[i]
		if f.Language != "" && string(p.Language) != f.Language {
			continue
		}
		if newest == nil || p.Version > newest.Version {
			newest, several = p, false
		} else if p.Version == newest.Version {
			several = true
		}
	}
	switch {
	case newest == nil:
		return d, usage("--notice: %s has no text in the language %s", f.Notice, f.Language)
	case several:
		return d, usage("--notice: %s has texts in several languages: say which was shown with --language", f.Notice)
	}
	return newest.Digest, nil
}

// act sends one act on a consent, its body as the file and the flags say.
func act[B any](ctx context.Context, s *shell, a about, name string, w writing, f *said, body *B, base *httpapi.SaidBody) error {
	if err := s.personal(f.Values, body); err != nil {
		return err
	}
	if err := f.fill(ctx, s, base); err != nil {
		return err
	}
	return wrote(ctx, s, call{method: http.MethodPost, path: a.path(name), body: body, header: w.header()})
}

// granting is what giving and renewing say besides.
type granting struct {
	Explicit      bool     `name:"explicit" help:"The person said so in so many words (GDPR 9(2)(a))."`
	Channels      []string `name:"channel" placeholder:"CHANNEL" help:"What it covers: email, sms, phone, post, push; all of the purpose's when left out."`
	Until         moment   `name:"until" placeholder:"TIME" help:"When it ends; the purpose's validity when left out."`
	MetConditions bool     `name:"met-conditions" help:"Of a consent from before 25 May 2018: it met the GDPR's conditions (recital 171)."`
}

func (g *granting) fill(b *httpapi.GrantBody) {
	override(&b.Explicit, g.Explicit)
	override(&b.MetConditions, g.MetConditions)
	if len(g.Channels) > 0 {
		b.Channels = channels(g.Channels)
	}
	if !g.Until.IsZero() {
		b.Until = g.Until.Time
	}
}

func channels(names []string) []subject.Channel {
	out := make([]subject.Channel, len(names))
	for i, n := range names {
		out[i] = subject.Channel(n)
	}
	return out
}

type consentGiveCmd struct {
	about    `embed:""`
	said     `embed:""`
	granting `embed:""`
	writing  `embed:""`
}

// Help is shown by --help.
func (consentGiveCmd) Help() string {
	return `A consent names the very text that was shown, published before it. A purpose with double opt-in refuses this: use request and confirm.

Examples:

    lethe consent give TOKEN marketing.sms --notice notice.marketing.sms --language en --medium web --method checkbox
    echo '{"evidence": "form 17"}' | lethe consent give TOKEN support.health --explicit --notice notice.support.health --language en --medium paper --method signature --values -`
}

func (c *consentGiveCmd) Run(ctx context.Context, s *shell) error { return c.run(ctx, s, "give") }

func (c *consentGiveCmd) run(ctx context.Context, s *shell, name string) error {
	var b httpapi.GrantBody
	if err := s.personal(c.Values, &b); err != nil {
		return err
	}
	c.granting.fill(&b)
	if err := c.fill(ctx, s, &b.SaidBody); err != nil {
		return err
	}
	return wrote(ctx, s, call{method: http.MethodPost, path: c.path(name), body: &b, header: c.header()})
}

func (c *consentGiveCmd) fill(ctx context.Context, s *shell, b *httpapi.SaidBody) error {
	return c.said.fill(ctx, s, b)
}

type consentRenewCmd struct {
	consentGiveCmd `embed:""`
}

// Help is shown by --help.
func (consentRenewCmd) Help() string {
	return `Only the person renews, for the same version of the purpose. After a no, or a withdrawal, it must be given anew.

Example:

    lethe consent renew TOKEN marketing.sms --notice notice.marketing.sms --language en --medium app --method setting`
}

func (c *consentRenewCmd) Run(ctx context.Context, s *shell) error { return c.run(ctx, s, "renew") }

// plainAct is an act that says nothing more than every act does.
type plainAct struct {
	about   `embed:""`
	said    `embed:""`
	writing `embed:""`
}

func (c *plainAct) run(ctx context.Context, s *shell, name string) error {
	var b httpapi.SaidBody
	return act(ctx, s, c.about, name, c.writing, &c.said, &b, &b)
}

type consentDeferCmd struct {
	plainAct `embed:""`
}

func (c *consentDeferCmd) Run(ctx context.Context, s *shell) error { return c.run(ctx, s, "defer") }

type consentRefuseCmd struct {
	plainAct `embed:""`
}

// Help is shown by --help.
func (consentRefuseCmd) Help() string {
	return `Of a consent that stands this is a withdrawal.

Example:

    lethe consent refuse TOKEN marketing.phone --medium phone --method spoken`
}

func (c *consentRefuseCmd) Run(ctx context.Context, s *shell) error { return c.run(ctx, s, "refuse") }

type consentWithdrawCmd struct {
	plainAct `embed:""`
}

// Help is shown by --help.
func (consentWithdrawCmd) Help() string {
	return `Withdrawing is as easy as giving (GDPR 7(3)): it needs nothing but the person and the purpose, and is never refused for ones that exist.

Example:

    lethe consent withdraw TOKEN marketing.sms --medium email --method unsubscribe`
}

func (c *consentWithdrawCmd) Run(ctx context.Context, s *shell) error {
	return c.run(ctx, s, "withdraw")
}

type consentRevokeCmd struct {
	plainAct `embed:""`
}

// Help is shown by --help.
func (consentRevokeCmd) Help() string {
	return `Example:

    lethe consent revoke TOKEN marketing.sms --by controller`
}

func (c *consentRevokeCmd) Run(ctx context.Context, s *shell) error { return c.run(ctx, s, "revoke") }

type consentInvalidateCmd struct {
	about   `embed:""`
	Grant   string `name:"grant" placeholder:"EVENT" help:"The event that gave it; the last giving when left out."`
	said    `embed:""`
	writing `embed:""`
}

// Help is shown by --help.
func (consentInvalidateCmd) Help() string {
	return `Unlike a withdrawal or revocation it reaches back: as of any later moment the consent never stood.

Example:

    lethe consent invalidate TOKEN marketing.sms --by controller`
}

func (c *consentInvalidateCmd) Run(ctx context.Context, s *shell) error {
	var b httpapi.InvalidBody
	if c.Grant != "" {
		if err := b.Grant.UnmarshalText([]byte(c.Grant)); err != nil {
			return usage("--grant: an event's ID was expected")
		}
	}
	return act(ctx, s, c.about, "invalidate", c.writing, &c.said, &b, &b.SaidBody)
}

type consentRequestCmd struct {
	about    `embed:""`
	Contact  string   `name:"contact" placeholder:"FIELD" help:"The field whose address the request goes to, for a double opt-in."`
	Slot     uint16   `name:"contact-slot" placeholder:"N" help:"Which of its values."`
	Channels []string `name:"channel" placeholder:"CHANNEL" help:"What the consent will cover."`
	Expires  moment   `name:"expires" placeholder:"TIME" help:"End of the request; 7 days when left out, at most 30."`
	Until    moment   `name:"until" placeholder:"TIME" help:"End of the consent, once confirmed."`
	said     `embed:""`
	writing  `embed:""`
}

// Help is shown by --help.
func (consentRequestCmd) Help() string {
	return `The nonce is printed to the caller and kept nowhere. Send it to the person's address; only an act of theirs confirms, never the loading of an address.

Example:

    lethe consent request TOKEN marketing.email --contact email --notice notice.marketing.email --language en --medium web --method form_submit`
}

func (c *consentRequestCmd) Run(ctx context.Context, s *shell) error {
	var b httpapi.RequestBody
	if err := s.personal(c.Values, &b); err != nil {
		return err
	}
	if err := c.fill(ctx, s, &b.SaidBody); err != nil {
		return err
	}
	override(&b.Contact, domain.Name(c.Contact))
	override(&b.ContactSlot, c.Slot)
	if len(c.Channels) > 0 {
		b.Channels = channels(c.Channels)
	}
	if !c.Expires.IsZero() {
		b.Expires = c.Expires.Time
	}
	if !c.Until.IsZero() {
		b.Until = c.Until.Time
	}
	q := call{method: http.MethodPost, path: c.path("request"), body: &b, header: c.header()}
	return show(ctx, s, q, func(p *page, out httpapi.Requested) error {
		if err := writeOutcome(p, out.Outcome); err != nil {
			return err
		}
		if out.Nonce != "" {
			p.row("  nonce", out.Nonce)
			p.line("Send event and nonce to the person; `lethe consent confirm` takes them back.")
		}
		return nil
	})
}

type consentConfirmCmd struct {
	about     `embed:""`
	Request   string `name:"request" required:"" placeholder:"EVENT" help:"The event of the request."`
	Values    string `name:"values" required:"" placeholder:"FILE|-" help:"JSON object with the nonce that came back, and evidence or guardian; - is standard input."`
	Medium    string `name:"medium" placeholder:"MEDIUM" help:"web, app, api, email, phone, paper, in_person."`
	Method    string `name:"method" placeholder:"METHOD" help:"link_click, reply, form_submit and so on."`
	By        string `name:"by" placeholder:"PARTY" help:"Who acted: subject or guardian."`
	Explicit  bool   `name:"explicit" help:"The person said so in so many words."`
	Effective moment `name:"effective" placeholder:"TIME" help:"When it took effect; now when left out."`
	writing   `embed:""`
}

// Help is shown by --help.
func (consentConfirmCmd) Help() string {
	return `Example:

    echo '{"nonce": "…"}' | lethe consent confirm TOKEN marketing.email --request EVENT --medium web --method link_click --values -`
}

func (c *consentConfirmCmd) Run(ctx context.Context, s *shell) error {
	var b httpapi.ConfirmBody
	if err := s.personal(c.Values, &b); err != nil {
		return err
	}
	if err := b.Request.UnmarshalText([]byte(c.Request)); err != nil {
		return usage("--request: an event's ID was expected")
	}
	override(&b.Medium, subject.Medium(c.Medium))
	override(&b.Method, subject.Method(c.Method))
	override(&b.By, subject.Party(c.By))
	override(&b.Explicit, c.Explicit)
	if !c.Effective.IsZero() {
		b.Effective = c.Effective.Time
	}
	return wrote(ctx, s, call{method: http.MethodPost, path: c.path("confirm"), body: &b, header: c.header()})
}

type consentReceiptCmd struct {
	about  `embed:""`
	Format string `name:"format" default:"iso27560" placeholder:"FORMAT" help:"iso27560 (ISO/IEC TS 27560) or kantara (Consent Receipt 1.1)."`
	Proof  bool   `name:"proof" help:"With the proofs that the events it rests on are in the log: member proofs."`
}

// Help is shown by --help.
func (consentReceiptCmd) Help() string {
	return `A receipt is personal data: reading it is recorded as an access.

Example:

    lethe consent receipt TOKEN marketing.sms --format kantara > receipt.json
    lethe consent receipt TOKEN marketing.sms --proof > receipt.json`
}

func (c *consentReceiptCmd) Run(ctx context.Context, s *shell) error {
	q := url.Values{"format": {c.Format}}
	if c.Proof {
		q.Set("proof", "true")
	}
	a, err := s.ask(ctx, call{method: http.MethodGet, path: c.path("receipt"), query: q})
	if err != nil {
		return err
	}
	return s.json(a.body)
}
