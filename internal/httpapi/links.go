package httpapi

import (
	"context"
	"io"
	"net/http"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/auth"
	"lethe/internal/ledger"
)

// LinkBody proposes that two records are one person.
type LinkBody struct {
	Other     domain.Token       `json:"other" doc:"The other record"`
	Ground    subject.LinkGround `json:"ground,omitzero" enum:"same_email,same_phone,same_external_id,officer" doc:"officer when left out"`
	Effective time.Time          `json:"effective,omitzero"`
}

type linkInput struct {
	Token domain.Token `path:"token" doc:"The person's pseudonym"`
	Other domain.Token `path:"other" doc:"The other record"`
	Body  body[ReasonBody]
}

func (s *API) linkRoutes() {
	handle(s, route{
		method: http.MethodPost, path: "/subjects/{token}/links", tag: tagRights, summary: "Propose link",
		action: auth.WriteSubject, keyed: true, matched: true,
		about: "Proposes that another record is the same person. An officer accepts it; until then it changes nothing.",
	}, func(ctx context.Context, c *call, in *withBody[LinkBody]) (*written, error) {
		b := in.Body.Value
		if b.Ground == "" {
			b.Ground = subject.ByOfficer
		}
		if _, err := s.known(ctx, b.Other); err != nil {
			return nil, err
		}
		return s.on(ctx, c, in.Token, "", subject.ProposeLink{When: subject.When{At: b.Effective}, Other: b.Other, Ground: b.Ground})
	})
	handle(s, route{
		method: http.MethodPost, path: "/subjects/{token}/links/{other}/accept", tag: tagRights, summary: "Accept link",
		action: auth.DecideRights, keyed: true, matched: true, bodyOptional: true,
		about: "Says that the two records are one person, on both of them. From now on a denial on one binds both; consent never crosses.",
	}, func(ctx context.Context, c *call, in *linkInput) (*written, error) {
		return s.link(ctx, c, in, subject.AcceptLink{Other: in.Other}, subject.AcceptLink{Other: in.Token, Mirror: true})
	})
	handle(s, route{
		method: http.MethodPost, path: "/subjects/{token}/links/{other}/undo", tag: tagRights, summary: "Undo link",
		action: auth.DecideRights, keyed: true, matched: true, bodyOptional: true,
		about: "Says that the two records are not, or not any more taken to be, one person, on both of them.",
	}, func(ctx context.Context, c *call, in *linkInput) (*written, error) {
		return s.link(ctx, c, in,
			subject.UndoLink{Other: in.Other, Reason: sealed(in.Body.Value.Reason)}, subject.UndoLink{Other: in.Token, Mirror: true})
	})
}

// link decides on one record and mirrors it to the other. The mirror's
// command is named by the event, as the follower that repairs an interrupted
// one names it, so that it happens once whoever is first.
func (s *API) link(ctx context.Context, c *call, in *linkInput, command, mirror subject.Command) (*written, error) {
	if _, err := s.known(ctx, in.Other); err != nil {
		return nil, err
	}
	out, err := s.decide(ctx, c, in.Token, "", command)
	if err != nil {
		return nil, err
	}
	if out.Events > 0 {
		_, err := s.Ledger.On(ctx, ledger.Request{
			Principal: s.System, Command: s.Keys.CommandID(s.System, "mirror/"+out.FirstID.String()), Causation: out.FirstID,
		}, in.Other, subject.Env{Officer: true}, mirror)
		if _, refused := domain.AsError(err); err != nil && !refused {
			s.Logger.WarnContext(ctx, "a link was not mirrored yet: the follower will", "request", c.id.String(), "error", err)
		}
	}
	return wrote(in.Token, out, nil)
}

// nameFor is an ID for something that a command creates: derived, so that a
// repeat names the same; random for a command that cannot be repeated.
func (s *API) nameFor(c *call, what string) (domain.ID, error) {
	var id domain.ID
	if c.command.IsZero() {
		if _, err := io.ReadFull(s.Rand, id[:]); err != nil {
			return id, domain.Internal("drawing an ID", err)
		}
	} else {
		sum := digest([]byte("lethe/v1/"+what), c.caller.Principal[:], c.command[:])
		copy(id[:], sum[:])
	}
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id, nil
}
