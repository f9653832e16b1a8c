package httpapi

import (
	"context"
	stdjson "encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"lethe/domain"
	"lethe/eventstore"
	"lethe/internal/auth"
	"lethe/internal/part"
)

const tagEvents = "Events"

// Event is one event of the feed, exactly as it is stored and hashed.
type Event struct {
	Position  eventstore.Position `json:"position" doc:"Opaque and increasing: drop duplicates by it, go on after it"`
	Stream    string              `json:"stream"`
	Revision  uint64              `json:"revision"`
	ID        string              `json:"id"`
	Type      string              `json:"type" example:"ConsentGiven"`
	Version   uint16              `json:"version" doc:"Of the type's shape"`
	Recorded  time.Time           `json:"recorded"`
	Effective time.Time           `json:"effective"`
	Facts     stdjson.RawMessage  `json:"facts"`
	Metadata  stdjson.RawMessage  `json:"metadata"`
	Sealed    [][]byte            `json:"sealed,omitempty" doc:"Ciphertexts, one for each personal value, base64; never opened"`
	Dropped   []DroppedPart       `json:"dropped,omitempty" doc:"Ciphertexts that were removed, long after their keys were destroyed; sealed has the others"`
}

// DroppedPart is what is left of a ciphertext that was removed.
type DroppedPart struct {
	Part   int    `json:"part" doc:"Its place among the event's parts, from 0"`
	KeyID  string `json:"key_id" doc:"Of the destroyed key, in hex"`
	SHA256 string `json:"sha256" doc:"Of its bytes, in hex, as the event's leaf has it"`
}

func eventOf(r *eventstore.Recorded) *Event {
	e := &Event{
		Position: r.Position, Stream: r.Stream, Revision: r.Revision, ID: r.ID.String(), Type: r.Type, Version: r.Version,
		Recorded: r.Recorded, Effective: r.Effective, Facts: orNull(r.Facts), Metadata: orNull(r.Metadata), Sealed: r.Sealed,
	}
	for i := range r.Dropped {
		d := &r.Dropped[i]
		id, _ := part.ID(d.Head)
		e.Dropped = append(e.Dropped, DroppedPart{Part: d.Index, KeyID: id.String(), SHA256: domain.Digest(d.Hash).String()})
	}
	return e
}

func orNull(b []byte) stdjson.RawMessage {
	if len(b) == 0 {
		return stdjson.RawMessage("null")
	}
	return b
}

type feedInput struct {
	After  string `query:"after" pattern:"^[0-9]+$" maxLength:"20" doc:"Position after which to begin; from the first event when left out"`
	Limit  int    `query:"limit" minimum:"0" doc:"End after so many events; 0 = no limit"`
	Follow bool   `query:"follow" doc:"Stay for what comes; server-sent events stay anyway"`
	Accept string `header:"Accept" hidden:"true"`
	Last   string `header:"Last-Event-ID" pattern:"^[0-9]+$" maxLength:"20" doc:"What a browser sends when it reconnects: counts instead of after"`
}

type streamed struct {
	Body func(huma.Context)
}

func (s *API) eventRoutes() {
	handle(s, route{
		method: http.MethodGet, path: "/events", tag: tagEvents, summary: "Read events", action: auth.ReadEvents, long: true,
		about: "Every event in its one order, as server-sent events or newline-delimited JSON: facts in clear, sealed parts as they are " +
			"stored, never opened. Each event comes exactly once to whoever drops what is not after the last position. " +
			"A comment (`: alive`) or an empty line is a sign of life.",
	}, s.events)
	s.documentStream("/events", http.MethodGet, "text/event-stream", "application/x-ndjson")
}

// documentStream says what a streaming operation answers with.
func (s *API) documentStream(path, method string, types ...string) {
	op := operationAt(s.api.OpenAPI().Paths[prefix+path], method)
	content := map[string]*huma.MediaType{}
	for _, t := range types {
		content[t] = &huma.MediaType{Schema: &huma.Schema{Type: "string", Description: "One JSON value a line or event."}}
	}
	op.Responses["200"] = &huma.Response{Description: "A stream", Content: content}
}

// documentLines says that a POST answers with lines of JSON, each an L.
func documentLines[L any](s *API, path string) {
	s.documentStream(path, http.MethodPost, "application/x-ndjson")
	op := operationAt(s.api.OpenAPI().Paths[prefix+path], http.MethodPost)
	op.Responses["200"].Content["application/x-ndjson"].Schema = schemaOf[L](s.api.OpenAPI().Components.Schemas)
}

// documentBody says what an operation answers with that is not described by a
// type. Headers stay as they are.
func (s *API) documentBody(path, method, contentType string, body *huma.Schema) {
	op := operationAt(s.api.OpenAPI().Paths[prefix+path], method)
	op.Responses["200"].Content = map[string]*huma.MediaType{contentType: {Schema: body}}
}

var errTooManyFeeds = domain.Invalid("events.too_many", "", "too many event feeds are open: close one or try again later")

func (s *API) events(_ context.Context, c *call, in *feedInput) (*streamed, error) {
	from := in.After
	if in.Last != "" {
		from = in.Last
	}
	var after eventstore.Position
	if from != "" {
		var err error
		if after, err = eventstore.ParsePosition(from); err != nil {
			return nil, malformed("after", "after is a position as an event has it")
		}
	}
	select {
	case s.feeds <- struct{}{}:
	default:
		return nil, errTooManyFeeds
	}
	return &streamed{Body: func(ctx huma.Context) {
		defer func() { <-s.feeds }()
		s.metrics.feeds.Inc()
		defer s.metrics.feeds.Dec()
		s.feed(ctx, c, in, after)
	}}, nil
}

// feed writes events until its end, the caller's or the server's.
func (s *API) feed(hctx huma.Context, c *call, in *feedInput, after eventstore.Position) {
	_, w := humago.Unwrap(hctx)
	ctx, cancel := context.WithCancel(hctx.Context())
	defer cancel()
	if s.Stop != nil {
		defer context.AfterFunc(s.Stop, cancel)()
	}
	sse := strings.Contains(in.Accept, "text/event-stream")
	out := s.startStream(w, sse)
	if !sse && !in.Follow {
		s.replay(ctx, c, in, after, out)
		return
	}
	s.follow(ctx, c, in, after, out)
}

// replay writes what there is.
func (s *API) replay(ctx context.Context, c *call, in *feedInput, after eventstore.Position, out *stream) {
	n := 0
	for r, err := range s.Store.ReadAll(ctx, after) {
		if err != nil {
			s.broken(ctx, c, out, err)
			return
		}
		if out.event(eventOf(r)) != nil {
			return
		}
		if n++; n == in.Limit {
			break
		}
	}
	out.flush()
}

// follow writes what there is and what comes, with signs of life between. A
// token that was revoked meanwhile ends it.
func (s *API) follow(ctx context.Context, c *call, in *feedInput, after eventstore.Position, out *stream) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	messages := make(chan eventstore.Message, ahead)
	failed := make(chan error, 1)
	go func() { failed <- pump(ctx, s.Store, after, messages) }()
	beat := time.NewTicker(s.Limits.Heartbeat)
	defer beat.Stop()
	for n := 0; ; {
		select {
		case m := <-messages:
			if m.Event == nil { // everything there was has been written
				out.flush()
				continue
			}
			if out.event(eventOf(m.Event)) != nil {
				return
			}
			if n++; n == in.Limit {
				out.flush()
				return
			}
			if len(messages) == 0 {
				out.flush()
			}
		case <-beat.C:
			if !s.stillAllowed(ctx, c) || out.alive() != nil {
				return
			}
		case err := <-failed:
			if ctx.Err() == nil {
				s.broken(ctx, c, out, err)
			}
			return
		}
	}
}

// ahead is how many events are read before they are written.
const ahead = 16

// pump hands messages on; an event belongs to its receiver.
func pump(ctx context.Context, store eventstore.Store, after eventstore.Position, to chan<- eventstore.Message) error {
	for m, err := range store.Subscribe(ctx, after) {
		if err != nil {
			return err
		}
		if m.Event != nil {
			m.Event = m.Event.Clone()
		}
		select {
		case to <- m:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return eventstore.ErrClosed
}

// stillAllowed asks again whether the caller's token counts.
func (s *API) stillAllowed(ctx context.Context, c *call) bool {
	if c.local {
		return true
	}
	caller, err := auth.Authenticate(ctx, s.Ledger, c.bearer, s.Now())
	return err == nil && auth.Allow(caller, auth.ReadEvents) == nil
}

// broken ends a stream that has begun: the status is sent already, so that
// only the missing end and a last line tell.
func (s *API) broken(ctx context.Context, c *call, out *stream, err error) {
	if ctx.Err() != nil || errors.Is(err, eventstore.ErrClosed) {
		return
	}
	out.problem(problem(c, err))
}
