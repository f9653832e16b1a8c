package httpapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"lethe/domain"
	"lethe/eventstore"
	"lethe/internal/auth"
	"lethe/internal/seal"
	"lethe/internal/tlog"
)

const tagProofs = "Proofs"

type textAnswer struct {
	ContentType string `header:"Content-Type"`
	Cache       string `header:"Cache-Control"`
	Body        []byte `contentType:"text/plain; charset=utf-8"`
}

func asText(b []byte) *textAnswer {
	return &textAnswer{ContentType: "text/plain; charset=utf-8", Cache: "no-store", Body: b}
}

const aboutProof = "The answer is a C2SP tlog-proof: the index of the event's leaf, the path to the root, and the checkpoint that it is proven under. " +
	"Its `extra` line is the leaf itself, in base64, so that a verifier needs nothing else. An event that was recorded a moment ago is waited for."

func (s *API) proofRoutes() {
	if s.Seal == nil {
		return
	}
	handle(s, route{
		method: http.MethodGet, path: "/events/{id}/proof", tag: tagProofs, summary: "Prove event", action: auth.ReadProofs,
		about: "Shows that an event is in the log. " + aboutProof,
	}, func(ctx context.Context, _ *call, in *struct {
		ID domain.ID `path:"id" doc:"The event's ID"`
	},
	) (*textAnswer, error) {
		return s.proof(ctx, eventstore.EventID(in.ID), s.head())
	})
	handle(s, route{
		method: http.MethodGet, path: "/streams/{stream}/{revision}/proof", tag: tagProofs, summary: "Prove revision", action: auth.ReadProofs,
		about: "Shows that an event, named by its stream and revision, is in the log. " + aboutProof,
	}, s.proveRevision)
	handle(s, route{
		method: http.MethodGet, path: "/proofs/consistency", tag: tagProofs, summary: "Prove consistency", action: auth.ReadProofs,
		about: "Shows that the log of one size is the beginning of the log of another size (RFC 6962, 2.1.2): two lines, " +
			"`from N` and `to M`, and the hashes in base64, a line each.",
	}, s.proveConsistency)
	for _, path := range []string{"/events/{id}/proof", "/streams/{stream}/{revision}/proof", "/proofs/consistency"} {
		s.documentBody(path, http.MethodGet, "text/plain", &huma.Schema{Type: huma.TypeString})
	}
}

var (
	errNotSealed = &domain.Error{
		Kind: domain.KindUnavailable, Code: "proof.not_sealed",
		Message: "the event is not under a published checkpoint yet: ask again in a moment",
	}
	errSealStopped = &domain.Error{
		Kind: domain.KindUnavailable, Code: "proof.stopped",
		Message: "sealing stopped: the operator's log and `lethe status` say why",
	}
	errNoSuchEvent = domain.NotFound("proof.event", "event", "the log has no such event")
)

// proof waits until everything up to a position is published, and proves.
func (s *API) proof(ctx context.Context, id eventstore.EventID, at eventstore.Position) (*textAnswer, error) {
	p, err := s.sealedProof(ctx, id, at)
	if err != nil {
		return nil, err
	}
	return asText(p.Marshal()), nil
}

func (s *API) sealedProof(ctx context.Context, id eventstore.EventID, at eventstore.Position) (*tlog.Proof, error) {
	p, err := s.Seal.Prove(ctx, id, nil)
	if errors.Is(err, seal.ErrNotSealed) {
		if err := s.awaitSeal(ctx, at); err != nil {
			return nil, err
		}
		if p, err = s.Seal.Prove(ctx, id, nil); errors.Is(err, seal.ErrNotSealed) { // everything there is, is sealed
			return nil, errNoSuchEvent
		}
	}
	if err != nil {
		return nil, domain.Internal("proving an event", err)
	}
	return p, nil
}

// awaitSeal waits a bounded time until everything up to a position is under a
// published checkpoint.
func (s *API) awaitSeal(ctx context.Context, at eventstore.Position) error {
	waiting, cancel := context.WithTimeout(ctx, s.Limits.Wait)
	defer cancel()
	switch err := s.Seal.WaitFor(waiting, at); {
	case errors.Is(err, seal.ErrStopped):
		return errSealStopped
	case err != nil:
		return errNotSealed
	}
	return nil
}

func (s *API) proveRevision(ctx context.Context, _ *call, in *struct {
	Stream   string `path:"stream" maxLength:"255" doc:"As the event feed has it" example:"catalogue"`
	Revision uint64 `path:"revision" doc:"From 0"`
},
) (*textAnswer, error) {
	for rec, err := range s.Store.ReadStream(ctx, in.Stream, eventstore.StreamRange{From: in.Revision, Limit: 1}) {
		if err != nil {
			return nil, domain.Internal("reading the event to prove", err)
		}
		if rec.Revision == in.Revision {
			return s.proof(ctx, rec.ID, rec.Position)
		}
	}
	return nil, errNoSuchEvent
}

func (s *API) proveConsistency(ctx context.Context, _ *call, in *struct {
	From int64 `query:"from" required:"true" minimum:"0" doc:"The smaller size"`
	To   int64 `query:"to" minimum:"0" doc:"The larger size; that of the newest published checkpoint when 0 or left out"`
},
) (*textAnswer, error) {
	p := s.Seal.Published()
	if p == nil {
		return nil, errNoCheckpoint
	}
	to := in.To
	if to == 0 {
		to = p.Size
	}
	switch {
	case to > p.Size:
		return nil, domain.NotFound("proof.size", "to", "the newest published checkpoint has size %d", p.Size)
	case in.From > to:
		return nil, domain.Invalid("proof.order", "from", "the smaller size comes first: from is %d, to is %d", in.From, to)
	}
	path, err := s.Seal.Consistency(ctx, in.From, to)
	if err != nil {
		return nil, domain.Internal("proving consistency", err)
	}
	return asText(tlog.MarshalConsistency(in.From, to, path)), nil
}

// head is the position of the last event that the log has.
func (s *API) head() eventstore.Position {
	if st, ok := s.Store.(eventstore.Statser); ok {
		return st.Stats().Head
	}
	return 0
}
