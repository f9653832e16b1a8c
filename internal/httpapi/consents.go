package httpapi

import (
	"context"
	"net/http"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/auth"
)

const tagConsents = "Consents"

// SaidBody is what every consent request says: on which notice, how, by whom.
type SaidBody struct {
	Version   uint32          `json:"version,omitzero" doc:"Of the purpose; the one in force when left out"`
	Notice    NoticeRef       `json:"notice,omitzero" doc:"The text that was shown: a notice's ID, which means its newest version in the language, or the text's SHA-256 as the catalogue has it" example:"notice.marketing.sms"`
	Language  domain.Language `json:"language,omitzero" doc:"The notice's when left out; needed with an ID when there are several" example:"en"`
	Medium    subject.Medium  `json:"medium,omitzero" enum:"web,app,api,email,phone,paper,in_person,import"`
	Method    subject.Method  `json:"method,omitzero" enum:"checkbox,signature,spoken,link_click,reply,form_submit,setting,signal,unsubscribe,source_record" doc:"The act by which the person expressed the choice"`
	By        subject.Party   `json:"by,omitzero" enum:"subject,guardian,controller,processor,authority" doc:"Who acted; the person when left out"`
	Evidence  string          `json:"evidence,omitzero" doc:"What shows it, such as a form's ID; kept sealed"`
	Guardian  string          `json:"guardian,omitzero" doc:"Who the guardian is; kept sealed"`
	Effective time.Time       `json:"effective,omitzero" doc:"When it took effect; now when left out"`

	digest domain.Digest // what Notice means
}

// GrantBody gives or renews a consent.
type GrantBody struct {
	SaidBody
	Explicit      bool              `json:"explicit,omitzero" doc:"The person said so in so many words (GDPR 9(2)(a))"`
	Channels      []subject.Channel `json:"channels,omitempty" enum:"email,sms,phone,post,push" doc:"What it covers; all of the purpose's when left out"`
	Until         time.Time         `json:"until,omitzero" doc:"When it ends; the purpose's validity when left out"`
	MetConditions bool              `json:"met_conditions,omitzero" doc:"Of a consent from before 25 May 2018: it met the GDPR's conditions (recital 171)"`
}

// RequestBody asks for a consent.
type RequestBody struct {
	SaidBody
	Channels    []subject.Channel `json:"channels,omitempty" enum:"email,sms,phone,post,push"`
	Contact     domain.Name       `json:"contact,omitzero" doc:"The field whose address the request goes to, for a double opt-in" example:"email"`
	ContactSlot uint16            `json:"contact_slot,omitzero"`
	Expires     time.Time         `json:"expires,omitzero" doc:"Of the request; after 7 days when left out, at most 30"`
	Until       time.Time         `json:"until,omitzero" doc:"Of the consent, once confirmed"`
}

// ConfirmBody gives a double-opt-in consent by answering its request.
type ConfirmBody struct {
	Request   domain.ID      `json:"request" doc:"The event of the request"`
	Nonce     string         `json:"nonce" doc:"What went out with the request"`
	Medium    subject.Medium `json:"medium,omitzero" enum:"web,app,api,email,phone,paper,in_person,import"`
	Method    subject.Method `json:"method,omitzero" enum:"checkbox,signature,spoken,link_click,reply,form_submit,setting,signal,unsubscribe,source_record"`
	By        subject.Party  `json:"by,omitzero" enum:"subject,guardian,controller,processor,authority"`
	Explicit  bool           `json:"explicit,omitzero"`
	Evidence  string         `json:"evidence,omitzero" doc:"Kept sealed"`
	Guardian  string         `json:"guardian,omitzero" doc:"Kept sealed"`
	Effective time.Time      `json:"effective,omitzero"`
}

// InvalidBody says that a consent was never valid.
type InvalidBody struct {
	SaidBody
	Grant domain.ID `json:"grant,omitzero" doc:"The event that gave it; the last giving when left out"`
}

// consentInput is a request about one purpose's consent.
type consentInput[T any] struct {
	Token   domain.Token `path:"token" doc:"The person's pseudonym"`
	Purpose domain.Name  `path:"purpose" doc:"A purpose of the catalogue" example:"marketing.sms"`
	Body    body[T]
}

func (b *SaidBody) said(purpose domain.Name) subject.Said {
	return subject.Said{
		When: subject.When{At: b.Effective}, Purpose: purpose, Version: b.Version, Notice: b.digest, Language: b.Language,
		Medium: b.Medium, Method: b.Method, By: b.By, Evidence: sealed(b.Evidence), Guardian: sealed(b.Guardian),
	}
}

func (b *GrantBody) granting(purpose domain.Name) subject.Granting {
	return subject.Granting{
		Said: b.said(purpose), Explicit: b.Explicit, Channels: b.Channels, Until: b.Until, MetConditions: b.MetConditions,
	}
}

// consentRoute is one of the acts on a consent.
type consentRoute struct {
	act, summary, about string
	action              auth.Action
	anyPurpose          bool // also with a token that is for other purposes
	bodyOptional        bool
	notice              needed
}

func consentAct[T any, B interface {
	*T
	base() *SaidBody
}](s *API, r consentRoute, command func(purpose domain.Name, b *T) subject.Command) {
	handle(s, route{
		method: http.MethodPost, path: "/subjects/{token}/consents/{purpose}/" + r.act, tag: tagConsents,
		summary: r.summary, about: r.about, action: r.action, keyed: true, matched: true, bodyOptional: r.bodyOptional,
	}, func(ctx context.Context, c *call, in *consentInput[T]) (*written, error) {
		if !r.anyPurpose {
			if err := forPurpose(c, in.Purpose); err != nil {
				return nil, err
			}
		}
		if err := s.resolve(ctx, B(&in.Body.Value).base(), r.notice); err != nil {
			return nil, err
		}
		return s.on(ctx, c, in.Token, in.Purpose, command(in.Purpose, &in.Body.Value))
	})
}

func (s *API) consentRoutes() {
	s.doubleOptInRoutes()
	consentAct(s, consentRoute{
		act: "give", summary: "Give consent", action: auth.WriteSubject, notice: noticeRequired,
		about: "The person agrees, having seen the notice. A purpose with double opt-in is confirmed instead, and refuses this. " +
			"A consent of the past (`effective`) needs a notice that was in effect then.",
	}, func(p domain.Name, b *GrantBody) subject.Command { return subject.GiveConsent{Granting: b.granting(p)} })
	consentAct(s, consentRoute{
		act: "renew", summary: "Renew consent", action: auth.WriteSubject, notice: noticeRequired,
		about: "Prolongs a consent that stands or has expired, of the same version, by the person. After a no, it must be given anew.",
	}, func(p domain.Name, b *GrantBody) subject.Command {
		return subject.RenewConsent{Granting: b.granting(p)}
	})
	consentAct(s, consentRoute{
		act: "defer", summary: "Defer consent", action: auth.WriteSubject, bodyOptional: true,
		about: "The person puts the answer off. A valid consent goes on meanwhile.",
	}, func(p domain.Name, b *SaidBody) subject.Command { return subject.DeferConsent{Said: b.said(p)} })
	consentAct(s, consentRoute{
		act: "refuse", summary: "Refuse consent", action: auth.WriteSubject, anyPurpose: true, bodyOptional: true, notice: noticeIgnored,
		about: "The person says no. Of a consent that stands this is a withdrawal. A token for any purpose may pass it on.",
	}, func(p domain.Name, b *SaidBody) subject.Command { return subject.RefuseConsent{Said: b.said(p)} })
	consentAct(s, consentRoute{
		act: "withdraw", summary: "Withdraw consent", action: auth.WriteSubject, anyPurpose: true, bodyOptional: true, notice: noticeIgnored,
		about: "The person takes the consent back (GDPR 7(3)). It is never refused for a person and a purpose that exist, " +
			"takes effect at once, and a token for any purpose may pass it on.",
	}, func(p domain.Name, b *SaidBody) subject.Command { return subject.WithdrawConsent{Said: b.said(p)} })
	consentAct(s, consentRoute{
		act: "revoke", summary: "Revoke consent", action: auth.RevokeConsent,
		about: "Somebody other than the person ends the consent, from now on.",
	}, func(p domain.Name, b *SaidBody) subject.Command { return subject.RevokeConsent{Said: b.said(p)} })
	consentAct(s, consentRoute{
		act: "invalidate", summary: "Invalidate consent", action: auth.RevokeConsent,
		about: "The consent was never valid: this reaches back to its giving, whereas a withdrawal or revocation does not.",
	}, func(p domain.Name, b *InvalidBody) subject.Command {
		return subject.InvalidateConsent{Said: b.said(p), Grant: b.Grant}
	})
}
