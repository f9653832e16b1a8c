package ledger

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"io"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/eventstore"
	"lethe/internal/codec"
)

// maxConflicts bounds how often a command is decided again after somebody
// else was first on its stream.
const maxConflicts = 16

// Execute decides on one stream and appends what was decided, all or
// nothing. A command that was done before is answered from its own events
// and not decided again; the same command with another body is refused
// (422), and after the body's digest was erased a repeat is Gone (410).
// decide is called again after every conflict and must be pure.
//
// Errors: *domain.Error for every refusal; KindUnavailable when the outcome
// is not known (repeat with the same key).
func Execute[S any](
	ctx context.Context, l *Ledger, agg Aggregate[S], stream string, req Request,
	decide func(state S) ([]Draft, error),
) (Outcome, error) {
	f := l.entry(stream)
	f.mu.Lock()
	defer f.mu.Unlock()
	if req.New && f.next == 0 {
		f.loaded = true // should it exist after all, the append conflicts and it is read
	}
	for range maxConflicts {
		if !f.loaded {
			if err := catchUp(ctx, l, f, stream, agg); err != nil {
				l.states.Remove(stream)
				return Outcome{}, unavailable(err)
			}
		}
		if done := f.find(req.Command); done != nil && !req.Command.IsZero() {
			return l.repeated(ctx, stream, done, req)
		}
		if req.IfMatch != nil && *req.IfMatch != f.next-1 {
			return Outcome{}, stale(f.next)
		}
		state, _ := f.state.(S)
		drafts, err := decide(state)
		if err != nil {
			return Outcome{}, err
		}
		if len(drafts) == 0 {
			return Outcome{Stream: stream, Last: f.next - 1, Position: f.position}, nil
		}
		out, again, err := write(ctx, l, f, agg, stream, req, drafts)
		if !again {
			return out, err
		}
	}
	return Outcome{}, domain.Conflict("stream.contended", "", "others keep changing this record: try again")
}

// write appends the drafts. again reports a lost race after which f is up to
// date and the command must be decided anew.
func write[S any](
	ctx context.Context, l *Ledger, f *folded, agg Aggregate[S], stream string, req Request, drafts []Draft,
) (out Outcome, again bool, err error) {
	coded, events, err := l.seal(ctx, stream, req, drafts)
	if err != nil {
		return Outcome{}, false, err
	}
	expected := eventstore.NoStream()
	if f.next > 0 {
		expected = eventstore.Revision(f.next - 1)
	}
	res, err := l.store.Append(ctx, stream, expected, events)
	if err == nil {
		err = l.crash("appended")
	}
	var conflict *eventstore.ConflictError
	switch {
	case errors.As(err, &conflict):
		f.loaded = false // read on from f.next
		return Outcome{}, true, nil
	case err != nil:
		f.loaded = false
		return Outcome{}, false, refused(err)
	}
	apply(ctx, l, f, agg, coded, events, res)
	return Outcome{
		Stream: stream, Events: len(events), First: res.First, Last: res.Last, Position: res.Position,
		Recorded: res.Recorded, FirstID: domain.ID(events[0].ID), Repeated: res.Duplicate,
	}, false, nil
}

// apply folds what was just acknowledged, in the form in which it is stored:
// the plaintext of the command does not get into the cache. Positions of all
// but an append's last event are the store's to tell, so several events are
// read back when the stream is next looked at.
func apply[S any](
	ctx context.Context, l *Ledger, f *folded, agg Aggregate[S], coded []codec.Draft, events []eventstore.Event, res eventstore.Result,
) {
	if len(events) > 1 || res.Duplicate {
		f.loaded = false
		return
	}
	rec := eventstore.Recorded{
		Event: events[0], Stream: coded[0].Stream, Revision: res.Last, Position: res.Position, Recorded: res.Recorded,
	}
	stored, err := l.codec.Stored(&coded[0], &rec)
	if err != nil {
		l.states.Remove(rec.Stream)
		l.log.ErrorContext(ctx, "folding an acknowledged append", "stream", rec.Stream, "error", err)
		return
	}
	fold(l, f, stored, &rec, agg)
}

func (l *Ledger) repeated(ctx context.Context, stream string, c *command, req Request) (Outcome, error) {
	if !c.digest.IsZero() && !req.Body.IsZero() {
		v, err := l.reveal(ctx, c.digest)
		if err != nil {
			return Outcome{}, unavailable(err)
		}
		if err := sameBody(v, req.Body[:]); err != nil {
			return Outcome{}, err
		}
	}
	return Outcome{
		Stream: stream, Events: int(c.last-c.first.Revision) + 1, First: c.first.Revision, Last: c.last,
		Position: c.position, Recorded: c.first.Recorded, FirstID: c.first.ID, Repeated: true,
	}, nil
}

func sameBody(v personal.Value, body []byte) error {
	switch v.State() {
	case personal.Present:
		text, _ := v.Reveal()
		if subtle.ConstantTimeCompare([]byte(text), body) != 1 {
			return otherBody()
		}
		return nil
	case personal.Erased:
		return &domain.Error{
			Kind: domain.KindGone, Code: "idempotency.erased", Field: "Idempotency-Key",
			Message: "this request was done, and what it said has been erased since",
		}
	case personal.Absent, personal.Sealed, personal.KeyMissing, personal.Tampered, personal.Lost:
	}
	return domain.Internal("comparing a repeated request: its digest is "+v.State().String(), nil)
}

func otherBody() error {
	return domain.Invalid("idempotency.other_body", "Idempotency-Key",
		"this key was used for another request: use a new key for a new request")
}

// eventID is a UUIDv8 of SHA-256 over the length-prefixed principal, stream,
// command ID and index: unique also when one command fans out over streams.
func eventID(principal domain.ID, stream string, command domain.Digest, index int) eventstore.EventID {
	buf := make([]byte, 0, 128)
	buf = prefixed(buf, principal[:])
	buf = prefixed(buf, []byte(stream))
	buf = prefixed(buf, command[:])
	buf = prefixed(buf, binary.BigEndian.AppendUint32(nil, uint32(index)))
	sum := sha256.Sum256(buf)
	id := eventstore.EventID(sum[:16])
	id[6] = id[6]&0x0f | 0x80 // version 8
	id[8] = id[8]&0x3f | 0x80 // variant
	return id
}

func prefixed(dst, b []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(b)))
	return append(dst, b...)
}

// Record appends one event without loading or deciding: access events, which
// are busy and never decide. Its ID is random. It is durable when Record
// returns nil.
func (l *Ledger) Record(ctx context.Context, stream string, req Request, event domain.Event) (eventstore.Result, domain.ID, error) {
	if _, err := io.ReadFull(l.rand, req.Command[:]); err != nil {
		return eventstore.Result{}, domain.ID{}, domain.Internal("drawing an event ID", err)
	}
	command := req.Command
	req.Command = domain.Digest{}
	_, events, err := l.sealAs(ctx, stream, req, command, []Draft{{Event: event}})
	if err != nil {
		return eventstore.Result{}, domain.ID{}, err
	}
	res, err := l.store.Append(ctx, stream, eventstore.Any(), events)
	if errors.Is(err, eventstore.ErrOutcomeUnknown) { // the same ID: recognised if it is there
		res, err = l.store.Append(ctx, stream, eventstore.Any(), events)
	}
	if err != nil {
		return eventstore.Result{}, domain.ID{}, refused(err)
	}
	return res, domain.ID(events[0].ID), nil
}
