package httpapi

import (
	"context"
	"net/http"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/auth"
	"lethe/internal/keyring"
)

// Requested is the answer to asking for a consent.
type Requested struct {
	Outcome
	Nonce string `json:"nonce,omitzero" doc:"For a double opt-in: send it to the person's address; confirming needs it. It is kept nowhere, and a repeat with the same key gives it again."`
}

type requested struct {
	ETag     string `header:"ETag"`
	Position string `header:"Lethe-Position"`
	Body     Requested
}

func (s *API) doubleOptInRoutes() {
	handle(s, route{
		method: http.MethodPost, path: "/subjects/{token}/consents/{purpose}/request", tag: tagConsents,
		summary: "Request consent", action: auth.WriteSubject, keyed: true, matched: true,
		about: "Asks the person; a valid consent goes on meanwhile. On a purpose with double opt-in the answer has a nonce for " +
			"the message to the person's address, given to the caller of this request alone.",
	}, s.requestConsent)
	handle(s, route{
		method: http.MethodPost, path: "/subjects/{token}/consents/{purpose}/confirm", tag: tagConsents,
		summary: "Confirm consent", action: auth.WriteSubject, keyed: true, matched: true,
		about: "Gives a double-opt-in consent: the controller's own service posts what the person sent back, after an act of " +
			"theirs. Loading an address alone is not one. The request must be the newest thing said about the purpose.",
	}, s.confirmConsent)
}

func (s *API) requestConsent(ctx context.Context, c *call, in *consentInput[RequestBody]) (*requested, error) {
	if err := forPurpose(c, in.Purpose); err != nil {
		return nil, err
	}
	b := &in.Body.Value
	if err := s.resolve(ctx, &b.SaidBody, noticeRequired); err != nil {
		return nil, err
	}
	out, err := s.decide(ctx, c, in.Token, in.Purpose, subject.RequestConsent{
		Said: b.said(in.Purpose), Channels: b.Channels, Contact: b.Contact, ContactSlot: b.ContactSlot,
		Expires: b.Expires, Until: b.Until,
	})
	if err != nil {
		return nil, err
	}
	a := &requested{ETag: etag(out.Last), Position: out.Position.String(), Body: Requested{Outcome: outcome(in.Token, out)}}
	state, err := s.Ledger.Subject(ctx, in.Token)
	if err != nil {
		return nil, err
	}
	if e := requestIn(state, out.FirstID); e != nil && e.DoubleOptIn {
		a.Body.Nonce = s.Keys.Nonce(nonceOf(in.Token, out.FirstID, e))
	}
	return a, nil
}

func (s *API) confirmConsent(ctx context.Context, c *call, in *consentInput[ConfirmBody]) (*written, error) {
	if err := forPurpose(c, in.Purpose); err != nil {
		return nil, err
	}
	b := &in.Body.Value
	state, err := s.Ledger.Subject(ctx, in.Token)
	if err != nil {
		return nil, err
	}
	e := requestIn(state, b.Request)
	if e == nil || e.Purpose != in.Purpose {
		return nil, domain.Forbidden("consent.nonce", "request",
			"this is not the event of a request for this purpose: send request and nonce as they went out, or ask anew").Citing("GDPR 7(1)")
	}
	if !s.Keys.NonceMatches(nonceOf(in.Token, b.Request, e), b.Nonce) {
		return nil, domain.Forbidden("consent.nonce", "nonce",
			"this does not answer the request: send request and nonce as they went out, or ask anew").Citing("GDPR 7(1)")
	}
	return s.on(ctx, c, in.Token, in.Purpose, subject.ConfirmConsent{
		When: subject.When{At: b.Effective}, Request: b.Request, Medium: b.Medium, Method: b.Method, By: b.By,
		Explicit: b.Explicit, Evidence: sealed(b.Evidence), Guardian: sealed(b.Guardian),
	})
}

// requestIn finds the event of a request.
func requestIn(state *subject.State, id domain.ID) *subject.ConsentRequested {
	for _, r := range state.Entries() {
		if r.ID == id {
			e, _ := r.Event.(*subject.ConsentRequested)
			return e
		}
	}
	return nil
}

func nonceOf(token domain.Token, id domain.ID, e *subject.ConsentRequested) keyring.NonceOf {
	return keyring.NonceOf{Request: id, Token: token, Purpose: e.Purpose, Version: e.Version, Notice: e.Notice, Expires: e.Expires}
}
