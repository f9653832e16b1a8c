package subject

import (
	"time"

	"lethe/domain"
	"lethe/domain/personal"
)

// Weighed is what an erasure means for one retention group of a record, and
// by which rule. Nothing else of a group is destroyed than is said here.
type Weighed struct {
	Group   domain.Name   `json:"group"`
	Outcome Outcome       `json:"outcome"`
	Ground  ErasureGround `json:"ground,omitzero"`  // of what goes (GDPR 17(1))
	Rule    KeepRule      `json:"rule,omitzero"`    // of what stays
	Purpose domain.Name   `json:"purpose,omitzero"` // that keeps it
	Until   time.Time     `json:"until,omitzero"`   // when it stops keeping it, if that is known
	Hold    domain.ID     `json:"hold,omitzero"`    // when Rule is KeptByHold
	Values  []ValueRef    `json:"values,omitzero"`  // what goes, when Outcome is Trim
}

// ValueRef names the place of one value. Lifecycle is that of a value which
// had to stay when a later lifecycle opened, and 0 otherwise.
type ValueRef struct {
	Field     domain.Name `json:"field"`
	Slot      uint16      `json:"slot,omitzero"`
	Lifecycle uint32      `json:"lifecycle,omitzero"`
}

// ErasureOrdered decides an erasure (GDPR 17). From here on the groups that go
// whole are closed: nothing is written to them and no purpose may use them.
// Nothing is destroyed yet.
type ErasureOrdered struct {
	Erasure    domain.ID      `json:"erasure"`
	Cause      ErasureCause   `json:"cause"`
	Ground     ErasureGround  `json:"ground,omitzero"` // that was put forward
	Everything bool           `json:"everything,omitzero"`
	Groups     []Weighed      `json:"groups,omitzero"`
	Due        time.Time      `json:"due"`              // the end of the grace period
	Linked     []domain.Token `json:"linked,omitzero"`  // records of the same person that go along
	Of         domain.Token   `json:"of,omitzero"`      // the record that this one goes along with
	Follows    domain.ID      `json:"follows,omitzero"` // the earlier erasure that had kept these groups
	By         Party          `json:"by"`
	Reason     personal.Value `json:"-"` // erasure.reason
}

// ErasureCancelled calls it off before it started.
type ErasureCancelled struct {
	Erasure domain.ID      `json:"erasure"`
	By      Party          `json:"by"`
	Reason  personal.Value `json:"-"` // erasure.cancel_reason
}

// KeyRef names a key that goes.
type KeyRef struct {
	Group      domain.Name `json:"group"`
	Generation uint32      `json:"generation"`
	Key        domain.ID   `json:"key"`
}

// ErasureStarted is the point of no return: it was weighed again at this
// revision, and these keys are destroyed now. Restoring a backup destroys
// them again.
type ErasureStarted struct {
	Erasure   domain.ID      `json:"erasure"`
	Groups    []Weighed      `json:"groups,omitzero"`
	Keys      []KeyRef       `json:"keys,omitzero"`
	Linked    []domain.Token `json:"linked,omitzero"`
	Catalogue uint64         `json:"catalogue"` // revision that it was weighed by
}

// ErasureStopped: weighed again, nothing of it may go any more. After a start it
// says that a hold for a group of people had been placed before it and was seen
// only then; nothing was destroyed.
type ErasureStopped struct {
	Erasure domain.ID `json:"erasure"`
	Groups  []Weighed `json:"groups,omitzero"`
}

// KeyDestroyed is a key that is gone. Fingerprint is a keyed digest of its
// bytes, zero when the key was lost before it could be destroyed: it is fenced,
// so that a key store which comes back with it destroys it.
type KeyDestroyed struct {
	KeyRef
	Fingerprint domain.Digest `json:"fingerprint,omitzero"`
	At          time.Time     `json:"at"`
}

// SinkConfirmed says that a place which could hold what was erased holds it no
// more, up to a position of the log.
type SinkConfirmed struct {
	Sink      domain.Name `json:"sink"`
	Guarantee Guarantee   `json:"guarantee"`
	Position  uint64      `json:"position,omitzero"`
	At        time.Time   `json:"at"`
}

// ErasureCompleted: every key is destroyed and every sink has confirmed. A
// certificate says no more than this event does.
type ErasureCompleted struct {
	Erasure  domain.ID       `json:"erasure"`
	Keys     []KeyDestroyed  `json:"keys,omitzero"`
	Sinks    []SinkConfirmed `json:"sinks"`
	DeadFrom time.Time       `json:"dead_from,omitzero"` // no backup of the keys can revive it from then on; zero = not known
	Marks    uint32          `json:"marks,omitzero"`     // suppression marks that were left
}

// ErasureReapplied: keys of an erasure that had started were there again, as
// after a restored backup, and were destroyed again before anything was served.
//
// An older copy of the log does not have the events that carried over what the
// erasure left of the groups in Left, so that nothing opens any more that was
// sealed in these before. Of their values those in Erased were to go, and are no
// values any more. Those in Lost were to stay: they were not erased.
type ErasureReapplied struct {
	Erasure domain.ID     `json:"erasure"`
	Keys    []KeyRef      `json:"keys"`
	Left    []domain.Name `json:"left,omitzero"`
	Erased  []ValueRef    `json:"erased,omitzero"`
	Lost    []ValueRef    `json:"lost,omitzero"`
}

// LifecycleOpened lets a person who was erased be recorded anew. What was
// erased stays so: the groups get keys of their own. What had to stay is of the
// earlier lifecycle: a new value takes its place, and it alone goes in the end.
type LifecycleOpened struct {
	Number uint32         `json:"number"` // 2 is the first after an erasure
	Groups []domain.Name  `json:"groups"`
	Waits  []domain.Name  `json:"waits,omitzero"` // groups that an erasure had to leave
	By     Party          `json:"by"`
	Reason personal.Value `json:"-"` // lifecycle.reason
}

// Resealed is a live value that was sealed again. From is the event that had
// set it; it is unchanged otherwise.
type Resealed struct {
	Item
	From domain.ID `json:"from"`
}

// ValuesResealed carries the values of a group that stay over to a new key, so
// that the old one can go with everything else that it sealed: what was
// rectified, removed or is named in Dropped.
type ValuesResealed struct {
	Erasure domain.ID   `json:"erasure"`
	Group   domain.Name `json:"group"`
	Items   []Resealed  `json:"items,omitzero"`
	Dropped []ValueRef  `json:"dropped,omitzero"`
}

func (*ErasureOrdered) isSubjectEvent()   {}
func (*ErasureCancelled) isSubjectEvent() {}
func (*ErasureStarted) isSubjectEvent()   {}
func (*ErasureStopped) isSubjectEvent()   {}
func (*ErasureCompleted) isSubjectEvent() {}
func (*ErasureReapplied) isSubjectEvent() {}
func (*LifecycleOpened) isSubjectEvent()  {}
func (*ValuesResealed) isSubjectEvent()   {}

// EventType is the stored name and version.
func (*ErasureOrdered) EventType() domain.Type {
	return domain.Type{Name: "ErasureOrdered", Version: 1}
}

// EventType is the stored name and version.
func (*ErasureCancelled) EventType() domain.Type {
	return domain.Type{Name: "ErasureCancelled", Version: 1}
}

// EventType is the stored name and version.
func (*ErasureStarted) EventType() domain.Type {
	return domain.Type{Name: "ErasureStarted", Version: 1}
}

// EventType is the stored name and version.
func (*ErasureStopped) EventType() domain.Type {
	return domain.Type{Name: "ErasureStopped", Version: 1}
}

// EventType is the stored name and version.
func (*ErasureCompleted) EventType() domain.Type {
	return domain.Type{Name: "ErasureCompleted", Version: 1}
}

// EventType is the stored name and version.
func (*ErasureReapplied) EventType() domain.Type {
	return domain.Type{Name: "ErasureReapplied", Version: 1}
}

// EventType is the stored name and version.
func (*LifecycleOpened) EventType() domain.Type {
	return domain.Type{Name: "LifecycleOpened", Version: 1}
}

// EventType is the stored name and version.
func (*ValuesResealed) EventType() domain.Type {
	return domain.Type{Name: "ValuesResealed", Version: 1}
}

// Personal lists the sealed values.
func (e *ErasureOrdered) Personal(dst []personal.Slot) []personal.Slot {
	return append(dst, evidence("erasure.reason", &e.Reason))
}

// Personal lists the sealed values.
func (e *ErasureCancelled) Personal(dst []personal.Slot) []personal.Slot {
	return append(dst, evidence("erasure.cancel_reason", &e.Reason))
}

// Personal lists nothing: the event is facts only.
func (*ErasureStarted) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists nothing: the event is facts only.
func (*ErasureStopped) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists nothing: the event is facts only.
func (*ErasureCompleted) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists nothing: the event is facts only.
func (*ErasureReapplied) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists the sealed values.
func (e *LifecycleOpened) Personal(dst []personal.Slot) []personal.Slot {
	return append(dst, evidence("lifecycle.reason", &e.Reason))
}

// Personal lists the sealed values.
func (e *ValuesResealed) Personal(dst []personal.Slot) []personal.Slot {
	for i := range e.Items {
		it := &e.Items[i]
		dst = append(dst, personal.Slot{Field: string(it.Field), Group: string(it.Group), Value: &it.Value})
	}
	return dst
}
