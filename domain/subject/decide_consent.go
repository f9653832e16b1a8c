package subject

import (
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/catalogue"
)

const (
	requestLasts    = 7 * 24 * time.Hour
	maxRequestLasts = 30 * 24 * time.Hour
)

// asked checks what every consent event says and fills in what it left out.
// It asks for no purpose in force and no notice: a denial needs neither.
func (d *decision) asked(s Said) (Choice, error) {
	if s.By == "" {
		s.By = Self
	}
	c := Choice{
		Purpose: s.Purpose, Version: s.Version, Notice: s.Notice, Language: s.Language, Medium: s.Medium,
		Method: s.Method, By: s.By, Evidence: s.Evidence, Guardian: s.Guardian,
	}
	if n, ok := d.Catalogue.Notice(s.Notice); ok && c.Language == "" {
		c.Language = n.Language
	}
	return c, firstError(
		bad(s.By.Valid(), "consent.by", "by", "GDPR 7(1)", "say who acted: subject, guardian, controller, processor or authority"),
		bad(s.Medium == "" || s.Medium.Valid(), "consent.medium", "medium", "GDPR 7(1)", "this is not a known medium"),
		bad(s.Method == "" || s.Method.Valid(), "consent.method", "method", "GDPR 7(1)", "this is not a known method"),
		bad(s.Language == "" || s.Language.Valid(), "consent.language", "language", "GDPR 7(2)", "give the language as a BCP 47 tag, such as de"),
		validText("consent.evidence", s.Evidence), validText("consent.guardian", s.Guardian),
	)
}

func bad(ok bool, code, field, source, format string, args ...any) error {
	if ok {
		return nil
	}
	return domain.Invalid(code, field, format, args...).Citing(source)
}

// fromPerson refuses a choice that only the person, or who acts for a child,
// can make.
func (d *decision) fromPerson(c *Choice, what string) error {
	if c.By != Self && c.By != Guardian {
		return domain.Invalid("consent.by", "by", "only the person or a child's guardian can %s", what).Citing("GDPR 4(11)")
	}
	return nil
}

// grant checks everything that giving, confirming and renewing have in
// common.
func (d *decision) grant(c Granting, p *catalogue.PurposeDeclared) (Grant, error) {
	choice, err := d.asked(c.Said)
	if err != nil {
		return Grant{}, err
	}
	choice.Version = p.Version
	if c.Until.IsZero() && p.Validity != "" {
		c.Until = p.Validity.After(d.at)
	}
	if err := firstError(
		d.fromPerson(&choice, "consent"), d.ofAge(&choice, p), d.manner(&c, p),
		bad(c.Until.IsZero() || c.Until.After(d.at), "consent.until", "until", "GDPR 5(1)(e)", "the consent would end before it begins: give a later end"),
		validChannels(c.Channels),
	); err != nil {
		return Grant{}, err
	}
	class, err := d.shown(&choice, p)
	if err != nil {
		return Grant{}, err
	}
	return Grant{
		Choice: choice, Class: class, Explicit: c.Explicit, Channels: c.Channels, Until: c.Until,
		MetConditions: c.MetConditions,
	}, nil
}

// manner: consent is an act, and explicit where the purpose says so.
func (d *decision) manner(c *Granting, p *catalogue.PurposeDeclared) error {
	imports := c.Medium == Imported || c.Method == SourceRecord
	if imports {
		if err := d.restricted("importing"); err != nil {
			return err
		}
	}
	return firstError(
		bad(p.TakesConsent(), "consent.not_the_basis", "purpose", "GDPR 6(1); EDPB 05/2020, 121", "the purpose %s does not rest on consent: do not ask for it", p.ID),
		bad(c.Medium != "", "consent.medium", "medium", "GDPR 7(1)", "say where the consent was collected"),
		bad(c.Method != "", "consent.method", "method", "GDPR 7(1)", "say by which act the person consented"),
		bad(c.Method != Signal && c.Method != Unsubscribe, "consent.method", "method", "GDPR 4(11)", "a signal or an unsubscription does not give consent: name the act that does"),
		bad(!p.Explicit || c.Explicit, "consent.not_explicit", "explicit", "GDPR 9(2)(a)", "the purpose %s needs explicit consent: ask for it in so many words", p.ID),
	)
}

func validChannels(channels []Channel) error {
	for i, c := range channels {
		if !c.Valid() || slices.Contains(channels[:i], c) {
			return domain.Invalid("consent.channels", "channels", "channels are email, sms, phone, post or push, each once")
		}
	}
	return nil
}

// shown checks that the notice told of the purpose before the consent took
// effect. A notice that was in effect but recorded later leaves the consent
// asserted only, as does another system's word for it.
func (d *decision) shown(c *Choice, p *catalogue.PurposeDeclared) (EvidenceClass, error) {
	if c.Notice.IsZero() {
		return "", domain.Invalid("consent.notice_missing", "notice",
			"name the notice that was shown: consent without information is none").Citing("GDPR 4(11), 7(1)")
	}
	published := d.Catalogue.Publications(c.Notice)
	if len(published) == 0 {
		return "", domain.Invalid("consent.notice_unknown", "notice",
			"this notice was never published: publish the exact text that was shown").Citing("GDPR 7(1)")
	}
	class, told, language := EvidenceClass(""), false, false
	for _, n := range published {
		if !slices.ContainsFunc(n.Purposes, func(r catalogue.PurposeRef) bool { return r.Purpose == p.ID && r.Version == p.Version }) {
			continue
		}
		told = true
		if n.From.After(d.at) {
			continue
		}
		language = language || c.Language == n.Language
		if class != Proven {
			class = Asserted
		}
		if !n.Recorded.After(d.at) && c.Medium != Imported && c.Method != SourceRecord {
			class = Proven
		}
	}
	switch {
	case !told:
		return "", domain.Invalid("consent.notice_other", "notice",
			"this notice does not tell of version %d of the purpose %s: name the one that does", p.Version, p.ID).Citing("GDPR 6(1)(a), 7(2)")
	case class == "":
		return "", domain.Invalid("consent.notice_unpublished", "notice",
			"this notice came into effect after the consent: consent needs a notice shown before it").Citing("GDPR 7(1)")
	case !language:
		return "", domain.Invalid("consent.language", "language", "the notice is in another language: name the text that was shown").Citing("GDPR 7(2)")
	}
	return class, nil
}

// ofAge: below digital age a guardian consents to online services; from then
// on nobody but the person does. Without an outcome of the age rule the
// person is taken at their word.
func (d *decision) ofAge(c *Choice, p *catalogue.PurposeDeclared) error {
	child := d.child()
	if c.By == Guardian {
		if !child {
			return domain.Invalid("consent.guardian_power", "by",
				"no age rule says that the person is a child now: record its outcome, or let the person consent").Citing("GDPR 8(1)")
		}
		return needText("consent.guardian", "guardian", "GDPR 8(2)", "say who the guardian is", c.Guardian)
	}
	if child && p.Online {
		return domain.Invalid("consent.child", "by", "the person is below digital age: the guardian must consent").Citing("GDPR 8(1)")
	}
	return nil
}

// child reports whether the person was below digital age at the command's
// time. The review date is sealed; unopened, the recorded outcome counts.
func (d *decision) child() bool {
	age, _ := d.age(d.now())
	if age == nil || age.Outcome != Child {
		return false
	}
	if d.Opened == nil {
		return true
	}
	text, ok := d.Opened(age.Review)
	if !ok {
		return true
	}
	review, err := time.Parse(time.DateOnly, text)
	return err != nil || d.at.Before(review)
}

func (d *decision) giveConsent(c GiveConsent) ([]domain.Event, error) {
	p, err := d.consentPurpose(c.Purpose, c.Version)
	if err != nil {
		return nil, err
	}
	if p.DoubleOptIn {
		return nil, domain.Conflict("consent.double_opt_in", "purpose",
			"the purpose %s takes a double opt-in: request the consent and confirm it", p.ID).Citing("GDPR 7(1)")
	}
	g, err := d.grant(c.Granting, p)
	if err != nil {
		return nil, err
	}
	return one(&ConsentGiven{g})
}

// consentPurpose is purposeAt in the words of consent, of a person who can be
// asked for it.
func (d *decision) consentPurpose(id domain.Name, version uint32) (*catalogue.PurposeDeclared, error) {
	if err := d.forgot(); err != nil {
		return nil, err
	}
	p, err := d.purposeAt(id, version)
	if e, ok := domain.AsError(err); ok {
		named := *e
		named.Code = "consent." + e.Code[len("purpose."):]
		return nil, &named
	}
	return p, err
}

func (d *decision) renewConsent(c RenewConsent) ([]domain.Event, error) {
	p, err := d.consentPurpose(c.Purpose, c.Version)
	if err != nil {
		return nil, err
	}
	stands := d.consent(d.now(), c.Purpose)
	switch {
	case !stands.standing.Allows() && stands.standing != StatusExpired:
		return nil, domain.Conflict("consent.not_renewable", "purpose",
			"only a consent that stands or has expired can be renewed: ask for it anew").Citing("GDPR 4(11); EDPB 05/2020, 110")
	case stands.Grant.Version != p.Version:
		return nil, domain.Conflict("consent.superseded", "version",
			"the consent was to version %d of the purpose, version %d is in force: ask for it anew", stands.Grant.Version, p.Version).Citing("GDPR 6(1)(a)")
	}
	g, err := d.grant(c.Granting, p)
	if err != nil {
		return nil, err
	}
	return one(&ConsentRenewed{g})
}

func (d *decision) requestConsent(c RequestConsent) ([]domain.Event, error) {
	p, err := d.consentPurpose(c.Purpose, c.Version)
	if err != nil {
		return nil, err
	}
	choice, err := d.asked(c.Said)
	if err != nil {
		return nil, err
	}
	choice.Version = p.Version
	if c.Expires.IsZero() && p.DoubleOptIn {
		c.Expires = d.at.Add(requestLasts)
	}
	if err := firstError(
		bad(p.TakesConsent(), "consent.not_the_basis", "purpose", "GDPR 6(1); EDPB 05/2020, 121", "the purpose %s does not rest on consent: do not ask for it", p.ID),
		bad(c.Expires.IsZero() || c.Expires.After(d.at) && !c.Expires.After(d.at.Add(maxRequestLasts)),
			"consent.request_expires", "expires", "", "a request lasts at most 30 days"),
		bad(c.Until.IsZero() || c.Until.After(d.at), "consent.until", "until", "GDPR 5(1)(e)", "the consent would end before it begins: give a later end"),
		validChannels(c.Channels),
	); err != nil {
		return nil, err
	}
	if _, err := d.shown(&choice, p); err != nil {
		return nil, err
	}
	if (p.DoubleOptIn || c.Contact != "") && !d.holdsContact(c.Contact, c.ContactSlot) {
		return nil, domain.Invalid("consent.contact", "contact",
			"name the recorded e-mail or phone field that the request is written to; a double opt-in needs one").Citing("GDPR 7(1)")
	}
	return one(&ConsentRequested{
		Choice: choice, DoubleOptIn: p.DoubleOptIn, Channels: c.Channels, Contact: c.Contact,
		ContactSlot: c.ContactSlot, Expires: c.Expires, Until: c.Until,
	})
}

func (d *decision) holdsContact(field domain.Name, slot uint16) bool {
	f, ok := d.Catalogue.Field(field)
	if !ok || (f.Type != catalogue.Email && f.Type != catalogue.Phone) {
		return false
	}
	return slices.ContainsFunc(d.fields(window{}), func(h Field) bool { return h.Field == field && h.Slot == slot && h.Earlier == 0 })
}

func (d *decision) deferConsent(c DeferConsent) ([]domain.Event, error) {
	p, err := d.consentPurpose(c.Purpose, c.Version)
	if err != nil {
		return nil, err
	}
	choice, err := d.asked(c.Said)
	if err == nil {
		err = d.fromPerson(&choice, "put the answer off")
	}
	if err != nil {
		return nil, err
	}
	choice.Version = p.Version
	return one(&ConsentDeferred{choice})
}
