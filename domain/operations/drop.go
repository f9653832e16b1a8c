package operations

import (
	"time"

	"lethe/domain"
	"lethe/domain/personal"
)

// PayloadsDropped: sealed values whose keys had been destroyed long before
// are taken out of the log's files. It is recorded before they go, and a crash
// in between leaves them there: then another event names them again when they
// go at last.
type PayloadsDropped struct {
	Drop   domain.ID     `json:"drop"`   // each value that is gone names it
	First  uint64        `json:"first"`  // position of the first event among which they are
	Last   uint64        `json:"last"`   // and of the last
	Parts  uint64        `json:"parts"`  // values that go
	Bytes  uint64        `json:"bytes"`  // of theirs
	List   domain.Digest `json:"list"`   // of all of them, with the keys they were sealed under
	Before time.Time     `json:"before"` // their keys were destroyed before it
}

func (*PayloadsDropped) isOperationsEvent() {}

// EventType is the stored name and version.
func (*PayloadsDropped) EventType() domain.Type {
	return domain.Type{Name: "PayloadsDropped", Version: 1}
}

// Personal lists nothing: the event is facts only.
func (*PayloadsDropped) Personal(dst []personal.Slot) []personal.Slot { return dst }

// DropPayloads records that values are about to go.
type DropPayloads struct{ PayloadsDropped }

// EffectiveAt is now.
func (DropPayloads) EffectiveAt() time.Time { return time.Time{} }

func (DropPayloads) isOperationsCommand() {}

func dropPayloads(c DropPayloads) ([]domain.Event, error) {
	if c.Drop.IsZero() || c.Parts == 0 || c.List.IsZero() || c.First == 0 || c.Last < c.First || c.Before.IsZero() {
		return nil, domain.Invalid("drop.malformed", "drop", "what is dropped has an ID, a range of positions, a number and a digest")
	}
	return []domain.Event{&c.PayloadsDropped}, nil
}
