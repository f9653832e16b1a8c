package ledger

import (
	"context"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"lethe/domain"
	"lethe/eventstore"
	"lethe/internal/codec"
	"lethe/internal/keyring"
)

// seal turns drafts into stored events: keys and lookup rows are durable
// before it returns, and so before the append that needs them.
func (l *Ledger) seal(ctx context.Context, stream string, req Request, drafts []Draft) ([]codec.Draft, []eventstore.Event, error) {
	command := req.Command
	if command.IsZero() {
		if _, err := io.ReadFull(l.rand, command[:]); err != nil {
			return nil, nil, domain.Internal("drawing an event ID", err)
		}
	}
	return l.sealAs(ctx, stream, req, command, drafts)
}

func (l *Ledger) sealAs(
	ctx context.Context, stream string, req Request, command domain.Digest, drafts []Draft,
) ([]codec.Draft, []eventstore.Event, error) {
	now := l.Now()
	coded := make([]codec.Draft, len(drafts))
	var rows []keyring.LookupRow
	for i, d := range drafts {
		effective := d.Effective
		if effective.IsZero() {
			effective = now
		}
		effective = effective.UTC().Truncate(time.Microsecond) // as it is stored
		coded[i] = codec.Draft{
			ID: domain.ID(eventID(req.Principal, stream, command, i)), Stream: stream,
			Event: d.Event, Effective: effective,
			Metadata: domain.Metadata{
				Principal: req.Principal, Purpose: req.Purpose, Correlation: req.Correlation,
				Causation: req.Causation, Command: req.Command,
				Catalogue: req.Catalogue,
			},
		}
		for _, f := range d.Find {
			if text, ok := f.Text.Reveal(); ok {
				rows = append(rows, keyring.LookupRow{
					Kind: f.Kind, Text: text, Token: f.Token, Field: f.Field, EventID: coded[i].ID,
				})
			}
		}
	}
	if !req.Command.IsZero() && !req.Body.IsZero() {
		coded[0].Digest = req.Body[:]
	}
	keys, err := l.provision(ctx, coded, rows)
	if err != nil {
		return nil, nil, err
	}
	if err := l.crash("provisioned"); err != nil {
		return nil, nil, err
	}
	events := make([]eventstore.Event, len(coded))
	for i := range coded {
		events[i], err = l.codec.Encode(&coded[i], keys.of, l.keys)
		if err != nil {
			return nil, nil, domain.Internal("sealing an event", err)
		}
	}
	return coded, events, nil
}

// held are the keys of one append: few, so a scan beats a map.
type held []*keyring.Key

func (h held) of(c keyring.Compartment) *keyring.Key {
	for _, k := range h {
		if k.Compartment() == c {
			return k
		}
	}
	return nil
}

// provision makes keys and lookup rows durable, side by side.
func (l *Ledger) provision(ctx context.Context, coded []codec.Draft, rows []keyring.LookupRow) (held, error) {
	var wanted []keyring.Compartment
	for i := range coded {
		for _, c := range l.codec.Compartments(&coded[i]) {
			if !slices.Contains(wanted, c) {
				wanted = append(wanted, c)
			}
		}
	}
	if len(rows) == 0 {
		keys, err := l.keys.Provision(ctx, wanted)
		return keys, provisioning(err)
	}
	g, gctx := errgroup.WithContext(ctx)
	var keys held
	g.Go(func() (err error) { keys, err = l.keys.Provision(gctx, wanted); return provisioning(err) })
	g.Go(func() error {
		if err := l.crash("before lookup"); err != nil {
			return err
		}
		return l.keys.PutLookups(gctx, rows)
	})
	if err := g.Wait(); err != nil {
		return nil, unavailable(err)
	}
	return keys, nil
}

// provisioning keeps the refusal of an erased compartment as it is.
func provisioning(err error) error {
	if err == nil {
		return nil
	}
	return unavailable(err)
}
