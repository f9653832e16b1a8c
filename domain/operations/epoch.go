package operations

import (
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/personal"
)

// EpochRetired: epoch keys wrap nothing any more and are deleted. It is
// recorded when they are retired, and once more when the last place that held
// them has deleted them. From Dead on, copies of the key store that were made
// before Retired open nothing by these keys.
type EpochRetired struct {
	Epoch     uint32        `json:"epoch"`
	Buckets   []BucketRange `json:"buckets"`
	Made      time.Time     `json:"made"`
	Retired   time.Time     `json:"retired"`
	Places    uint32        `json:"places"`             // that held them
	Pending   uint32        `json:"pending"`            // of these, not known to have deleted them
	Destroyed time.Time     `json:"destroyed,omitzero"` // zero: not yet
	Dead      time.Time     `json:"dead,omitzero"`      // zero: not known; later than Destroyed where what lies below keeps deleted data
}

// BucketRange is buckets that follow each other, both ends included.
type BucketRange struct {
	First uint16 `json:"first"`
	Last  uint16 `json:"last"`
}

// EpochPlaceForgotten: an operator declared that a place of epoch keys exists
// no more, such as a disk that was destroyed.
type EpochPlaceForgotten struct {
	Place domain.ID `json:"place"`
}

func (*EpochRetired) isOperationsEvent()        {}
func (*EpochPlaceForgotten) isOperationsEvent() {}

// EventType is the stored name and version.
func (*EpochRetired) EventType() domain.Type { return domain.Type{Name: "EpochRetired", Version: 1} }

// EventType is the stored name and version.
func (*EpochPlaceForgotten) EventType() domain.Type {
	return domain.Type{Name: "EpochPlaceForgotten", Version: 1}
}

// Personal lists nothing: the event is facts only.
func (*EpochRetired) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists nothing: the event is facts only.
func (*EpochPlaceForgotten) Personal(dst []personal.Slot) []personal.Slot { return dst }

// RetireEpochs records what became of epoch keys: those that are not recorded
// yet, or not as far.
type RetireEpochs struct{ Epochs []EpochRetired }

// ForgetEpochPlace records what an operator declared.
type ForgetEpochPlace struct{ EpochPlaceForgotten }

// EffectiveAt is now.
func (RetireEpochs) EffectiveAt() time.Time { return time.Time{} }

// EffectiveAt is now.
func (ForgetEpochPlace) EffectiveAt() time.Time { return time.Time{} }

func (RetireEpochs) isOperationsCommand()     {}
func (ForgetEpochPlace) isOperationsCommand() {}

// same reports whether two speak of the same keys.
func (e *EpochRetired) same(o *EpochRetired) bool {
	return e.Epoch == o.Epoch && e.Retired.Equal(o.Retired)
}

// NewEpochs is what of a list is not recorded yet, or not as far.
func (s *State) NewEpochs(list []EpochRetired) []EpochRetired {
	known := s.Epochs()
	return slices.DeleteFunc(slices.Clone(list), func(e EpochRetired) bool {
		return slices.ContainsFunc(known, func(k EpochRetired) bool {
			return k.same(&e) && k.Pending == e.Pending && k.Destroyed.Equal(e.Destroyed)
		})
	})
}

func retireEpochs(s *State, c RetireEpochs) ([]domain.Event, error) {
	var events []domain.Event
	for _, e := range s.NewEpochs(c.Epochs) {
		if e.Epoch == 0 || len(e.Buckets) == 0 || e.Retired.IsZero() {
			return nil, domain.Invalid("epoch.malformed", "epoch", "a retired epoch has a number, buckets and a time")
		}
		events = append(events, &e)
	}
	return events, nil
}

func forgetEpochPlace(c ForgetEpochPlace) ([]domain.Event, error) {
	if c.Place.IsZero() {
		return nil, domain.Invalid("epoch_place.malformed", "place", "name the place by its ID")
	}
	return []domain.Event{&c.EpochPlaceForgotten}, nil
}

// Epochs are the epoch keys that were retired, as far as is recorded, in the
// order in which they were.
func (s *State) Epochs() []EpochRetired {
	if s == nil {
		return nil
	}
	return s.epochs
}

func (s *State) retired(e *EpochRetired) *State {
	next := *s
	next.epochs = slices.Clone(s.epochs)
	if i := slices.IndexFunc(next.epochs, func(k EpochRetired) bool { return k.same(e) }); i >= 0 {
		next.epochs[i] = *e
	} else {
		next.epochs = append(next.epochs, *e)
	}
	return &next
}
