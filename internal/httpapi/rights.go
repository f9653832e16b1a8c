package httpapi

import (
	"context"
	"net/http"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/auth"
)

const tagRights = "Rights"

// RestrictionBody restricts processing.
type RestrictionBody struct {
	Ground    subject.RestrictionGround `json:"ground" enum:"accuracy_contested,unlawful,claims,objection_pending" doc:"GDPR 18(1)(a) to (d)"`
	Reason    string                    `json:"reason,omitzero" doc:"Kept sealed"`
	Effective time.Time                 `json:"effective,omitzero"`
}

// ObjectionBody exercises a right to object.
type ObjectionBody struct {
	Scope        subject.ObjectionScope `json:"scope" enum:"marketing,processing,disclosure" doc:"GDPR 21(2), absolute and at once; or 21(1), which stops processing until grounds are shown; or that nobody but processors gets the data"`
	Purpose      domain.Name            `json:"purpose,omitzero" doc:"Every purpose in scope when left out"`
	Channel      subject.Channel        `json:"channel,omitzero" enum:"email,sms,phone,post,push" doc:"Every channel when left out"`
	ContactPoint bool                   `json:"contact_point,omitzero" doc:"Binds every record that has the same address"`
	By           subject.Party          `json:"by,omitzero" enum:"subject,guardian,controller,processor,authority"`
	Reason       string                 `json:"reason,omitzero" doc:"Kept sealed"`
	Source       *SourceBody            `json:"source,omitempty" nullable:"false"`
	Effective    time.Time              `json:"effective,omitzero"`
}

// GroundsBody documents compelling grounds.
type GroundsBody struct {
	Grounds   string    `json:"grounds" doc:"Why they override the person's interests; kept sealed"`
	Effective time.Time `json:"effective,omitzero"`
}

// WhenBody says when something took effect.
type WhenBody struct {
	Effective time.Time `json:"effective,omitzero"`
}

// BasisBody relies on another basis than consent.
type BasisBody struct {
	Purpose   domain.Name  `json:"purpose" example:"contract.performance"`
	Version   uint32       `json:"version,omitzero" doc:"The one in force when left out"`
	Basis     domain.Basis `json:"basis" enum:"contract,legal_obligation,vital_interests,public_task,legitimate_interests,recognised_legitimate_interests"`
	Until     time.Time    `json:"until,omitzero"`
	Reference string       `json:"reference,omitzero" doc:"The contract, statute or balancing test; kept sealed"`
	Effective time.Time    `json:"effective,omitzero"`
}

// BasisEndBody ends a basis.
type BasisEndBody struct {
	Basis     domain.Basis `json:"basis,omitzero" enum:"contract,legal_obligation,vital_interests,public_task,legitimate_interests,recognised_legitimate_interests" doc:"The purpose's when left out"`
	Reason    string       `json:"reason,omitzero" doc:"Kept sealed"`
	Effective time.Time    `json:"effective,omitzero"`
}

type withBody[T any] struct {
	Token domain.Token `path:"token" doc:"The person's pseudonym"`
	Body  body[T]
}

type onObjection[T any] struct {
	Token domain.Token `path:"token" doc:"The person's pseudonym"`
	Event domain.ID    `path:"event" doc:"The objection's event"`
	Body  body[T]
}

// act registers a write on a person that is one command.
func act[I any](s *API, r route, command func(c *call, in *I) (domain.Token, domain.Name, subject.Command)) {
	r.tag, r.keyed, r.matched = tagRights, true, true
	handle(s, r, func(ctx context.Context, c *call, in *I) (*written, error) {
		token, purpose, cmd := command(c, in)
		return s.on(ctx, c, token, purpose, cmd)
	})
}

func (s *API) rightsRoutes() {
	s.restrictionRoutes()
	s.objectionRoutes()
	s.basisRoutes()
	s.holdRoutes()
}

func (s *API) restrictionRoutes() {
	act(s, route{
		method: http.MethodPost, path: "/subjects/{token}/restriction", summary: "Restrict processing", action: auth.ExerciseRights,
		about: "Restricts what is done with the person's data (GDPR 18). It stays stored; using, enriching and importing are refused.",
	}, func(_ *call, in *withBody[RestrictionBody]) (domain.Token, domain.Name, subject.Command) {
		b := in.Body.Value
		return in.Token, "", subject.PlaceRestriction{When: subject.When{At: b.Effective}, Ground: b.Ground, Reason: sealed(b.Reason)}
	})
	act(s, route{
		method: http.MethodDelete, path: "/subjects/{token}/restriction", summary: "Lift restriction", action: auth.DecideRights,
		about: "Ends a restriction. The person must have been told before (GDPR 18(3)): say when.",
	}, func(_ *call, in *struct {
		Token    domain.Token              `path:"token" doc:"The person's pseudonym"`
		Ground   subject.RestrictionGround `query:"ground" required:"true" enum:"accuracy_contested,unlawful,claims,objection_pending"`
		Informed time.Time                 `query:"informed" required:"true" doc:"When the person was told"`
	},
	) (domain.Token, domain.Name, subject.Command) {
		return in.Token, "", subject.LiftRestriction{Ground: in.Ground, Informed: in.Informed}
	})
}

func (s *API) objectionRoutes() {
	act(s, route{
		method: http.MethodPost, path: "/subjects/{token}/objection", summary: "Object", action: auth.ExerciseRights,
		about: "The person objects (GDPR 21) or opts out of a channel. Marketing stops at once and for good; other processing " +
			"on legitimate interests or public task stops until an officer decides.",
	}, func(_ *call, in *withBody[ObjectionBody]) (domain.Token, domain.Name, subject.Command) {
		b := in.Body.Value
		source, _ := b.Source.source()
		return in.Token, b.Purpose, subject.Object{
			When: subject.When{At: b.Effective}, Scope: b.Scope, Purpose: b.Purpose, Channel: b.Channel,
			ContactPoint: b.ContactPoint, Source: source, By: b.By, Reason: sealed(b.Reason),
		}
	})
	act(s, route{
		method: http.MethodPost, path: "/subjects/{token}/objection/{event}/override", summary: "Override objection", action: auth.DecideRights,
		about: "Documents compelling legitimate grounds that override the objection (GDPR 21(1)). An objection to marketing cannot be overridden.",
	}, func(_ *call, in *onObjection[GroundsBody]) (domain.Token, domain.Name, subject.Command) {
		b := in.Body.Value
		return in.Token, "", subject.OverrideObjection{When: subject.When{At: b.Effective}, Objection: in.Event, Grounds: sealed(b.Grounds)}
	})
	act(s, route{
		method: http.MethodPost, path: "/subjects/{token}/objection/{event}/uphold", summary: "Uphold objection", action: auth.DecideRights,
		about: "Lets the objection stand: processing stays off.", bodyOptional: true,
	}, func(_ *call, in *onObjection[WhenBody]) (domain.Token, domain.Name, subject.Command) {
		return in.Token, "", subject.UpholdObjection{When: subject.When{At: in.Body.Value.Effective}, Objection: in.Event}
	})
	act(s, route{
		method: http.MethodPost, path: "/subjects/{token}/objection/{event}/withdraw", summary: "Withdraw objection", action: auth.ExerciseRights,
		about: "The person takes the objection back.", bodyOptional: true,
	}, func(_ *call, in *onObjection[WhenBody]) (domain.Token, domain.Name, subject.Command) {
		return in.Token, "", subject.WithdrawObjection{When: subject.When{At: in.Body.Value.Effective}, Objection: in.Event}
	})
}

func (s *API) basisRoutes() {
	handle(s, route{
		method: http.MethodPost, path: "/subjects/{token}/basis", tag: tagRights, summary: "Assert basis", keyed: true, matched: true,
		action: auth.WriteSubject,
		about: "Says that the purpose's declared basis, other than consent, holds for this person. " +
			"Falling back from a consent that failed or was withdrawn is refused.",
	}, func(ctx context.Context, c *call, in *withBody[BasisBody]) (*written, error) {
		b := in.Body.Value
		if err := forPurpose(c, b.Purpose); err != nil {
			return nil, err
		}
		return s.on(ctx, c, in.Token, b.Purpose, subject.AssertBasis{
			When: subject.When{At: b.Effective}, Purpose: b.Purpose, Version: b.Version, Basis: b.Basis,
			Until: b.Until, Reference: sealed(b.Reference),
		})
	})
	handle(s, route{
		method: http.MethodDelete, path: "/subjects/{token}/basis/{purpose}", tag: tagRights, summary: "End basis", keyed: true, matched: true,
		action: auth.WriteSubject, bodyOptional: true,
		about: "Ends a basis that was asserted, such as a contract that has ended.",
	}, s.endBasis)
}

func (s *API) endBasis(ctx context.Context, c *call, in *consentInput[BasisEndBody]) (*written, error) {
	if err := forPurpose(c, in.Purpose); err != nil {
		return nil, err
	}
	b := in.Body.Value
	if b.Basis == "" {
		cat, err := s.Ledger.Catalogue(ctx)
		if err != nil {
			return nil, err
		}
		if p, ok := cat.Purpose(in.Purpose, 0); ok {
			b.Basis = p.Basis
		}
	}
	return s.on(ctx, c, in.Token, in.Purpose, subject.EndBasis{
		When: subject.When{At: b.Effective}, Purpose: in.Purpose, Basis: b.Basis, Reason: sealed(b.Reason),
	})
}
