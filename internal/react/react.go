// Package react follows the log and acts on it: the only way back from what
// is recorded to what is decided, and only by commands.
//
// A follower keeps its own checkpoint, written after the effect. After a
// crash it sees the last events again, so its effects are commands with IDs
// derived from the event they follow from: a repeat is recognised.
package react

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"lethe/domain"
	"lethe/eventstore"
)

// Decoder turns a stored event into a domain event.
type Decoder interface {
	Decode(rec *eventstore.Recorded) (domain.Recorded, error)
}

// Handler acts on one event. It must be idempotent.
type Handler func(ctx context.Context, rec domain.Recorded) error

// Follower hands every event to a handler, from its checkpoint on.
type Follower struct {
	Name    string // names the checkpoint file
	Dir     string
	Store   eventstore.Store
	Decoder Decoder
	Handle  Handler
	Wants   func(rec *eventstore.Recorded) bool // before decoding
	Log     *slog.Logger
	Retry   time.Duration // between tries of an event that failed; 0 takes a second
}

// checkpointEvery bounds how many events are seen again after a crash.
const checkpointEvery = 1000

// Run follows until ctx ends. An event that cannot be handled is tried again
// and holds up the ones behind it: order matters more than progress.
func (f *Follower) Run(ctx context.Context) error {
	at, err := f.checkpoint()
	if err != nil {
		return err
	}
	since := 0
	for msg, err := range f.Store.Subscribe(ctx, at) {
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, eventstore.ErrClosed) {
				return f.save(at, since > 0)
			}
			return fmt.Errorf("following the log for %s: %w", f.Name, err)
		}
		if msg.Event != nil && f.Wants(msg.Event) {
			if err := f.handle(ctx, msg.Event); err != nil {
				return f.save(at, since > 0)
			}
		}
		at = msg.Position
		since++
		if since >= checkpointEvery || (msg.CaughtUp && since > 1) {
			if err := f.save(at, true); err != nil {
				return err
			}
			since = 0
		}
	}
	return f.save(at, since > 0)
}

func (f *Follower) handle(ctx context.Context, rec *eventstore.Recorded) error {
	decoded, err := f.Decoder.Decode(rec)
	if err != nil {
		return fmt.Errorf("decoding for %s: %w", f.Name, err)
	}
	wait := f.Retry
	if wait == 0 {
		wait = time.Second
	}
	for {
		err := f.Handle(ctx, decoded)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil { // the end of following: the event is handled at the next start
			return ctx.Err()
		}
		f.Log.ErrorContext(ctx, "a follower cannot handle an event and tries again",
			"follower", f.Name, "type", rec.Type, "position", rec.Position.String(), "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (f *Follower) path() string { return filepath.Join(f.Dir, f.Name+".position") }

func (f *Follower) checkpoint() (eventstore.Position, error) {
	b, err := os.ReadFile(f.path())
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading the checkpoint of %s: %w", f.Name, err)
	}
	at, err := eventstore.ParsePosition(string(b))
	if err != nil { // torn or edited: everything is handled again, which is harmless
		f.Log.Warn("a follower's checkpoint is damaged: starting over", "follower", f.Name)
		return 0, nil
	}
	return at, nil
}

// save replaces the checkpoint. It is not synced: an older one is harmless.
func (f *Follower) save(at eventstore.Position, changed bool) error {
	if !changed {
		return nil
	}
	tmp := f.path() + ".tmp"
	if err := os.WriteFile(tmp, []byte(at.String()), 0o600); err != nil {
		return fmt.Errorf("writing the checkpoint of %s: %w", f.Name, err)
	}
	if err := os.Rename(tmp, f.path()); err != nil {
		return fmt.Errorf("replacing the checkpoint of %s: %w", f.Name, err)
	}
	return nil
}
