package standing

import (
	"lethe/domain"
	"lethe/domain/subject"
	"lethe/projections"
)

// Consents are the stored names of what consents and other bases fold from.
func Consents() []string {
	return projections.Types(
		(*subject.ConsentRequested)(nil), (*subject.ConsentDeferred)(nil), (*subject.ConsentConfirmed)(nil),
		(*subject.ConsentGiven)(nil), (*subject.ConsentRenewed)(nil), (*subject.ConsentRefused)(nil),
		(*subject.ConsentWithdrawn)(nil), (*subject.ConsentRevoked)(nil), (*subject.ConsentInvalidated)(nil),
		(*subject.BasisAsserted)(nil), (*subject.BasisEnded)(nil),
	)
}

// Claims are the stored names of what restrictions, objections, holds and
// links fold from.
func Claims() []string {
	return projections.Types(
		(*subject.Objected)(nil), (*subject.ObjectionOverridden)(nil), (*subject.ObjectionUpheld)(nil),
		(*subject.ObjectionWithdrawn)(nil), (*subject.RestrictionPlaced)(nil), (*subject.RestrictionLifted)(nil),
		(*subject.HoldPlaced)(nil), (*subject.HoldReleased)(nil),
		(*subject.LinkProposed)(nil), (*subject.LinkAccepted)(nil), (*subject.LinkUndone)(nil),
	)
}

// Erasures are the stored names of what erasures and closed groups fold from.
func Erasures() []string {
	return projections.Types(
		(*subject.ErasureOrdered)(nil), (*subject.ErasureCancelled)(nil), (*subject.ErasureStarted)(nil),
		(*subject.ErasureStopped)(nil), (*subject.ErasureCompleted)(nil), (*subject.ErasureReapplied)(nil),
		(*subject.LifecycleOpened)(nil),
	)
}

// empty makes an event of a stored name to read facts into; nil for a name
// that is kept in no table of facts.
func empty(name string) domain.Event {
	for _, e := range []domain.Event{
		&subject.ConsentRequested{}, &subject.ConsentDeferred{}, &subject.ConsentConfirmed{}, &subject.ConsentGiven{},
		&subject.ConsentRenewed{}, &subject.ConsentRefused{}, &subject.ConsentWithdrawn{}, &subject.ConsentRevoked{},
		&subject.ConsentInvalidated{}, &subject.BasisAsserted{}, &subject.BasisEnded{},
		&subject.Objected{}, &subject.ObjectionOverridden{}, &subject.ObjectionUpheld{}, &subject.ObjectionWithdrawn{},
		&subject.RestrictionPlaced{}, &subject.RestrictionLifted{}, &subject.HoldPlaced{}, &subject.HoldReleased{},
		&subject.LinkProposed{}, &subject.LinkAccepted{}, &subject.LinkUndone{},
		&subject.ErasureOrdered{}, &subject.ErasureCancelled{}, &subject.ErasureStarted{}, &subject.ErasureStopped{},
		&subject.ErasureCompleted{}, &subject.ErasureReapplied{}, &subject.LifecycleOpened{}, &subject.ValuesResealed{},
	} {
		if e.EventType().Name == name {
			return e
		}
	}
	return nil
}
