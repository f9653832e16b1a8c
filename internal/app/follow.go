package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/keyring"
	"lethe/internal/ledger"
	"lethe/internal/react"
)

// follow starts the followers.
func (a *App) follow(ctx context.Context) error {
	dir := filepath.Join(a.Config.Storage.Data, "react")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the followers' directory: %w", err)
	}
	ctx, a.stop = context.WithCancel(context.WithoutCancel(ctx))
	for _, f := range []*react.Follower{
		{Name: "links", Wants: ofType("LinkAccepted", "LinkUndone"), Handle: a.mirrorLink},
		{Name: "lookup", Wants: superseding, Handle: a.pruneLookup},
		{Name: "releases", Wants: ofType("HoldReleased", "RestrictionLifted", "LinkUndone", "ErasureCompleted", "ErasureStopped"), Handle: a.requeue},
		{Name: "lifecycles", Wants: ofType("LifecycleOpened"), Handle: a.reopen},
		{Name: "holds", Wants: ofType("GroupHoldReleased"), Handle: a.releaseCopies},
	} {
		f.Dir, f.Store, f.Decoder, f.Log = dir, a.Store, a.Codec, a.Log
		a.running.Go(func() {
			if err := f.Run(ctx); err != nil {
				a.Log.Error("a follower stopped", "follower", f.Name, "error", err)
			}
		})
	}
	a.running.Go(func() { a.Erasures.Run(ctx) })
	a.running.Go(func() { a.dropDaily(ctx) })
	return nil
}

func ofType(names ...string) func(*eventstore.Recorded) bool {
	return func(rec *eventstore.Recorded) bool {
		for _, n := range names {
			if rec.Type == n {
				return true
			}
		}
		return false
	}
}

// mirrorLink writes a link that was accepted or undone on one record to the
// other record as well, as a command named by the event, so that however
// often it is tried it happens once.
func (a *App) mirrorLink(ctx context.Context, rec domain.Recorded) error {
	self, err := domain.ParseToken(tokenOf(rec.Stream))
	if err != nil {
		return err
	}
	var other domain.Token
	var c subject.Command
	switch e := rec.Event.(type) {
	case *subject.LinkAccepted:
		if e.Mirror {
			return nil
		}
		other, c = e.Other, subject.AcceptLink{Other: self, Mirror: true}
	case *subject.LinkUndone:
		if e.Mirror {
			return nil
		}
		other, c = e.Other, subject.UndoLink{Other: self, Mirror: true}
	default:
		return nil
	}
	_, err = a.Ledger.On(ctx, ledger.Request{
		Principal: System, Command: a.Keys.CommandID(System, "mirror/"+rec.ID.String()), Causation: rec.ID,
	}, other, subject.Env{Officer: true}, c)
	if _, refused := domain.AsError(err); refused {
		return nil // it changed meanwhile; the later event is mirrored in its turn
	}
	return err
}

// releaseCopies follows the release of a hold for a group of people.
func (a *App) releaseCopies(ctx context.Context, rec domain.Recorded) error {
	e, ok := rec.Event.(*operations.GroupHoldReleased)
	if !ok {
		return nil
	}
	return a.Ledger.ReleaseCopies(ctx, System, e.Hold, rec.ID)
}

// superseding reports whether an event may have made rows of the lookup
// stale. A person's first values make none stale.
func superseding(rec *eventstore.Recorded) bool {
	switch rec.Type {
	case "FieldsRectified", "FieldRemoved", "ValuesResealed":
		return true
	case "FieldsRecorded":
		return rec.Revision > 2
	}
	return false
}

// appendTime bounds how long a row of the lookup may wait for its event.
const appendTime = time.Minute

// pruneLookup deletes a person's rows whose event was superseded or never
// appended.
func (a *App) pruneLookup(ctx context.Context, rec domain.Recorded) error {
	token, err := domain.ParseToken(tokenOf(rec.Stream))
	if err != nil {
		return err
	}
	return a.pruneToken(ctx, token)
}

func (a *App) pruneToken(ctx context.Context, token domain.Token) error {
	rows, err := a.Keys.LookupRows(ctx, token)
	if err != nil || len(rows) == 0 {
		return err
	}
	state, err := a.Ledger.Subject(ctx, token)
	if err != nil {
		return err
	}
	cat, err := a.Ledger.Catalogue(ctx)
	if err != nil {
		return err
	}
	now := a.Ledger.Now()
	closed := state.Closed(time.Time{}) // what is put there now is refused before it is appended
	isClosed := func(field domain.Name) bool {
		f, declared := cat.Field(field)
		return declared && closed[f.Group]
	}
	type source struct {
		field domain.Name
		event domain.ID
	}
	current, appended := map[source]bool{}, map[domain.ID]bool{}
	for _, h := range state.At(now, now).Fields {
		current[source{h.Field, h.EventID}] = true
	}
	for _, e := range state.Entries() {
		appended[e.ID] = true
	}
	var stale []keyring.Hit
	for _, r := range rows {
		if !current[source{r.Field, r.EventID}] && (appended[r.EventID] || now.Sub(r.Put) > appendTime || isClosed(r.Field)) {
			stale = append(stale, keyring.Hit{Token: token, Field: r.Field, EventID: r.EventID})
		}
	}
	if len(stale) == 0 {
		return nil
	}
	return a.Keys.DropLookups(ctx, stale)
}

func tokenOf(stream string) string {
	const prefix = "subject-"
	if len(stream) > len(prefix) && stream[:len(prefix)] == prefix {
		return stream[len(prefix):]
	}
	return ""
}
