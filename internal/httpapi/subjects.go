package httpapi

import (
	"context"
	"net/http"
	"time"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/internal/auth"
	"lethe/internal/ledger"
)

const tagSubjects = "Subjects"

// SourceBody says where a record or value came from.
type SourceBody struct {
	System domain.Name `json:"system,omitzero" example:"webshop"`
	Table  domain.Name `json:"table,omitzero"`
	Row    string      `json:"row,omitzero" doc:"The row's key in the source; kept sealed"`
}

func (b *SourceBody) source() (subject.Source, personal.Value) {
	if b == nil {
		return subject.Source{}, personal.Value{}
	}
	return subject.Source{System: b.System, Table: b.Table}, sealed(b.Row)
}

// FieldValue is one value of one field.
type FieldValue struct {
	Field domain.Name             `json:"field" example:"email"`
	Value string                  `json:"value" doc:"In any form that the field's type takes; dates as 2006-01-02, decimals with a point, money as 12.50 EUR" example:"ada@example.com"`
	Slot  *uint16                 `json:"slot,omitempty" nullable:"false" doc:"Which of several values; the next free one when left out"`
	Class subject.ProvenanceClass `json:"class,omitzero" enum:"provided,observed,inferred,third_party" doc:"How the value came to be (GDPR 15(1)(g)); provided when left out"`
}

func entries(values []FieldValue) []subject.Entry {
	return each(values, func(v FieldValue) subject.Entry {
		return subject.Entry{Field: v.Field, Text: personal.Of(v.Value), Slot: v.Slot, Class: v.Class}
	})
}

// PurposeValues are values that were collected for one purpose.
type PurposeValues struct {
	Purpose domain.Name  `json:"purpose" example:"customer.service"`
	Version uint32       `json:"version,omitzero" doc:"The one in force when left out"`
	Values  []FieldValue `json:"values"`
}

// Registration opens a person's record.
type Registration struct {
	Acquired     subject.Acquisition `json:"acquired" enum:"from_person,from_third_party,from_public_source,from_migration" doc:"GDPR 13 or 14"`
	Jurisdiction domain.Place        `json:"jurisdiction" doc:"ISO 3166: whose law protects the person" example:"DE"`
	Source       *SourceBody         `json:"source,omitempty" nullable:"false"`
	Records      []PurposeValues     `json:"records,omitempty" doc:"What is known already, by the purpose that needs it"`
	Effective    time.Time           `json:"effective,omitzero" doc:"Since when; now when left out"`
}

type registration struct{ Body body[Registration] }

// Change records or corrects values of a person.
type Change struct {
	Purpose   domain.Name  `json:"purpose" doc:"What the values are needed for" example:"customer.service"`
	Version   uint32       `json:"version,omitzero" doc:"The one in force when left out"`
	Rectify   []FieldValue `json:"rectify,omitempty" doc:"Values that were inaccurate, corrected for every purpose that holds them (GDPR 16)"`
	Record    []FieldValue `json:"record,omitempty" doc:"Values that were collected for the purpose"`
	Reason    string       `json:"reason,omitzero" doc:"Why it was corrected; kept sealed"`
	Source    *SourceBody  `json:"source,omitempty" nullable:"false"`
	Effective time.Time    `json:"effective,omitzero"`
}

type change struct {
	Token domain.Token `path:"token" doc:"The person's pseudonym"`
	Body  body[Change]
}

func (s *API) subjectRoutes() {
	handle(s, route{
		method: http.MethodPost, path: "/subjects", tag: tagSubjects, summary: "Register person", status: http.StatusCreated,
		action: auth.WriteSubject, keyed: true, needsKey: true,
		about: "Opens a record under a new random token, with the values given, all or nothing. " +
			"The Idempotency-Key makes sure that a repeat finds the same person instead of making another.",
	}, s.register)
	handle(s, route{
		method: http.MethodPatch, path: "/subjects/{token}", tag: tagSubjects, summary: "Change person",
		action: auth.WriteSubject, keyed: true, matched: true,
		about: "Records values for a purpose, or corrects values, all or nothing. Every value is checked against the catalogue: " +
			"an undeclared field, a wrong type or a field that the purpose does not need is refused.",
	}, s.change)
	handle(s, route{
		method: http.MethodDelete, path: "/subjects/{token}/fields/{field}", tag: tagSubjects, summary: "Remove field",
		action: auth.WriteSubject, keyed: true, matched: true, bodyOptional: true,
		about: "Takes a field's values out of a purpose. When no purpose holds them any more they are out of the record; history keeps them sealed.",
	}, s.removeField)
	handle(s, route{
		method: http.MethodPost, path: "/subjects/{token}/age", tag: tagSubjects, summary: "Assess age",
		action: auth.WriteSubject, keyed: true, matched: true,
		about: "Records what a country's rule on children's consent said (GDPR 8), so that a later look back needs no birth date.",
	}, s.assessAge)
}

func (s *API) register(ctx context.Context, c *call, in *registration) (*written, error) {
	b := in.Body.Value
	source, row := b.Source.source()
	when := subject.When{At: b.Effective}
	commands := []subject.Command{subject.Register{
		When: when, Source: source, Row: row, Acquired: b.Acquired, Jurisdiction: b.Jurisdiction,
	}}
	for _, r := range b.Records {
		if err := forPurpose(c, r.Purpose); err != nil {
			return nil, err
		}
		commands = append(commands, subject.RecordFields{
			When: when, Purpose: r.Purpose, Version: r.Version, Items: entries(r.Values), Source: source, Row: row,
		})
	}
	token, out, err := s.Ledger.Register(ctx, c.request(""), c.env(), commands...)
	w, err := wrote(token, out, err)
	if err != nil {
		return nil, err
	}
	w.Location = prefix + "/subjects/" + string(token)
	return w, nil
}

func (s *API) change(ctx context.Context, c *call, in *change) (*written, error) {
	b := in.Body.Value
	if err := forPurpose(c, b.Purpose); err != nil {
		return nil, err
	}
	source, row := b.Source.source()
	when := subject.When{At: b.Effective}
	var commands []subject.Command
	if len(b.Rectify) > 0 {
		commands = append(commands, subject.RectifyFields{
			When: when, Items: entries(b.Rectify), Reason: sealed(b.Reason), Source: source, Row: row,
		})
	}
	if len(b.Record) > 0 || len(b.Rectify) == 0 {
		commands = append(commands, subject.RecordFields{
			When: when, Purpose: b.Purpose, Version: b.Version, Items: entries(b.Record), Source: source, Row: row,
		})
	}
	return s.on(ctx, c, in.Token, b.Purpose, commands...)
}

// ReasonBody says why.
type ReasonBody struct {
	Reason string `json:"reason,omitzero" doc:"Kept sealed"`
}

type fieldRemoval struct {
	Token   domain.Token `path:"token" doc:"The person's pseudonym"`
	Field   domain.Name  `path:"field" example:"birth.date"`
	Purpose domain.Name  `query:"purpose" required:"true" doc:"The purpose that no longer holds the field" example:"customer.service"`
	Body    body[ReasonBody]
}

func (s *API) removeField(ctx context.Context, c *call, in *fieldRemoval) (*written, error) {
	if err := forPurpose(c, in.Purpose); err != nil {
		return nil, err
	}
	return s.on(ctx, c, in.Token, in.Purpose, subject.RemoveField{
		Purpose: in.Purpose, Field: in.Field, Reason: sealed(in.Body.Value.Reason),
	})
}

// AgeBody is what an age rule said.
type AgeBody struct {
	Outcome   subject.AgeOutcome `json:"outcome" enum:"of_digital_age,below_digital_age"`
	Rule      domain.Place       `json:"rule" doc:"The country whose age counts" example:"DE"`
	Review    string             `json:"review,omitzero" doc:"The day a child comes of digital age, 2006-01-02; needed for a child; kept sealed"`
	Effective time.Time          `json:"effective,omitzero"`
}

type ageInput struct {
	Token domain.Token `path:"token" doc:"The person's pseudonym"`
	Body  body[AgeBody]
}

func (s *API) assessAge(ctx context.Context, c *call, in *ageInput) (*written, error) {
	b := in.Body.Value
	return s.on(ctx, c, in.Token, "", subject.AssessAge{
		When: subject.When{At: b.Effective}, Outcome: b.Outcome, Rule: b.Rule, Review: sealed(b.Review),
	})
}

// on decides commands on a person.
func (s *API) on(ctx context.Context, c *call, token domain.Token, purpose domain.Name, commands ...subject.Command) (*written, error) {
	out, err := s.decide(ctx, c, token, purpose, commands...)
	return wrote(token, out, err)
}

func (s *API) decide(ctx context.Context, c *call, token domain.Token, purpose domain.Name, commands ...subject.Command) (ledger.Outcome, error) {
	return s.Ledger.On(ctx, c.request(purpose), token, c.env(), commands...)
}

// env is what a decision knows of the caller.
func (c *call) env() subject.Env { return subject.Env{Officer: c.officer()} }

// forPurpose refuses a token that was given for other purposes.
func forPurpose(c *call, purpose domain.Name) error {
	if c.caller.For(purpose) {
		return nil
	}
	return domain.Forbidden("access.purpose", "purpose", "your token is not for this purpose")
}
