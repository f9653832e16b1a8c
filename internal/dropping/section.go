package dropping

import (
	"context"
	"fmt"
	"io"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/eventstore"
	"lethe/internal/keyring"
	"lethe/internal/part"
)

// found is what of one section is due.
type found struct {
	keys   map[part.KeyID]keyring.KeyInfo
	values map[part.KeyID]uint64
	bytes  map[part.KeyID]uint64
	last   eventstore.Position // of the section's last event
}

// section drops what is due of one section.
func (r *run) section(ctx context.Context, sec eventstore.Section) error {
	f, err := r.look(ctx, sec)
	if err != nil {
		return err
	}
	r.report.Sections++
	if len(f.keys) == 0 {
		return nil
	}
	if f.last > r.opts.Sealed() {
		r.report.Unsealed++
		return nil
	}
	if err := r.confirm(ctx, f); err != nil || len(f.keys) == 0 {
		return err
	}
	if r.req.DryRun {
		r.report.Replaced++
		for id := range f.keys {
			r.report.Values += f.values[id]
			r.report.Bytes += f.bytes[id]
		}
		return nil
	}
	return r.drop(ctx, sec, f)
}

// look reads a section and notes the due keys of its parts.
func (r *run) look(ctx context.Context, sec eventstore.Section) (*found, error) {
	f := &found{keys: map[part.KeyID]keyring.KeyInfo{}, values: map[part.KeyID]uint64{}, bytes: map[part.KeyID]uint64{}}
	for rec, err := range r.opts.Store.ReadSection(ctx, sec) {
		if err != nil {
			return nil, err
		}
		f.last = rec.Position
		for _, p := range rec.Sealed {
			if err := f.note(p, r.due); err != nil {
				return nil, &eventstore.CorruptError{File: sec.Name, What: fmt.Sprintf("a value of event %s: %v", rec.ID, err)}
			}
		}
	}
	return f, nil
}

func (f *found) note(p []byte, due map[part.KeyID]struct{}) error {
	id, ok := part.ID(p)
	if _, is := due[id]; !ok || !is {
		return nil
	}
	if _, known := f.keys[id]; !known {
		h, err := part.Parse(p)
		if err != nil {
			return err
		}
		f.keys[id] = keyring.KeyOf(&h)
	}
	f.values[id]++
	f.bytes[id] += uint64(len(p))
	return nil
}

// confirm asks the key store itself, which goes by compartment and generation
// too, and leaves out every key that it does not call fenced.
func (r *run) confirm(ctx context.Context, f *found) error {
	infos := make([]keyring.KeyInfo, 0, len(f.keys))
	for _, info := range f.keys {
		infos = append(infos, info)
	}
	states, err := r.opts.Keys.KeyStates(ctx, infos)
	if err != nil {
		return err
	}
	for i, info := range infos {
		if states[i] != keyring.KeyFenced {
			r.opts.Log.ErrorContext(ctx, "a key has a fence and is not fenced: its values stay; verify the ledger",
				"key", info.ID.String(), "state", states[i].String())
			delete(f.keys, info.ID)
		}
	}
	return nil
}

// drop replaces the section, and records it in between.
func (r *run) drop(ctx context.Context, sec eventstore.Section, f *found) error {
	var id eventstore.DropID
	if _, err := io.ReadFull(r.opts.Rand, id[:]); err != nil {
		return fmt.Errorf("drawing a removal's ID: %w", err)
	}
	d, err := r.opts.Store.Drop(ctx, sec, eventstore.DropOrder{ID: id, Pick: f.pick, Record: r.record})
	if err != nil {
		return err
	}
	r.report.Replaced++
	r.report.Values += d.Parts
	r.report.Bytes += d.Bytes
	r.opts.Log.InfoContext(ctx, "erased values were dropped from the log", "section", sec.Name, "values", d.Parts, "bytes", d.Bytes)
	return nil
}

// pick takes the parts of the keys that were confirmed, and leaves their heads.
func (f *found) pick(rec *eventstore.Recorded, i int) (keep int, drop bool) {
	id, ok := part.ID(rec.Sealed[i])
	if _, is := f.keys[id]; !ok || !is {
		return 0, false
	}
	return part.HeadSize(rec.Sealed[i])
}

func (r *run) record(ctx context.Context, d eventstore.Drop) error {
	return r.opts.Record(ctx, r.req.By, operations.PayloadsDropped{
		Drop: domain.ID(d.ID), First: uint64(d.First), Last: uint64(d.Last),
		Parts: d.Parts, Bytes: d.Bytes, List: d.List, Before: r.report.Before,
	})
}
