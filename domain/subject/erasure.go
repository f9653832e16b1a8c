package subject

import (
	"math"
	"slices"
	"time"

	"lethe/domain"
)

// ErasureState is how far an erasure has come.
type ErasureState string

// States. An erasure that has started cannot be undone.
const (
	IsOrdered   ErasureState = "ordered"
	IsCancelled ErasureState = "cancelled"
	IsStarted   ErasureState = "started"
	IsStopped   ErasureState = "stopped"
	IsCompleted ErasureState = "completed"
)

// Erasure is one erasure of a record. Events that have not come are nil.
type Erasure struct {
	ID        domain.ID
	State     ErasureState
	Ordered   *ErasureOrdered
	Started   *ErasureStarted
	Stopped   *ErasureStopped
	Completed *ErasureCompleted

	OrderedAt, CancelledAt, StartedAt, StoppedAt, CompletedAt *domain.Recorded
}

// Groups is what was weighed last.
func (e *Erasure) Groups() []Weighed {
	switch {
	case e.Stopped != nil:
		return e.Stopped.Groups
	case e.Started != nil:
		return e.Started.Groups
	case e.Ordered != nil:
		return e.Ordered.Groups
	}
	return nil
}

// Lifecycle is how often the record was opened anew after an erasure, plus 1.
func (s *State) Lifecycle() uint32 {
	if e := s.NewestLifecycle(); e != nil {
		return e.Number
	}
	return 1
}

// NewestLifecycle is the newest lifecycle that was opened after an erasure; nil: none.
func (s *State) NewestLifecycle() (last *LifecycleOpened) {
	s.eachErasure(window{}, func(r *domain.Recorded) {
		if e, ok := r.Event.(*LifecycleOpened); ok {
			last = e
		}
	})
	return last
}

// eachErasure calls f with what was recorded about erasures, in that order:
// whether something may be used is never a matter of effective time.
func (s *State) eachErasure(w window, f func(*domain.Recorded)) {
	entries, kinds := s.Entries(), s.kinds()
	for i := range entries {
		if kinds[i].topic == aboutErasure && w.known(&entries[i]) {
			f(&entries[i])
		}
	}
}

// Erasures lists the record's erasures in the order in which they were ordered.
func (s *State) Erasures() []Erasure { return s.erasures(window{}) }

// Erasure finds one by its ID.
func (s *State) Erasure(id domain.ID) (Erasure, bool) {
	for _, e := range s.Erasures() {
		if e.ID == id {
			return e, true
		}
	}
	return Erasure{}, false
}

func (s *State) erasures(w window) []Erasure {
	var list []Erasure
	at := func(id domain.ID) *Erasure {
		i := slices.IndexFunc(list, func(e Erasure) bool { return e.ID == id })
		if i < 0 {
			i, list = len(list), append(list, Erasure{ID: id})
		}
		return &list[i]
	}
	s.eachErasure(w, func(r *domain.Recorded) {
		switch e := r.Event.(type) {
		case *ErasureOrdered:
			x := at(e.Erasure)
			x.State, x.Ordered, x.OrderedAt = IsOrdered, e, r
		case *ErasureCancelled:
			x := at(e.Erasure)
			x.State, x.CancelledAt = IsCancelled, r
		case *ErasureStarted:
			x := at(e.Erasure)
			x.State, x.Started, x.StartedAt = IsStarted, e, r
		case *ErasureStopped:
			x := at(e.Erasure)
			x.State, x.Stopped, x.StoppedAt = IsStopped, e, r
		case *ErasureCompleted:
			x := at(e.Erasure)
			x.State, x.Completed, x.CompletedAt = IsCompleted, e, r
		}
	})
	return list
}

// forgotten reports whether everything of the record was ordered to go, that was
// not called off or stopped, and no new lifecycle has opened since.
func (s *State) forgotten() bool {
	return slices.ContainsFunc(s.Erasures(), func(e Erasure) bool {
		return e.Ordered != nil && e.Ordered.Everything && e.State != IsCancelled && e.State != IsStopped && !s.openedSince(e.OrderedAt)
	})
}

func (s *State) openedSince(r *domain.Recorded) (opened bool) {
	s.eachErasure(window{}, func(x *domain.Recorded) {
		_, opens := x.Event.(*LifecycleOpened)
		opened = opened || opens && x.Revision > r.Revision
	})
	return opened
}

// Closed tells the groups that nothing is written to and no purpose may use,
// as known at a time (zero: now): those that an order names, until it is
// called off, and those that were erased, until a new lifecycle opens them.
func (s *State) Closed(known time.Time) map[domain.Name]bool {
	return s.closed(window{recorded: known})
}

func (s *State) closed(w window) map[domain.Name]bool { return s.shut(w, true) }

// Gone tells the groups whose erasure has started, and that no new lifecycle
// opened since.
func (s *State) Gone() map[domain.Name]bool { return s.shut(window{}, false) }

func (s *State) shut(w window, ordered bool) map[domain.Name]bool {
	var shut map[domain.Name]bool
	if !slices.ContainsFunc(s.kinds(), func(k kind) bool { return k.topic == aboutErasure }) {
		return nil // the common case costs nothing
	}
	open, begun := map[domain.ID][]domain.Name{}, map[domain.ID][]domain.Name{}
	started := map[domain.Name]bool{}
	s.eachErasure(w, func(r *domain.Recorded) {
		switch e := r.Event.(type) {
		case *ErasureOrdered:
			open[e.Erasure] = whole(e.Groups)
		case *ErasureCancelled:
			delete(open, e.Erasure)
		case *ErasureStopped:
			delete(open, e.Erasure)
			for _, g := range begun[e.Erasure] { // a hold from before the start: nothing of it was destroyed
				delete(started, g)
			}
		case *ErasureStarted:
			delete(open, e.Erasure)
			begun[e.Erasure] = whole(e.Groups)
			for _, g := range whole(e.Groups) {
				started[g] = true
			}
		case *LifecycleOpened:
			for _, g := range e.Groups {
				delete(started, g)
			}
		}
	})
	add := func(g domain.Name) {
		if shut == nil {
			shut = map[domain.Name]bool{}
		}
		shut[g] = true
	}
	for g := range started {
		add(g)
	}
	for _, groups := range open {
		for _, g := range groups {
			if ordered {
				add(g)
			}
		}
	}
	return shut
}

// whole lists the groups that go whole.
func whole(groups []Weighed) []domain.Name {
	var list []domain.Name
	for _, g := range groups {
		if g.Outcome == Erase {
			list = append(list, g.Group)
		}
	}
	return list
}

// Waiting lists what a finished erasure had to leave and what will let it go:
// a hold's release, the lifting of a restriction that the person asked for, or
// the day on which a duty ends. A group that a later order names, or that is
// erased, waits no more; one of which single values went does.
func (s *State) Waiting() []Wait {
	var list []Wait
	for _, e := range s.Erasures() {
		if e.Ordered == nil || e.State == IsCancelled {
			continue
		}
		s.outlived(list, e.OrderedAt.Revision)
		for _, g := range e.Groups() {
			w := Wait{Erasure: e.ID, Weighed: g}
			list = slices.DeleteFunc(list, func(x Wait) bool {
				follows := x.Erasure == e.Ordered.Follows
				w.Earlier = w.Earlier || x.Group == g.Group && follows && x.Earlier
				return x.Group == g.Group && (follows || g.Outcome != Trim)
			})
			if done := e.end(); done != nil && e.leaves(g) {
				w.since = done.Revision
				list = append(list, w)
			}
		}
	}
	s.outlived(list, math.MaxUint64)
	return list
}

// outlived notes what waits since an earlier lifecycle, by those that opened
// before a revision.
func (s *State) outlived(list []Wait, before uint64) {
	s.eachErasure(window{}, func(r *domain.Recorded) {
		e, ok := r.Event.(*LifecycleOpened)
		if !ok || r.Revision >= before {
			return
		}
		for i := range list {
			w := &list[i]
			w.Earlier = w.Earlier || r.Revision > w.since && slices.Contains(e.Waits, w.Group)
		}
	})
}

// end is the event that an erasure ended with, nil while it has not.
func (e *Erasure) end() *domain.Recorded {
	switch e.State {
	case IsCompleted:
		return e.CompletedAt
	case IsStopped:
		return e.StoppedAt
	case IsOrdered, IsCancelled, IsStarted:
	}
	return nil
}

// leaves reports whether what stays of a group goes when what keeps it ends.
// Of a group that was trimmed that is so if all of it was asked for.
func (e *Erasure) leaves(g Weighed) bool {
	whole := e.Ordered.Everything || e.Ordered.Cause == OnRelease || g.Group == domain.EvidenceGroup
	switch {
	case g.Rule == RestrictedByWish:
		return true
	case g.Rule == "" || g.Rule.refuses() || g.Outcome == Trim && !whole:
		return false
	}
	return g.Rule == KeptByHold || !g.Until.IsZero()
}

// Wait is a group that an erasure had to leave.
type Wait struct {
	Erasure domain.ID `json:"erasure"`
	Earlier bool      `json:"earlier,omitzero"` // only what was recorded before the newest lifecycle: what came since stays
	Weighed

	since uint64 // revision of the erasure's end
}

// ScopeOfWaiting is what to order of groups that wait since an erasure. One of
// everything of which nothing went is ordered as it was, unless something was
// recorded or agreed since.
func (s *State) ScopeOfWaiting(erasure domain.ID, groups []domain.Name) (scope Scope) {
	if e, ok := s.Erasure(erasure); ok && e.State == IsStopped && e.Ordered.Everything && !s.resumed(e.StoppedAt) {
		return Scope{Everything: true}
	}
	fields := s.fields(window{})
	for _, w := range s.Waiting() {
		if w.Erasure != erasure || !slices.Contains(groups, w.Group) {
			continue
		}
		if !w.Earlier || w.Group == domain.EvidenceGroup || w.Group == domain.RecordGroup {
			scope.Groups = append(scope.Groups, w.Group)
			continue
		}
		n := len(scope.Values)
		for _, f := range fields {
			if f.Group == w.Group && f.Earlier > 0 {
				scope.Values = append(scope.Values, f.Ref())
			}
		}
		if len(scope.Values) == n { // none is left of what it had
			scope.Superseded = append(scope.Superseded, w.Group)
		}
	}
	return scope
}

// resumed reports whether data, a consent or another basis was recorded since
// an event.
func (s *State) resumed(since *domain.Recorded) bool {
	return slices.ContainsFunc(s.Entries(), func(r domain.Recorded) bool {
		switch r.Event.(type) {
		case *FieldsRecorded, *ConsentGiven, *ConsentConfirmed, *ConsentRenewed, *BasisAsserted:
			return r.Revision > since.Revision
		}
		return false
	})
}
