package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/auth"
	"lethe/projections/accesses"
)

// Verdict is whether a person's data may be processed, and why.
type Verdict struct {
	Allowed  bool          `json:"allowed"`
	Rule     subject.Rule  `json:"rule" doc:"The row of the table that matched first, a to i"`
	Reason   access.Reason `json:"reason,omitzero" doc:"Of a no"`
	Message  string        `json:"message,omitzero"`
	Version  uint32        `json:"version,omitzero" doc:"Of the purpose"`
	Basis    domain.Basis  `json:"basis,omitzero"`
	Fields   []domain.Name `json:"fields,omitempty" doc:"That may be processed"`
	Withheld []domain.Name `json:"withheld,omitempty" doc:"Optional ones that may not"`
	RestsOn  []RestsOn     `json:"rests_on,omitempty" doc:"Events that the answer rests on"`
}

// RestsOn is one event that an answer rests on.
type RestsOn struct {
	Token    domain.Token `json:"token"`
	Revision uint64       `json:"revision"`
	Event    domain.ID    `json:"event"`
}

type question struct {
	Token     domain.Token     `path:"token" doc:"The person's pseudonym"`
	Purpose   domain.Name      `query:"purpose" required:"true" example:"marketing.sms"`
	Version   uint32           `query:"version" doc:"The one in force when left out"`
	Operation access.Operation `query:"operation" enum:"store,use,disclose" default:"use"`
	Channel   subject.Channel  `query:"channel" enum:"email,sms,phone,post,push"`
	Recipient domain.Name      `query:"recipient"`
	Fields    []domain.Name    `query:"fields" doc:"Comma-separated; all that the purpose names when left out"`
	Regime    domain.Name      `query:"regime" doc:"Law asked about: eu or uk; the person's own when left out"`
	At        PastTime         `query:"at" doc:"The moment asked about, RFC 3339 or a date (its end, UTC); now when left out" example:"2026-01-31"`
	KnownAt   PastTime         `query:"known_at" doc:"By what was known then, RFC 3339 or a date (its end, UTC); now when left out" example:"2026-01-31"`
}

func (s *API) questionRoutes() {
	handle(s, route{
		method: http.MethodGet, path: "/subjects/{token}/may-process", tag: tagReading, summary: "Ask may process", action: auth.ReadFacts,
		about: "Answers whether a person's data may be processed for a purpose, over all linked records, with the rule that matched " +
			"and the events it rests on. Nothing is opened. Ask before acting: a newsletter, a call, a transfer.",
	}, s.mayProcess)
	handle(s, route{
		method: http.MethodGet, path: "/subjects/{token}/accesses", tag: tagReading, summary: "List accesses", action: auth.ReadAccesses,
		about: "Who opened which of the person's fields, for which purpose and on which basis, or was refused; newest first.",
	}, s.accesses)
	handle(s, route{
		method: http.MethodGet, path: "/subjects/{token}/consents/{purpose}/receipt", tag: tagConsents, summary: "Get receipt", action: auth.ReadFacts, conditional: true,
		about: "A receipt of the consent that was given last: the fields of ISO/IEC TS 27560:2023, or Kantara Consent Receipt 1.1. " +
			"It has the person's token and the controller's contacts, and no other name. With `proof=true` it also has, in its member " +
			"`proofs`, what each event that it rests on says as stored, and a C2SP tlog-proof of it, so that its holder can show " +
			"that it is in the log.",
	}, s.receipt)
	s.documentBody("/subjects/{token}/consents/{purpose}/receipt", http.MethodGet, "application/json", &huma.Schema{Type: huma.TypeObject})
}

func (s *API) mayProcess(ctx context.Context, _ *call, in *question) (*bare[Verdict], error) {
	now := s.Ledger.Now()
	a, err := s.Door.MayProcess(ctx, in.Token, subject.Question{
		Purpose: in.Purpose, Version: in.Version, Operation: in.Operation, Channel: in.Channel, Recipient: in.Recipient,
		Fields: in.Fields, Regime: in.Regime, At: in.At.at(now), KnownAt: in.KnownAt.at(now),
	})
	if err != nil {
		return nil, err
	}
	return &bare[Verdict]{Body: Verdict{
		Allowed: a.Allowed, Rule: a.Row, Reason: a.Reason, Message: a.Message, Version: a.Version, Basis: a.Basis,
		Fields: a.Fields, Withheld: a.Withheld,
		RestsOn: each(a.RestsOn, func(r subject.Ref) RestsOn { return RestsOn{Token: r.Token, Revision: r.Revision, Event: r.EventID} }),
	}}, nil
}

// Page asks for a part of a list that a view answers.
type Page struct {
	Limit         int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
	Before        string `query:"before" doc:"next of the page before" pattern:"^[0-9]+(-[0-9]+)?$" maxLength:"32"`
	AfterPosition string `query:"after_position" pattern:"^[0-9]+$" maxLength:"20" doc:"Wait until the view has seen this position, such as a write's Lethe-Position"`
}

// Access is one access to one person's data.
type Access struct {
	Event     domain.ID           `json:"event" doc:"The access event"`
	Position  eventstore.Position `json:"position"`
	Recorded  time.Time           `json:"recorded"`
	Principal domain.ID           `json:"principal" doc:"Who asked"`
	Granted   bool                `json:"granted"`
	Purpose   domain.Name         `json:"purpose,omitzero"`
	Version   uint32              `json:"version,omitzero" doc:"Of the purpose"`
	Operation access.Operation    `json:"operation"`
	Door      access.Door         `json:"door" doc:"The kind of request"`
	Channel   domain.Name         `json:"channel,omitzero"`
	Recipient domain.Name         `json:"recipient,omitzero"`
	Fields    []domain.Name       `json:"fields,omitempty" doc:"What was opened"`
	Basis     domain.Basis        `json:"basis,omitzero"`
	Reason    access.Reason       `json:"reason,omitzero" doc:"Why it was denied"`
	Count     uint32              `json:"count" doc:"More than 1 when a flood of refusals was counted as one"`
}

type paged[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitzero" doc:"Send it as before for the page after this; absent on the last"`
}

func (s *API) accesses(ctx context.Context, _ *call, in *struct {
	Token domain.Token `path:"token" doc:"The person's pseudonym"`
	Page
},
) (*bare[paged[Access]], error) {
	if err := s.waitFor(ctx, accesses.Name, in.AfterPosition); err != nil {
		return nil, err
	}
	position, seq := in.before()
	found, err := accesses.Queries{Source: s.Views}.OfToken(ctx, in.Token, accesses.Page{
		After: accesses.Cursor{Position: position, Seq: seq}, Newest: true, Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	a := paged[Access]{Items: each(found, accessOf)}
	if n := len(found); n == in.Limit {
		last := found[n-1].At()
		a.Next = last.Position.String() + "-" + strconv.Itoa(last.Seq)
	}
	return &bare[paged[Access]]{Body: a}, nil
}

func accessOf(a accesses.Access) Access {
	return Access{
		Event: a.Event, Position: a.Position, Recorded: a.Recorded, Principal: a.Principal, Granted: a.Granted,
		Purpose: a.Purpose, Version: a.Version, Operation: a.Operation, Door: a.Door, Channel: a.Channel,
		Recipient: a.Recipient, Fields: a.Fields, Basis: a.Basis, Reason: a.Reason, Count: a.Count,
	}
}

// before reads the cursor; its form was checked.
func (p *Page) before() (eventstore.Position, int) {
	position, seq, _ := strings.Cut(p.Before, "-")
	at, err := eventstore.ParsePosition(position)
	n, err2 := strconv.Atoi(seq)
	if err != nil {
		return 0, 0
	}
	if err2 != nil {
		n = 0
	}
	return at, n
}

// waitFor waits a bounded time for a view to reach a position. Without one it
// waits for what the log holds now, so that a caller sees what was written
// before it asked; a view that is further behind is then read as it is.
func (s *API) waitFor(ctx context.Context, view, position string) error {
	if position == "" {
		return s.catchUp(ctx, view)
	}
	at, err := eventstore.ParsePosition(position)
	if err != nil {
		return malformed("after_position", "after_position is a position as an answer gave it")
	}
	ctx, cancel := context.WithTimeout(ctx, s.Limits.Wait)
	defer cancel()
	err = s.Views.WaitFor(ctx, view, at)
	if errors.Is(err, context.DeadlineExceeded) {
		return &domain.Error{
			Kind: domain.KindUnavailable, Code: "view.behind", Field: "after_position",
			Message: "the view has not reached this position yet: ask again, or leave after_position out",
		}
	}
	return err
}

func (s *API) catchUp(ctx context.Context, view string) error {
	counted, ok := s.Store.(eventstore.Statser)
	if !ok {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, s.Limits.Wait)
	defer cancel()
	err := s.Views.WaitFor(waiting, view, counted.Stats().Head)
	if errors.Is(err, context.DeadlineExceeded) {
		return ctx.Err()
	}
	return err
}
