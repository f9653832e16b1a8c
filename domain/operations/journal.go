package operations

import (
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/personal"
)

// CurrentPart is the part of a ledger that knows of every key that was
// destroyed, since it is no older copy.
type CurrentPart string

// Parts. The log names the keys of every erasure that was started; the key
// store has a fence for each that it destroyed.
const (
	CurrentLog  CurrentPart = "log"
	CurrentKeys CurrentPart = "keys"
)

// Valid reports whether p is one of the parts.
func (p CurrentPart) Valid() bool { return p == CurrentLog || p == CurrentKeys }

// ErasureJournalLost: an operator declared that the erasure journal is gone
// for good, and which part is no older copy of itself, so that it knows of every
// key that was destroyed. A new journal was begun from what the key store
// knows, and what the log knows beyond that was destroyed again.
type ErasureJournalLost struct {
	Declaration domain.ID   `json:"declaration"` // with which the new journal begins
	Current     CurrentPart `json:"current"`
	Keys        uint64      `json:"keys"`  // destroyed ones that the key store knew of, and that were written into it
	Again       uint64      `json:"again"` // destroyed since, as the log says
	Marks       uint64      `json:"marks"` // of suppression, that are left: later ones may be lost
}

func (*ErasureJournalLost) isOperationsEvent() {}

// EventType is the stored name and version.
func (*ErasureJournalLost) EventType() domain.Type {
	return domain.Type{Name: "ErasureJournalLost", Version: 1}
}

// Personal lists nothing: the event is facts only.
func (*ErasureJournalLost) Personal(dst []personal.Slot) []personal.Slot { return dst }

// LoseErasureJournal records what was declared, once.
type LoseErasureJournal struct{ ErasureJournalLost }

// EffectiveAt is now.
func (LoseErasureJournal) EffectiveAt() time.Time { return time.Time{} }

func (LoseErasureJournal) isOperationsCommand() {}

func loseErasureJournal(s *State, c LoseErasureJournal) ([]domain.Event, error) {
	switch {
	case c.Declaration.IsZero() || !c.Current.Valid():
		return nil, domain.Invalid("erasure_journal.malformed", "declaration", "a declaration has an ID, and says whether the log or the keys are current")
	case s.JournalLost(c.Declaration):
		return nil, nil
	}
	return []domain.Event{&c.ErasureJournalLost}, nil
}

// JournalLost reports whether a declaration is recorded.
func (s *State) JournalLost(declaration domain.ID) bool {
	return s != nil && slices.Contains(s.journals, declaration)
}
