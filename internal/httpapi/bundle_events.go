package httpapi

import (
	"bytes"
	"context"
	"errors"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/operations"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/bundle"
	"lethe/internal/part"
	"lethe/internal/seal"
	"lethe/internal/tlog"
)

// bundling is one bundle under way. What goes in follows from the log up to
// the checkpoint and from what was asked, never from what came later.
type bundling struct {
	*API
	in      bundle.Input
	under   *seal.Signed
	last    domain.Recorded // the last of the person's events that is in it
	secrets map[valueAt]part.Secret
	files   int
	bytes   int
}

// valueAt names a sealed value.
type valueAt struct {
	event eventstore.EventID
	part  string // its name in the event
}

// proofs are those of the events of one stream that go in, by revision.
type proofs map[uint64]*tlog.Proof

// maxBundle bounds the stored bytes of one bundle, which is made in memory.
const maxBundle = 64 << 20

// collect fills the input. Values are opened last, when it is known that the
// bundle can be made.
func (b *bundling) collect(ctx context.Context, c *call, state *subject.State, ask *BundleBody, answer *bundleAnswer) (err error) {
	b.in.Checkpoint = b.under.Note
	if b.in.LogKeys, err = b.Seal.KeyListAt(b.under.Size); err != nil {
		return domain.Internal("listing the log's keys", err)
	}
	own, names, err := b.own(ctx, state.Entries())
	if err != nil {
		return err
	}
	declared, err := b.declared(ctx, names)
	if err != nil {
		return err
	}
	done, err := b.operated(ctx)
	if err != nil {
		return err
	}
	if ask.discloses() {
		if err := b.open(ctx, c, ask, answer, eventstore.Position(b.last.Position)); err != nil {
			return err
		}
	}
	for _, from := range []struct {
		stream string
		of     proofs
	}{{catalogue.Stream, declared}, {operations.Stream, done}, {b.last.Stream, own}} {
		if err := b.load(ctx, from.stream, from.of); err != nil {
			return err
		}
	}
	return nil
}

// own proves the person's events, from the first to the last that was recorded
// in time and is under the checkpoint, and notes what they name.
func (b *bundling) own(ctx context.Context, entries []domain.Recorded) (proofs, *naming, error) {
	of, names := proofs{}, newNaming()
	for i := range entries {
		r := &entries[i]
		if b.late(r) {
			break
		}
		p, err := b.Seal.Prove(ctx, eventstore.EventID(r.ID), b.under)
		if errors.Is(err, seal.ErrNotSealed) {
			break
		}
		if err != nil {
			return nil, nil, domain.Internal("proving a person's event", err)
		}
		of[r.Revision], b.last = p, *r
		names.byPerson(r)
		if len(of)*filesOfEvent > bundle.MaxFiles {
			return nil, nil, errBundleLarge
		}
	}
	if len(of) == 0 {
		return nil, nil, errNoHistory
	}
	return of, names, nil
}

// What a bundle has besides its events, for each of them, and for each value.
const (
	filesOfBundle = 4
	filesOfEvent  = 4
	filesOfValue  = 2
)

func (b *bundling) late(r *domain.Recorded) bool {
	return !b.in.AsOf.IsZero() && r.Recorded.After(b.in.AsOf)
}

// covers reports whether an event of another stream is under the checkpoint
// and was recorded in time.
func (b *bundling) covers(r *domain.Recorded) (bool, error) {
	if b.late(r) {
		return false, nil
	}
	n, sealed := b.Seal.LeafIndex(eventstore.EventID(r.ID))
	if !sealed && r.Position < b.last.Position { // else it would be left out silently
		return false, errIndex(r.Stream, r.Revision)
	}
	return sealed && n < uint64(b.under.Size), nil
}

// stream reads the events of a stream that are covered, decoded.
func (b *bundling) stream(ctx context.Context, name string) (list []domain.Recorded, err error) {
	err = b.Ledger.Replay(ctx, name, func(r domain.Recorded) error {
		in, err := b.covers(&r)
		if in {
			list = append(list, r)
		}
		return err
	})
	if err != nil {
		return nil, domain.Internal("reading what a bundle refers to", err)
	}
	return list, nil
}

// declared proves what of the catalogue is named, and takes the notices' texts.
func (b *bundling) declared(ctx context.Context, names *naming) (proofs, error) {
	list, err := b.stream(ctx, catalogue.Stream)
	if err != nil {
		return nil, err
	}
	list = names.declarations(list)
	for i := range list {
		n, ok := list[i].Event.(*catalogue.NoticePublished)
		if !ok {
			continue
		}
		secret, state, err := b.Door.NoticeSecret(ctx, n)
		if err != nil {
			return nil, err
		}
		if state == personal.Present {
			b.secrets[valueAt{eventstore.EventID(list[i].ID), noticeText}] = secret
		}
	}
	return b.proofs(ctx, list)
}

const noticeText = "notice.text"

// operated proves what was done to the keys that sign the log, and its restarts.
func (b *bundling) operated(ctx context.Context) (proofs, error) {
	list, err := b.stream(ctx, operations.Stream)
	if err != nil {
		return nil, err
	}
	var of []domain.Recorded
	for i := range list {
		switch list[i].Event.(type) {
		case *operations.LogKeyChanged, *operations.LogRestarted:
			of = append(of, list[i])
		default: // tokens are not the reader's business
		}
	}
	return b.proofs(ctx, of)
}

func (b *bundling) proofs(ctx context.Context, list []domain.Recorded) (proofs, error) {
	of := make(proofs, len(list))
	for i := range list {
		p, err := b.Seal.Prove(ctx, eventstore.EventID(list[i].ID), b.under)
		if err != nil {
			return nil, domain.Internal("proving what a bundle refers to", err)
		}
		of[list[i].Revision] = p
	}
	return of, nil
}

// load adds the proven events of a stream as they are stored.
func (b *bundling) load(ctx context.Context, stream string, of proofs) error {
	left := len(of)
	if left == 0 {
		return nil
	}
	for rec, err := range b.Store.ReadStream(ctx, stream, eventstore.StreamRange{}) {
		if err != nil {
			return domain.Internal("reading the events of a bundle", err)
		}
		p := of[rec.Revision]
		if p == nil {
			continue
		}
		if err := b.add(rec, p); err != nil {
			return err
		}
		if left--; left == 0 {
			break
		}
	}
	return nil
}

// add takes of a stored event what is in clear and the parts that are opened.
func (b *bundling) add(rec *eventstore.Recorded, p *tlog.Proof) error {
	e := bundle.Event{Leaf: p.Extra, Path: p.Path, Facts: bytes.Clone(rec.Facts), Metadata: bytes.Clone(rec.Metadata)}
	b.bytes += len(e.Leaf) + len(e.Path)*len(tlog.Hash{}) + len(e.Facts) + len(e.Metadata)
	for i, sealed := range rec.Sealed {
		field, _ := part.Field(sealed)
		secret, opened := b.secrets[valueAt{rec.ID, string(field)}]
		if !opened {
			continue
		}
		e.Disclosed = append(e.Disclosed, bundle.Disclosed{Index: rec.PartIndex(i), Part: bytes.Clone(sealed), Secret: secret})
		b.bytes += len(sealed)
	}
	b.files += filesOfEvent + filesOfValue*len(e.Disclosed)
	if b.bytes > maxBundle || b.files+filesOfBundle > bundle.MaxFiles {
		return errBundleLarge
	}
	b.in.Events = append(b.in.Events, e)
	return nil
}
