package erasure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/keyring"
	"lethe/internal/ledger"
)

// cause is what fences say of keys that an erasure destroyed.
const cause domain.Name = "erasure"

// keySink is the key store as a place that confirms.
const keySink domain.Name = "keys"

// underway is an erasure that has started.
type underway struct {
	Item
	erasure subject.Erasure
	keys    []subject.KeyDestroyed
	marks   uint32
}

// finish destroys what was started and completes what every sink confirmed,
// linked records before the record that they go along with. It returns how
// many were completed.
func (p *Process) finish(ctx context.Context, items []Item) (done int, err error) {
	work, destructions, err := p.plan(ctx, items)
	if err != nil || len(work) == 0 {
		return 0, err
	}
	work, err = p.destroy(ctx, work, destructions)
	if err != nil || len(work) == 0 {
		return 0, err
	}
	if err := p.crash("destroyed"); err != nil {
		return 0, err
	}
	if err := p.settle(ctx); err != nil {
		return 0, err
	}
	sinks, err := p.confirm(ctx, work)
	if err != nil {
		for _, w := range work {
			p.trouble(ctx, w.Item, err)
		}
		return 0, ctx.Err()
	}
	if err := p.crash("confirmed"); err != nil {
		return 0, err
	}
	return p.complete(ctx, work, sinks)
}

// plan reads what each erasure is to destroy. One that is not under way any
// more falls out.
func (p *Process) plan(ctx context.Context, items []Item) (work []underway, of []keyring.Destruction, err error) {
	cat, err := p.Ledger.Catalogue(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the catalogue: %w", err)
	}
	for _, it := range items {
		s, err := p.Ledger.Subject(ctx, it.Token)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the record: %w", err)
		}
		e, ok := s.Erasure(it.Erasure)
		if !ok || e.State != subject.IsStarted {
			p.solved(it)
			continue
		}
		if stopped, err := p.stopped(ctx, it, &e); err != nil || stopped {
			if err != nil {
				p.trouble(ctx, it, err)
			}
			continue
		}
		d, err := p.destruction(ctx, cat, it, &e)
		if err != nil {
			p.trouble(ctx, it, err)
			continue
		}
		work, of = append(work, underway{Item: it, erasure: e}), append(of, d)
	}
	return work, of, nil
}

// stopped takes the start back when a hold for a group of people had been
// placed before it: such holds lie in another stream, so that one may be seen
// only now.
func (p *Process) stopped(ctx context.Context, it Item, e *subject.Erasure) (bool, error) {
	late, err := p.Ledger.LateHold(ctx, it.Token, e)
	if err != nil || !late {
		return false, err
	}
	if _, err := p.Ledger.StopErasure(ctx, p.request("stop", it), it.Token, it.Erasure); err != nil {
		return false, fmt.Errorf("stopping it for a hold: %w", err)
	}
	return true, nil
}

// destruction names the keys that go: those that the start names, and what a
// write that lost its race may have left in a group that goes whole.
func (p *Process) destruction(ctx context.Context, cat *catalogue.State, it Item, e *subject.Erasure) (keyring.Destruction, error) {
	d := keyring.Destruction{Erasure: it.Erasure, Token: it.Token, Everything: e.Ordered != nil && e.Ordered.Everything}
	owner := it.Token.Stream()
	for _, k := range e.Started.Keys {
		d.Keys = append(d.Keys, ledger.KeyOf(it.Token, k))
	}
	groups := map[domain.Name]bool{}
	for _, g := range e.Started.Groups {
		if g.Outcome == subject.Erase {
			groups[g.Group] = true
		}
	}
	d.Values = ledger.GoneValues(e.Started.Groups)
	all, err := p.Keys.Keys(ctx, owner)
	if err != nil {
		return d, fmt.Errorf("listing the record's keys: %w", err)
	}
	for _, k := range all {
		if !k.Fenced && groups[k.Compartment.Group] && !slices.ContainsFunc(d.Keys, func(x keyring.KeyInfo) bool { return x.ID == k.ID }) {
			d.Keys = append(d.Keys, k)
		}
	}
	if d.Everything {
		d.Marks = p.Marks
		if p.MarksFor > 0 {
			d.Until = e.StartedAt.Recorded.Add(p.MarksFor)
		}
	}
	for _, f := range cat.Fields() {
		if groups[f.Group] && (!d.Everything || f.Lookup != catalogue.NoLookup) {
			d.Fields = append(d.Fields, f.ID)
		}
	}
	return d, nil
}

// destroy destroys all keys in one transaction. When one of the erasures makes
// that fail, each is tried by its own, so that it holds up no other.
func (p *Process) destroy(ctx context.Context, work []underway, of []keyring.Destruction) ([]underway, error) {
	gone, err := p.Keys.Destroy(ctx, cause, of...)
	var incomplete *keyring.IncompleteError
	switch {
	case err == nil:
		for i := range work {
			work[i].took(gone)
		}
		return work, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(work) == 1 || errors.As(err, &incomplete):
		for _, w := range work {
			p.trouble(ctx, w.Item, fmt.Errorf("destroying the keys: %w", err))
		}
		return nil, nil
	}
	var rest []underway
	for i := range work {
		one, err := p.destroy(ctx, work[i:i+1], of[i:i+1])
		if err != nil {
			return nil, err
		}
		rest = append(rest, one...)
	}
	return rest, nil
}

// took keeps what was destroyed for this erasure.
func (w *underway) took(gone []keyring.Destroyed) {
	owner := w.Token.Stream()
	for _, d := range gone {
		if d.Key.Compartment.Owner != owner { // one erasure of a record is under way at a time
			continue
		}
		w.keys = append(w.keys, subject.KeyDestroyed{
			KeyRef:      subject.KeyRef{Group: d.Key.Compartment.Group, Generation: d.Key.Generation, Key: domain.ID(d.Key.ID)},
			Fingerprint: d.Fingerprint, At: d.At,
		})
		if d.Erasure == w.Erasure {
			w.marks = max(w.marks, d.Marks) // each key of a destruction tells of all its marks
		}
	}
}

// settle waits until no process can hold a key any more: a cached key counts
// only if the store was asked within the last second.
func (p *Process) settle(ctx context.Context) error {
	at := p.Keys.FencedAt()
	if at.IsZero() {
		return nil
	}
	wait := p.Settle - p.Ledger.Now().Sub(at)
	if wait <= 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(min(wait, p.Settle)):
		return nil
	}
}

// confirm asks every sink. One that does not confirm holds up the batch: what
// is started stays started.
func (p *Process) confirm(ctx context.Context, work []underway) ([]subject.SinkConfirmed, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Patience)
	defer cancel()
	var upTo eventstore.Position
	items := make([]Item, len(work))
	for i, w := range work {
		items[i] = w.Item
		upTo = max(upTo, eventstore.Position(w.erasure.StartedAt.Position))
	}
	now := p.Ledger.Now()
	all := []subject.SinkConfirmed{
		{Sink: keySink, Guarantee: p.guarantee(), At: now},
		{Sink: "key-caches", Guarantee: subject.Destroyed, At: now},
	}
	for _, s := range p.Sinks {
		said, err := s.Confirm(ctx, upTo, items)
		if err != nil {
			return nil, fmt.Errorf("waiting for every place to confirm: %w", err)
		}
		all = append(all, said...)
	}
	slices.SortFunc(all, func(a, b subject.SinkConfirmed) int { return cmp.Compare(a.Sink, b.Sink) })
	return all, nil
}

func (p *Process) guarantee() subject.Guarantee {
	if g := subject.Guarantee(p.Keys.Guarantee()); g.Valid() {
		return g
	}
	return subject.GuaranteeNone
}

func (p *Process) complete(ctx context.Context, work []underway, sinks []subject.SinkConfirmed) (int, error) {
	of := map[Item]*underway{}
	var linked, main []Item
	for i := range work {
		of[work[i].Item] = &work[i]
		if o := work[i].erasure.Ordered; o != nil && o.Of != "" {
			linked = append(linked, work[i].Item)
		} else {
			main = append(main, work[i].Item)
		}
	}
	done := 0
	for _, list := range [][]Item{linked, main} {
		did, err := p.each(ctx, list, func(ctx context.Context, it Item) (bool, error) {
			return p.completeOne(ctx, of[it], sinks)
		})
		if err != nil {
			return done, err
		}
		done += len(did)
	}
	return done, nil
}

func (p *Process) completeOne(ctx context.Context, w *underway, sinks []subject.SinkConfirmed) (bool, error) {
	if ready, err := p.linkedDone(ctx, w); err != nil || !ready {
		return false, err
	}
	done := subject.ErasureCompleted{Erasure: w.Erasure, Keys: w.keys, Sinks: w.honest(sinks), Marks: w.marks}
	if at, _ := p.Keys.DeadFrom(w.Token.Stream()); len(w.keys) > 0 {
		done.DeadFrom = at
	}
	_, err := p.Ledger.On(ctx, p.request("complete", w.Item), w.Token, subject.Env{}, subject.CompleteErasure{Completed: done})
	if err != nil {
		return false, fmt.Errorf("completing it: %w", err)
	}
	p.solved(w.Item)
	return true, p.crash("completed")
}

// honest is what the sinks confirmed, but for keys that were not there: they are
// no more than fenced.
func (w *underway) honest(sinks []subject.SinkConfirmed) []subject.SinkConfirmed {
	if !slices.ContainsFunc(w.keys, func(k subject.KeyDestroyed) bool { return k.Fingerprint == domain.Digest{} }) {
		return sinks
	}
	sinks = slices.Clone(sinks)
	for i := range sinks {
		if sinks[i].Sink == keySink && sinks[i].Guarantee != subject.GuaranteeNone {
			sinks[i].Guarantee = subject.Fenced
		}
	}
	return sinks
}

// linkedDone reports whether the records that go along are done.
func (p *Process) linkedDone(ctx context.Context, w *underway) (bool, error) {
	for _, other := range w.erasure.Started.Linked {
		s, err := p.Ledger.Subject(ctx, other)
		if err != nil {
			return false, fmt.Errorf("reading a linked record: %w", err)
		}
		e, ok := s.Erasure(w.Erasure)
		if ok && (e.State == subject.IsOrdered || e.State == subject.IsStarted) {
			p.trouble(ctx, w.Item, fmt.Errorf("%w for the linked record %s", errWaits, other))
			return false, nil
		}
	}
	return true, nil
}
