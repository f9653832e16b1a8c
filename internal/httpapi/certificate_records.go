package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/certificate"
)

// erasing is one erasure of a person that is told, over all records that went
// along: the one that the others went along with is the first.
type erasing struct {
	*API
	records []erasedRecord
}

// erasedRecord is one record and the events of the erasure on it.
type erasedRecord struct {
	subject.Erasure
	token  domain.Token
	state  *subject.State
	events []*domain.Recorded
}

var errNoErasure = domain.NotFound("erasure.unknown", "erasure", "there is no such erasure of this person; latest is the newest one that was completed")

// erasing finds an erasure. It has ended on each of its records.
func (s *API) erasing(ctx context.Context, at *ErasurePath) (*erasing, error) {
	state, err := s.known(ctx, at.Token)
	if err != nil {
		return nil, err
	}
	found, ok := at.ID.of(state)
	if !ok {
		return nil, errNoErasure
	}
	e := &erasing{API: s}
	first := at.Token
	if found.Ordered != nil && found.Ordered.Of != "" {
		first = found.Ordered.Of
	}
	if err := e.add(ctx, first, found.ID); err != nil {
		return nil, err
	}
	if len(e.records) == 0 {
		return nil, errNoErasure
	}
	for _, token := range e.records[0].Ordered.Linked {
		if err := e.add(ctx, token, found.ID); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// of finds the erasure in a record. The latest is the one that is asked about
// when none is named: of those that were completed the newest that erased more
// than what had been recorded since the one before, else the newest that stopped.
func (r ErasureRef) of(s *subject.State) (found subject.Erasure, ok bool) {
	if id, err := domain.ParseID(string(r)); err == nil {
		return s.Erasure(id)
	}
	list := s.Erasures()
	if len(list) == 0 {
		return found, false
	}
	completed := func(e subject.Erasure) bool { return e.State == subject.IsCompleted }
	stopped := func(e subject.Erasure) bool { return e.State == subject.IsStopped }
	for _, wanted := range []func(subject.Erasure) bool{func(e subject.Erasure) bool { return completed(e) && erasedData(e) }, completed, stopped} {
		for _, e := range slices.Backward(list) {
			if wanted(e) {
				return e, true
			}
		}
	}
	return list[len(list)-1], true
}

// erasedData reports whether an erasure was of more than what shows that
// decisions were lawful, of which every command leaves something.
func erasedData(e subject.Erasure) bool {
	return slices.ContainsFunc(e.Groups(), func(g subject.Weighed) bool {
		return g.Group != domain.EvidenceGroup && g.Goes()
	})
}

// add notes one record. One that the erasure was not ordered on, or called off
// on, is left out.
func (e *erasing) add(ctx context.Context, token domain.Token, id domain.ID) error {
	state, err := e.known(ctx, token)
	if err != nil {
		return err
	}
	of, ok := state.Erasure(id)
	first := len(e.records) == 0
	switch {
	case !ok || of.Ordered == nil:
		return nil
	case of.State == subject.IsOrdered:
		return domain.Conflict("erasure.ordered", "erasure",
			"this erasure has not started: it may be called off until %s, and nothing is destroyed yet", of.Ordered.Due.UTC().Format("2006-01-02 15:04:05Z")).Citing("GDPR 17")
	case of.State == subject.IsStarted:
		return e.incomplete(token, &of)
	case of.State == subject.IsCancelled && first:
		return domain.Conflict("erasure.cancelled", "erasure", "this erasure was called off: nothing was destroyed")
	case of.State == subject.IsCancelled:
		return nil
	}
	e.records = append(e.records, erasedRecord{Erasure: of, token: token, state: state, events: erasureEvents(state, &of)})
	return nil
}

// incomplete says what an erasure that has started waits for.
func (e *erasing) incomplete(token domain.Token, of *subject.Erasure) error {
	why := e.trouble(token, of.ID)
	return domain.Conflict("erasure.incomplete", "erasure", "this erasure started at %s and is not complete; it goes on by itself: %s",
		of.StartedAt.Recorded.UTC().Format("2006-01-02 15:04:05Z"), cmp.Or(why, "not every key is destroyed yet, or not every place has confirmed")).Citing("GDPR 17")
}

// completed refuses an erasure that destroyed nothing.
func (e *erasing) completed() error {
	for i := range e.records {
		if e.records[i].State == subject.IsCompleted {
			return nil
		}
	}
	return domain.Conflict("erasure.stopped", "erasure", "this erasure stopped: weighed again, nothing may go any more, and nothing was destroyed. The letter says why").Citing("GDPR 17(3)")
}

// erasureEvents are those of one erasure, in their order. So are those that say
// that keys of what it names had been destroyed before it started, by an erasure
// whose order is lost.
func erasureEvents(s *subject.State, this *subject.Erasure) (list []*domain.Recorded) {
	id := this.ID
	entries := s.Entries()
	for i := range entries {
		var of domain.ID
		switch e := entries[i].Event.(type) {
		case *subject.ErasureOrdered:
			of = e.Erasure
		case *subject.ErasureStarted:
			of = e.Erasure
		case *subject.ErasureStopped:
			of = e.Erasure
		case *subject.ErasureCompleted:
			of = e.Erasure
		case *subject.ErasureReapplied:
			if of = e.Erasure; before(s, this, &entries[i], e) {
				of = id
			}
		default: // values that were sealed again are the record's, not the certificate's
			continue
		}
		if of == id {
			list = append(list, &entries[i])
		}
	}
	return list
}

func before(s *subject.State, this *subject.Erasure, r *domain.Recorded, again *subject.ErasureReapplied) bool {
	if of, _ := s.Erasure(again.Erasure); of.Ordered != nil || this.StartedAt == nil || r.Revision > this.StartedAt.Revision {
		return false
	}
	return slices.ContainsFunc(again.Keys, func(k subject.KeyRef) bool {
		return slices.ContainsFunc(this.Started.Groups, func(g subject.Weighed) bool {
			return g.Group == k.Group && g.Goes()
		})
	})
}

// input proves the events under the newest published checkpoint, of a size.
func (e *erasing) input(ctx context.Context) (*certificate.Input, int64, error) {
	var last uint64
	for i := range e.records {
		for _, r := range e.records[i].events {
			last = max(last, r.Position)
		}
	}
	if err := e.awaitSeal(ctx, eventstore.Position(last)); err != nil {
		return nil, 0, err
	}
	under := e.Seal.Published()
	keys, err := e.Seal.KeyListAt(under.Size)
	if err != nil {
		return nil, 0, domain.Internal("listing the log's keys", err)
	}
	in := &certificate.Input{Checkpoint: under.Note, LogKeys: keys}
	for i := range e.records {
		r := &e.records[i]
		source, err := e.given(ctx, r)
		if err != nil {
			return nil, 0, err
		}
		if r.Completed != nil {
			if at := e.deadFrom(r.token, r.Completed); !at.IsZero() {
				source.DeadFrom = certificate.Stamp(at)
			}
		}
		for _, rec := range r.events {
			proof, err := e.Seal.Prove(ctx, eventstore.EventID(rec.ID), under)
			if err != nil {
				return nil, 0, domain.Internal("proving an erasure", err)
			}
			facts, err := e.facts(ctx, rec)
			if err != nil {
				return nil, 0, err
			}
			source.Events = append(source.Events, certificate.Proven{Facts: facts, Proof: proof.Marshal()})
		}
		in.Records = append(in.Records, *source)
	}
	return in, under.Size, nil
}

// facts are an event's as they are stored.
func (s *API) facts(ctx context.Context, r *domain.Recorded) ([]byte, error) {
	for rec, err := range s.Store.ReadStream(ctx, r.Stream, eventstore.StreamRange{From: r.Revision, Limit: 1}) {
		if err != nil {
			return nil, domain.Internal("reading the event of an erasure", err)
		}
		return bytes.Clone(rec.Facts), nil
	}
	return nil, errNoSuchEvent
}
