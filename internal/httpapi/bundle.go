package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/auth"
	"lethe/internal/bundle"
	"lethe/internal/disclose"
	"lethe/internal/part"
	"lethe/internal/seal"
	"lethe/internal/tlog"
)

// BundleBody says what a bundle of evidence is to hold.
type BundleBody struct {
	AsOf       PastTime        `json:"as_of,omitzero" doc:"Only what was recorded up to then, RFC 3339 or a date (its end, UTC); everything under the checkpoint when left out" example:"2026-01-31"`
	Checkpoint string          `json:"checkpoint,omitzero" doc:"A signed checkpoint of this log, as text, to prove everything under; the newest published one when left out"`
	Purpose    domain.Name     `json:"purpose,omitzero" doc:"What values are opened for; without it none is" example:"legal.claims"`
	Disclose   []domain.Name   `json:"disclose,omitempty" doc:"Fields whose values are opened to whoever holds the bundle; all that the purpose needs when left out"`
	Channel    subject.Channel `json:"channel,omitzero" enum:"email,sms,phone,post,push" doc:"How the person will be reached; nobody is when left out"`
	Recipient  domain.Name     `json:"recipient,omitzero" doc:"To whom it goes: then the access is a disclosure"`
}

func (b *BundleBody) discloses() bool { return b.Purpose != "" || len(b.Disclose) > 0 }

// end is the last moment that the bundle is as of; zero for none. A day counts
// to its end also while it lasts: with now, a repeat would give other bytes.
func (b *BundleBody) end() time.Time {
	t, day, ok := b.AsOf.parse()
	switch {
	case !ok:
		return time.Time{}
	case day:
		t = t.AddDate(0, 0, 1).Add(-time.Microsecond)
	}
	if t = t.UTC().Truncate(time.Microsecond); t.Year() > 9999 { // by its offset; a manifest has four digits
		return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	return t
}

type bundleAnswer struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Access      string `header:"Lethe-Access" doc:"The event that recorded the access, when values were asked for"`
	Undisclosed string `header:"Lethe-Undisclosed" doc:"Fields of values that were asked for and have no key, with why: email=erased"`
	Body        []byte `contentType:"application/zip"`
}

func (s *API) bundleRoutes() {
	if s.Seal == nil {
		return
	}
	handle(s, route{
		method: http.MethodPost, path: "/subjects/{token}/bundle", tag: tagProofs, summary: "Make evidence bundle", action: auth.MakeBundle, bodyOptional: true,
		about: "Makes a zip with a person's events and all that shows that they are in the log: proofs, checkpoint, keys, the declarations " +
			"and notices that the events name, and a page to read and print. `lethe-verify` checks it anywhere, without this server. " +
			"Without a purpose it holds facts, and of sealed values only hashes. With one, the values that the purpose needs are opened " +
			"through the same door as any other reading, and the access is recorded first. The texts of notices are the controller's own and always in it.\n\n" +
			"The same body with the same checkpoint gives the same bytes, whatever happened since, unless a value was erased, its opening " +
			"is no longer allowed or newly is, or a key that signed the checkpoint was distrusted.",
	}, s.makeBundle)
	s.documentBody("/subjects/{token}/bundle", http.MethodPost, "application/zip", &huma.Schema{Type: huma.TypeString, Format: "binary"})
}

var (
	errNoHistory    = domain.NotFound("bundle.empty", "", "nothing of this person was recorded up to then and is under that checkpoint")
	errBundleLarge  = domain.Conflict("bundle.too_large", "", "this would be more than one bundle holds: make several, each as of an earlier time or with fewer fields")
	errAheadOfUs    = domain.Conflict("checkpoint.ahead", "checkpoint", "this log signed that checkpoint and is shorter than it: events were lost. Keep it, and tell the operator")
	errContradicted = domain.Conflict("checkpoint.contradicted", "checkpoint", "this log signed that checkpoint, and its history does not contain it: two histories were shown. Keep it, and tell the operator")
	errForeign      = domain.Invalid("checkpoint.foreign", "checkpoint", "none of this log's keys signed that checkpoint")
	errDistrusted   = domain.Conflict("checkpoint.distrusted", "checkpoint", "that checkpoint is signed only by a key that is distrusted at its size: take another one")
	errNotPublished = &domain.Error{Kind: domain.KindUnavailable, Code: "checkpoint.unpublished", Field: "checkpoint", Message: "that checkpoint is signed and not published yet: ask again in a moment"}
	errOtherBundle  = &domain.Error{Kind: domain.KindUnavailable, Code: "bundle.busy", Message: "another bundle is being made: ask again in a moment"}
)

func (s *API) makeBundle(ctx context.Context, c *call, in *struct {
	Token domain.Token `path:"token" doc:"The person's pseudonym"`
	Body  body[BundleBody]
},
) (*bundleAnswer, error) {
	state, err := s.known(ctx, in.Token)
	if err != nil {
		return nil, err
	}
	select { // one at a time: a bundle is made in memory
	case s.bundles <- struct{}{}:
		defer func() { <-s.bundles }()
	case <-ctx.Done():
		return nil, errOtherBundle
	}
	ask := &in.Body.Value
	b := &bundling{API: s, in: bundle.Input{Subject: string(in.Token), AsOf: ask.end()}, secrets: map[valueAt]part.Secret{}}
	if b.under, err = s.checkpointFor(ctx, ask, state); err != nil {
		return nil, err
	}
	answer := &bundleAnswer{ContentType: "application/zip", Disposition: `attachment; filename="bundle.zip"`}
	if err := b.collect(ctx, c, state, ask, answer); err != nil {
		return nil, err
	}
	var zip bytes.Buffer
	if err := bundle.Write(&zip, b.in); err != nil {
		s.Logger.ErrorContext(ctx, "ALARM: what is stored of a person does not prove what was sealed of it: run `lethe audit verify`", "error", err)
		return nil, domain.Internal("making a bundle", err)
	}
	answer.Body = zip.Bytes()
	return answer, nil
}

// checkpointFor is the checkpoint to prove under: the one that was brought, or
// the newest published one, once it covers the person's events that are wanted.
func (s *API) checkpointFor(ctx context.Context, ask *BundleBody, state *subject.State) (*seal.Signed, error) {
	if ask.Checkpoint != "" {
		return s.recognised(ctx, []byte(ask.Checkpoint))
	}
	entries, end := state.Entries(), ask.end()
	n := len(entries)
	for n > 0 && !end.IsZero() && entries[n-1].Recorded.After(end) {
		n--
	}
	if n == 0 {
		return nil, errNoHistory
	}
	if err := s.awaitSeal(ctx, eventstore.Position(entries[n-1].Position)); err != nil {
		return nil, err
	}
	return s.Seal.Published(), nil
}

func (s *API) recognised(ctx context.Context, signed []byte) (*seal.Signed, error) {
	under, err := s.Seal.Recognise(ctx, signed)
	switch {
	case err == nil:
		return under, nil
	case errors.Is(err, tlog.ErrDistrusted):
		return nil, errDistrusted
	case errors.Is(err, seal.ErrNotOurs):
		return nil, errForeign
	case errors.Is(err, seal.ErrNotSealed):
		return nil, errNotPublished
	case errors.Is(err, seal.ErrInconsistent), errors.Is(err, seal.ErrNewer):
		c, _ := s.Seal.Pin(ctx, signed) // keeps it, as evidence
		s.contradicted(ctx, c.Size)
		if errors.Is(err, seal.ErrNewer) {
			return nil, errAheadOfUs
		}
		return nil, errContradicted
	}
	return nil, domain.Internal("reading a checkpoint", err)
}

// contradicted tells the operator.
func (s *API) contradicted(ctx context.Context, size int64) {
	s.Logger.ErrorContext(ctx, "ALARM: a checkpoint was brought that this log signed and that its history contradicts", "size", size)
}

// open opens what was asked for through the door, and says what has no key.
func (b *bundling) open(ctx context.Context, c *call, ask *BundleBody, answer *bundleAnswer, upTo eventstore.Position) error {
	given, got, err := b.Door.Evidence(ctx, ask.ask(c), domain.Token(b.in.Subject), upTo)
	if err != nil {
		return err
	}
	var without []string
	for _, v := range given {
		if v.State == personal.Present {
			b.secrets[valueAt{eventstore.EventID(v.EventID), v.Field}] = v.Secret
			continue
		}
		without = append(without, v.Field+"="+v.State.String())
	}
	slices.Sort(without)
	answer.Undisclosed = strings.Join(slices.Compact(without), ", ")
	if !got.Access.IsZero() {
		answer.Access = got.Access.String()
	}
	return nil
}

func (b *BundleBody) ask(c *call) disclose.Ask {
	return ask(c, b.Purpose, b.Channel, b.Recipient, b.Disclose)
}

// errIndex: an event that must be under the checkpoint was not found in the tree.
func errIndex(stream string, revision uint64) error {
	return domain.Internal(fmt.Sprintf("proving %s revision %d: it is not in the index of leaves", stream, revision), nil)
}
