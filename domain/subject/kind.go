package subject

import "lethe/domain"

// topic is what an event is about, so that a fold skips what it need not see.
type topic uint8

const (
	aboutNothing topic = iota // not an event of this package
	aboutRecord
	aboutFields
	aboutConsent
	aboutExpiry
	aboutBasis
	aboutObjection
	aboutRestriction
	aboutHold
	aboutDisclosure
	aboutLink
	aboutAge
	aboutErasure
)

// kind classifies an event. denies: in a tie of effective times it counts
// last. purpose is set for what is recorded for one: values, consents, bases,
// and what is decided about one.
type kind struct {
	purpose domain.Name
	topic   topic
	denies  bool
}

// kindOf is the one place that looks at every type of event.
func kindOf(event domain.Event) kind {
	e, ok := event.(Event)
	if !ok {
		return kind{}
	}
	switch e := e.(type) {
	case *Registered:
		return kind{topic: aboutRecord}
	case *FieldsRecorded:
		return kind{topic: aboutFields, purpose: e.Purpose}
	case *FieldsRectified, *FieldRemoved:
		return kind{topic: aboutFields}
	case *ConsentRequested:
		return kind{topic: aboutConsent, purpose: e.Purpose}
	case *ConsentDeferred:
		return kind{topic: aboutConsent, purpose: e.Purpose}
	case *ConsentConfirmed:
		return kind{topic: aboutConsent, purpose: e.Purpose}
	case *ConsentGiven:
		return kind{topic: aboutConsent, purpose: e.Purpose}
	case *ConsentRenewed:
		return kind{topic: aboutConsent, purpose: e.Purpose}
	case *ConsentRefused:
		return kind{topic: aboutConsent, purpose: e.Purpose, denies: true}
	case *ConsentWithdrawn:
		return kind{topic: aboutConsent, purpose: e.Purpose, denies: true}
	case *ConsentRevoked:
		return kind{topic: aboutConsent, purpose: e.Purpose, denies: true}
	case *ConsentInvalidated:
		return kind{topic: aboutConsent, purpose: e.Purpose, denies: true}
	case *ConsentExpired:
		return kind{topic: aboutExpiry, purpose: e.Purpose}
	case *BasisAsserted:
		return kind{topic: aboutBasis, purpose: e.Purpose}
	case *BasisEnded:
		return kind{topic: aboutBasis, purpose: e.Purpose, denies: true}
	case *Objected:
		return kind{topic: aboutObjection, purpose: e.Purpose, denies: true}
	case *ObjectionOverridden, *ObjectionWithdrawn:
		return kind{topic: aboutObjection}
	case *ObjectionUpheld:
		return kind{topic: aboutObjection, denies: true}
	case *RestrictionPlaced:
		return kind{topic: aboutRestriction, denies: true}
	case *RestrictionLifted:
		return kind{topic: aboutRestriction}
	case *HoldPlaced:
		return kind{topic: aboutHold, purpose: e.Purpose, denies: true}
	case *HoldReleased:
		return kind{topic: aboutHold}
	case *Disclosed:
		return kind{topic: aboutDisclosure, purpose: e.Purpose}
	case *LinkProposed, *LinkAccepted, *LinkUndone:
		return kind{topic: aboutLink}
	case *AgeAssessed:
		return kind{topic: aboutAge}
	case *ErasureOrdered, *ErasureCancelled, *ErasureStarted, *ErasureStopped, *ErasureCompleted, *ErasureReapplied, *LifecycleOpened:
		return kind{topic: aboutErasure}
	case *ValuesResealed:
		return kind{topic: aboutFields}
	}
	return kind{}
}
