package httpapi

import (
	"context"
	"net/http"
	"time"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/operations"
	"lethe/internal/auth"
	"lethe/internal/keyring"
)

// MarkedBody names what an erasure may have left a mark of. It is a body,
// since addresses are written down in too many places.
type MarkedBody struct {
	Source *SourceBody `json:"source,omitempty" nullable:"false" doc:"System, table and row: the row's key"`
	Email  string      `json:"email,omitzero"`
	Phone  string      `json:"phone,omitzero"`
}

// LiftBody lifts one mark.
type LiftBody struct {
	MarkedBody
	Objection bool   `json:"objection,omitzero" doc:"That marketing was objected to; else that somebody was erased"`
	Reason    string `json:"reason" doc:"Why; kept sealed"`
}

// Marked is a mark of suppression that is in force.
type Marked struct {
	By        domain.Name `json:"by" enum:"source,email,phone" doc:"What it is a mark of"`
	Erased    bool        `json:"erased" doc:"Somebody with this was erased"`
	Objection bool        `json:"objection,omitzero" doc:"And had objected to marketing"`
	Day       time.Time   `json:"day" doc:"On which it was left"`
	Until     time.Time   `json:"until,omitzero"`
}

// identifiers are what the body names.
func (s *API) identifiers(b *MarkedBody) (of []keyring.Identifier, err error) {
	if src := b.Source; src != nil {
		if src.System == "" || src.Row == "" {
			return nil, malformed("source", "name the system, the table if it has one, and the row's key")
		}
		of = append(of, keyring.Identifier{Source: s.Keys.SourceKeyOf(src.System, src.Table, src.Row)})
	}
	if b.Email != "" {
		of = append(of, keyring.Identifier{Kind: catalogue.LookupEmail, Text: b.Email})
	}
	if b.Phone != "" {
		of = append(of, keyring.Identifier{Kind: catalogue.LookupPhone, Text: b.Phone})
	}
	if of == nil {
		return nil, malformed("body", "name a row of a source, an e-mail address or a phone number")
	}
	return of, nil
}

func (s *API) suppressionRoutes() {
	handle(s, route{
		method: http.MethodPost, path: "/suppression/search", tag: tagRights, summary: "Search marks", action: auth.DecideRights,
		about: "The marks that erasures left of what is named, as an access request asks for them (GDPR 15). They lead to no record. " +
			"The search is recorded as an access.",
	}, func(ctx context.Context, c *call, in *struct{ Body body[MarkedBody] }) (*bare[list[Marked]], error) {
		of, err := s.identifiers(&in.Body.Value)
		if err != nil {
			return nil, err
		}
		marks, err := s.Door.Marks(ctx, c.caller, of)
		if err != nil {
			return nil, err
		}
		found := list[Marked]{Items: []Marked{}}
		for _, m := range marks {
			if m.Erased || m.Objection {
				found.Items = append(found.Items, Marked{By: m.By, Erased: m.Erased, Objection: m.Objection, Day: m.Day, Until: m.Until})
			}
		}
		return &bare[list[Marked]]{Body: found}, nil
	})
	handle(s, route{
		method: http.MethodPost, path: "/suppression/lift", tag: tagRights, summary: "Lift mark", keyed: true, action: auth.DecideRights,
		about: "Takes one mark back, because whoever it is of came back. After that the row is imported, or the person registered, as a new " +
			"record; what was erased stays erased. With `objection`, an address is no more known for an objection to marketing, as after a fresh opt-in.",
	}, func(ctx context.Context, c *call, in *struct{ Body body[LiftBody] }) (*written, error) {
		b := in.Body.Value
		of, err := s.identifiers(&b.MarkedBody)
		if err != nil {
			return nil, err
		}
		if len(of) > 1 {
			return nil, malformed("body", "name one of source, email and phone: each is lifted by itself")
		}
		out, err := s.Ledger.LiftMark(ctx, c.request(""), of[0], operations.LiftMark{
			Officer: c.officer(), MarkLifted: operations.MarkLifted{Objection: b.Objection, Reason: sealed(b.Reason)},
		})
		return wrote("", out, err)
	})
}
