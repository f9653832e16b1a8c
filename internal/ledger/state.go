package ledger

import (
	"context"
	"fmt"
	"sync"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/eventstore"
)

// folded is a stream's state in the cache. The mutex makes the commands of
// one stream take turns in this process, where racing would only conflict.
type folded struct {
	mu       sync.Mutex
	state    any
	loaded   bool
	next     uint64 // revision the next event gets = number of events
	position eventstore.Position
	commands []command
}

// command is what answering a repeated command needs.
type command struct {
	id       domain.Digest
	first    domain.Recorded // its Event is nil: kept for place and ID only
	last     uint64
	position eventstore.Position
	digest   personal.Value // of the request's body, as stored
}

func (l *Ledger) entry(stream string) *folded {
	if f, ok := l.states.Get(stream); ok {
		return f
	}
	f := &folded{}
	if prev, ok, _ := l.states.PeekOrAdd(stream, f); ok {
		return prev
	}
	return f
}

// catchUp folds what the stream has from f.next on. The caller holds f.mu.
func catchUp[S any](ctx context.Context, l *Ledger, f *folded, stream string, agg Aggregate[S]) error {
	for rec, err := range l.store.ReadStream(ctx, stream, eventstore.StreamRange{From: f.next}) {
		if err != nil {
			return fmt.Errorf("reading stream %s: %w", stream, err)
		}
		if err := evolve(l, f, rec, agg); err != nil {
			return err
		}
	}
	f.loaded = true
	return nil
}

func evolve[S any](l *Ledger, f *folded, rec *eventstore.Recorded, agg Aggregate[S]) error {
	decoded, err := l.codec.Decode(rec)
	if err != nil {
		return fmt.Errorf("decoding %s revision %d: %w", rec.Stream, rec.Revision, err)
	}
	fold(l, f, decoded, rec, agg)
	return nil
}

func fold[S any](l *Ledger, f *folded, decoded domain.Recorded, rec *eventstore.Recorded, agg Aggregate[S]) {
	state, _ := f.state.(S)
	f.state = agg.Evolve(state, decoded)
	f.next, f.position = rec.Revision+1, rec.Position
	if id := decoded.Metadata.Command; !id.IsZero() {
		f.note(l, id, decoded, rec)
	}
}

func (f *folded) note(l *Ledger, id domain.Digest, d domain.Recorded, rec *eventstore.Recorded) {
	if n := len(f.commands); n > 0 && f.commands[n-1].id == id {
		f.commands[n-1].last, f.commands[n-1].position = d.Revision, rec.Position
		return
	}
	d.Event = nil
	f.commands = append(f.commands, command{
		id: id, first: d, last: d.Revision, position: rec.Position, digest: l.codec.DigestPart(rec),
	})
}

func (f *folded) find(id domain.Digest) *command {
	for i := len(f.commands) - 1; i >= 0; i-- {
		if f.commands[i].id == id {
			return &f.commands[i]
		}
	}
	return nil
}

// Load returns a stream's state and the revision its next event would get
// (0: the stream does not exist). The state must not be changed.
func Load[S any](ctx context.Context, l *Ledger, stream string, agg Aggregate[S]) (S, uint64, error) {
	f := l.entry(stream)
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.loaded {
		if err := catchUp(ctx, l, f, stream, agg); err != nil {
			l.states.Remove(stream)
			var none S
			return none, 0, err
		}
	}
	state, _ := f.state.(S)
	return state, f.next, nil
}

// Replay folds a stream anew, from its first event, handing each to see: for
// histories, which look at every event and not at the state only.
func (l *Ledger) Replay(ctx context.Context, stream string, see func(domain.Recorded) error) error {
	for rec, err := range l.store.ReadStream(ctx, stream, eventstore.StreamRange{}) {
		if err != nil {
			return fmt.Errorf("reading stream %s: %w", stream, err)
		}
		decoded, err := l.codec.Decode(rec)
		if err != nil {
			return fmt.Errorf("decoding %s revision %d: %w", stream, rec.Revision, err)
		}
		if err := see(decoded); err != nil {
			return err
		}
	}
	return nil
}
