package httpapi

import (
	"context"
	"net/http"
	"time"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/internal/auth"
	"lethe/internal/disclose"
)

const tagReading = "Reading personal data"

// Asking is what every opening of personal data says: what for.
type Asking struct {
	Purpose   domain.Name     `query:"purpose" doc:"What the data is needed for; without it nothing is opened" example:"customer.service"`
	Channel   subject.Channel `query:"channel" enum:"email,sms,phone,post,push" doc:"How the person will be reached; nobody is when left out"`
	Recipient domain.Name     `query:"recipient" doc:"To whom it goes: then the access is a disclosure"`
	Fields    []domain.Name   `query:"fields" doc:"Comma-separated; all that the purpose needs when left out"`
}

func (a *Asking) ask(c *call) disclose.Ask {
	return ask(c, a.Purpose, a.Channel, a.Recipient, a.Fields)
}

func ask(c *call, purpose domain.Name, channel subject.Channel, recipient domain.Name, fields []domain.Name) disclose.Ask {
	operation := access.Use
	if recipient != "" {
		operation = access.Disclose
	}
	return disclose.Ask{
		Caller: c.caller, Purpose: purpose, Operation: operation, Channel: channel, Recipient: recipient,
		Fields: fields, Correlation: c.id,
	}
}

// Person is what the door opened of one person.
type Person struct {
	Token      domain.Token  `json:"token"`
	Revision   uint64        `json:"revision"`
	Purpose    domain.Name   `json:"purpose"`
	Version    uint32        `json:"version" doc:"Of the purpose"`
	Basis      domain.Basis  `json:"basis,omitzero" doc:"What the access rests on"`
	Restricted bool          `json:"restricted,omitzero" doc:"Processing is restricted (GDPR 18)"`
	Fields     []OpenedField `json:"fields"`
	Withheld   []domain.Name `json:"withheld,omitempty" doc:"Optional fields that may not be used now"`
	Refused    *Refused      `json:"refused,omitempty" nullable:"false" doc:"Why this person's data was not opened, among several"`
}

// Refused is a no to one person's data.
type Refused struct {
	Reason  access.Reason `json:"reason"`
	Message string        `json:"message"`
}

// OpenedField is one opened value.
type OpenedField struct {
	Field    domain.Name             `json:"field"`
	Slot     uint16                  `json:"slot,omitzero"`
	Value    Value                   `json:"value"`
	Class    subject.ProvenanceClass `json:"class" doc:"How it came to be"`
	Source   domain.Name             `json:"source,omitzero" doc:"The system it came from"`
	Purposes []domain.Name           `json:"purposes" doc:"That hold it"`
	Recorded time.Time               `json:"recorded"`
	Event    domain.ID               `json:"event"`
}

// PersonAnswer is a person with the access event that was recorded first.
type PersonAnswer struct {
	Person
	Access domain.ID `json:"access" doc:"The event that recorded this access"`
}

// People is what a lookup found.
type People struct {
	Items  []Person  `json:"items"`
	Access domain.ID `json:"access" doc:"The event that recorded this access"`
}

// LookupBody finds people by a value, which is why it is a body: addresses
// are written down in too many places.
type LookupBody struct {
	Kind      catalogue.LookupKind `json:"kind" enum:"email,phone,external_id"`
	Value     string               `json:"value" example:"ada@example.com"`
	Purpose   domain.Name          `json:"purpose" doc:"What the data is needed for" example:"customer.service"`
	Channel   subject.Channel      `json:"channel,omitzero" enum:"email,sms,phone,post,push"`
	Recipient domain.Name          `json:"recipient,omitzero"`
	Fields    []domain.Name        `json:"fields,omitempty"`
}

func (s *API) readingRoutes() {
	handle(s, route{
		method: http.MethodGet, path: "/subjects/{token}", tag: tagReading, summary: "Get person", action: auth.OpenData, conditional: true, byDoor: true,
		about: "Opens what the purpose needs of a person, if it may be processed for it now. The access is recorded first, durably, " +
			"also when the answer is 304, and refusals are recorded too.",
	}, s.person)
	handle(s, route{
		method: http.MethodPost, path: "/subjects/lookup", tag: tagReading, summary: "Look up people", action: auth.OpenData, byDoor: true,
		about: "Finds people by e-mail address, phone number or external ID and opens what the purpose needs. " +
			"One access is recorded however many are found, and one also when nobody is.",
	}, s.lookup)
	s.historyRoutes()
	s.questionRoutes()
}

func (s *API) person(ctx context.Context, c *call, in *struct {
	Token domain.Token `path:"token" doc:"The person's pseudonym"`
	Asking
},
) (*shownAs[PersonAnswer], error) {
	a := in.ask(c)
	a.Door, a.Tokens = access.Read, []domain.Token{in.Token}
	answer, err := s.Door.Open(ctx, a)
	if err != nil {
		return nil, err
	}
	cat, err := s.Ledger.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	o := &answer.Subjects[0]
	tag := etag(o.Revision, cat.Revision())
	if fresh(c.none, tag) {
		return nil, unchanged(tag)
	}
	return &shownAs[PersonAnswer]{ETag: tag, Body: PersonAnswer{Person: s.opened(o, in.Purpose), Access: answer.Access}}, nil
}

func (s *API) lookup(ctx context.Context, c *call, in *struct{ Body body[LookupBody] }) (*bare[People], error) {
	b := &in.Body.Value
	a := ask(c, b.Purpose, b.Channel, b.Recipient, b.Fields)
	answer, err := s.Door.Lookup(ctx, a, b.Kind, personal.Of(b.Value))
	if err != nil {
		return nil, err
	}
	found := People{Access: answer.Access, Items: []Person{}}
	for i := range answer.Subjects {
		found.Items = append(found.Items, s.opened(&answer.Subjects[i], b.Purpose))
	}
	return &bare[People]{Body: found}, nil
}

func (s *API) opened(o *disclose.Opened, purpose domain.Name) Person {
	p := Person{Token: o.Token, Revision: o.Revision, Purpose: purpose, Version: o.Answer.Version, Fields: []OpenedField{}}
	if !o.Answer.Allowed {
		p.Refused = &Refused{Reason: o.Answer.Reason, Message: o.Answer.Message}
		return p
	}
	now := s.Ledger.Now()
	p.Basis, p.Withheld = o.Answer.Basis, o.Answer.Withheld
	p.Restricted = o.State.At(now, now).Restricted()
	for i := range o.Fields {
		f := &o.Fields[i]
		p.Fields = append(p.Fields, OpenedField{
			Field: f.Field.Field, Slot: f.Slot, Value: shown(f.Opened), Class: f.Class, Source: f.Source.System,
			Purposes: f.Purposes, Recorded: f.At.Recorded, Event: f.EventID,
		})
	}
	return p
}
