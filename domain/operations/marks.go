package operations

import (
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/personal"
)

// MarkLifted: an officer took back what a mark of suppression says, so that
// somebody who was erased can be recorded anew, as a new record, or so that an
// address is no more known for an objection to marketing. What it was a mark of
// is not here.
type MarkLifted struct {
	By        domain.Name    `json:"by"`                 // source, email or phone
	Objection bool           `json:"objection,omitzero"` // that marketing was objected to; else: that somebody was erased
	Mark      domain.Digest  `json:"mark,omitzero"`      // of a row's key in a source: a keyed hash, to find the event by
	Reason    personal.Value `json:"-"`                  // mark.reason
}

func (*MarkLifted) isOperationsEvent() {}

// EventType is the stored name and version.
func (*MarkLifted) EventType() domain.Type { return domain.Type{Name: "MarkLifted", Version: 1} }

// Personal lists the sealed values.
func (e *MarkLifted) Personal(dst []personal.Slot) []personal.Slot {
	return append(dst, personal.Slot{Field: "mark.reason", Group: string(domain.EvidenceGroup), Value: &e.Reason})
}

// LiftMark lifts a mark. Officers only. Stands: there is such a mark.
type LiftMark struct {
	MarkLifted
	Officer bool
	Stands  bool
}

// EffectiveAt is now.
func (LiftMark) EffectiveAt() time.Time { return time.Time{} }

func (LiftMark) isOperationsCommand() {}

func liftMark(c LiftMark) ([]domain.Event, error) {
	if err := officerOnly(c.Officer, "lift a mark"); err != nil {
		return nil, err
	}
	switch {
	case !slices.Contains([]domain.Name{"source", "email", "phone"}, c.By) || (c.By == "source") == c.Mark.IsZero():
		return nil, domain.Invalid("mark.malformed", "mark", "a mark is of a row's key in a source, of an e-mail address or of a phone number")
	case c.By == "source" && c.Objection:
		return nil, domain.Invalid("mark.objection", "objection", "a mark of a row's key says nothing of marketing: name the address or number")
	case !c.Stands:
		return nil, domain.NotFound("mark.unknown", "mark", "there is no such mark, or it was lifted")
	}
	if err := needText("mark.reason", "reason", "say why the mark is lifted", c.Reason); err != nil {
		return nil, err
	}
	return []domain.Event{&c.MarkLifted}, nil
}
