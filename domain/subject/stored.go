package subject

import (
	"lethe/domain"
	"lethe/domain/personal"
)

// Stored names are pinned here and in the codec's golden file; they are
// never derived from Go names.
func (*Registered) isSubjectEvent()          {}
func (*FieldsRecorded) isSubjectEvent()      {}
func (*FieldsRectified) isSubjectEvent()     {}
func (*FieldRemoved) isSubjectEvent()        {}
func (*ConsentRequested) isSubjectEvent()    {}
func (*ConsentDeferred) isSubjectEvent()     {}
func (*ConsentConfirmed) isSubjectEvent()    {}
func (*ConsentGiven) isSubjectEvent()        {}
func (*ConsentRenewed) isSubjectEvent()      {}
func (*ConsentRefused) isSubjectEvent()      {}
func (*ConsentWithdrawn) isSubjectEvent()    {}
func (*ConsentRevoked) isSubjectEvent()      {}
func (*ConsentInvalidated) isSubjectEvent()  {}
func (*ConsentExpired) isSubjectEvent()      {}
func (*BasisAsserted) isSubjectEvent()       {}
func (*BasisEnded) isSubjectEvent()          {}
func (*Objected) isSubjectEvent()            {}
func (*ObjectionOverridden) isSubjectEvent() {}
func (*ObjectionUpheld) isSubjectEvent()     {}
func (*ObjectionWithdrawn) isSubjectEvent()  {}
func (*RestrictionPlaced) isSubjectEvent()   {}
func (*RestrictionLifted) isSubjectEvent()   {}
func (*HoldPlaced) isSubjectEvent()          {}
func (*HoldReleased) isSubjectEvent()        {}
func (*Disclosed) isSubjectEvent()           {}
func (*LinkProposed) isSubjectEvent()        {}
func (*LinkAccepted) isSubjectEvent()        {}
func (*LinkUndone) isSubjectEvent()          {}
func (*AgeAssessed) isSubjectEvent()         {}

// EventType is the stored name and version.
func (*Registered) EventType() domain.Type { return domain.Type{Name: "SubjectRegistered", Version: 1} }

// EventType is the stored name and version.
func (*FieldsRecorded) EventType() domain.Type {
	return domain.Type{Name: "FieldsRecorded", Version: 1}
}

// EventType is the stored name and version.
func (*FieldsRectified) EventType() domain.Type {
	return domain.Type{Name: "FieldsRectified", Version: 1}
}

// EventType is the stored name and version.
func (*FieldRemoved) EventType() domain.Type { return domain.Type{Name: "FieldRemoved", Version: 1} }

// EventType is the stored name and version.
func (*ConsentRequested) EventType() domain.Type {
	return domain.Type{Name: "ConsentRequested", Version: 1}
}

// EventType is the stored name and version.
func (*ConsentDeferred) EventType() domain.Type {
	return domain.Type{Name: "ConsentDeferred", Version: 1}
}

// EventType is the stored name and version.
func (*ConsentConfirmed) EventType() domain.Type {
	return domain.Type{Name: "ConsentConfirmed", Version: 1}
}

// EventType is the stored name and version.
func (*ConsentGiven) EventType() domain.Type { return domain.Type{Name: "ConsentGiven", Version: 1} }

// EventType is the stored name and version.
func (*ConsentRenewed) EventType() domain.Type {
	return domain.Type{Name: "ConsentRenewed", Version: 1}
}

// EventType is the stored name and version.
func (*ConsentRefused) EventType() domain.Type {
	return domain.Type{Name: "ConsentRefused", Version: 1}
}

// EventType is the stored name and version.
func (*ConsentWithdrawn) EventType() domain.Type {
	return domain.Type{Name: "ConsentWithdrawn", Version: 1}
}

// EventType is the stored name and version.
func (*ConsentRevoked) EventType() domain.Type {
	return domain.Type{Name: "ConsentRevoked", Version: 1}
}

// EventType is the stored name and version.
func (*ConsentInvalidated) EventType() domain.Type {
	return domain.Type{Name: "ConsentInvalidated", Version: 1}
}

// EventType is the stored name and version.
func (*ConsentExpired) EventType() domain.Type {
	return domain.Type{Name: "ConsentExpired", Version: 1}
}

// EventType is the stored name and version.
func (*BasisAsserted) EventType() domain.Type { return domain.Type{Name: "BasisAsserted", Version: 1} }

// EventType is the stored name and version.
func (*BasisEnded) EventType() domain.Type { return domain.Type{Name: "BasisEnded", Version: 1} }

// EventType is the stored name and version.
func (*Objected) EventType() domain.Type { return domain.Type{Name: "Objected", Version: 1} }

// EventType is the stored name and version.
func (*ObjectionOverridden) EventType() domain.Type {
	return domain.Type{Name: "ObjectionOverridden", Version: 1}
}

// EventType is the stored name and version.
func (*ObjectionUpheld) EventType() domain.Type {
	return domain.Type{Name: "ObjectionUpheld", Version: 1}
}

// EventType is the stored name and version.
func (*ObjectionWithdrawn) EventType() domain.Type {
	return domain.Type{Name: "ObjectionWithdrawn", Version: 1}
}

// EventType is the stored name and version.
func (*RestrictionPlaced) EventType() domain.Type {
	return domain.Type{Name: "RestrictionPlaced", Version: 1}
}

// EventType is the stored name and version.
func (*RestrictionLifted) EventType() domain.Type {
	return domain.Type{Name: "RestrictionLifted", Version: 1}
}

// EventType is the stored name and version.
func (*HoldPlaced) EventType() domain.Type { return domain.Type{Name: "HoldPlaced", Version: 1} }

// EventType is the stored name and version.
func (*HoldReleased) EventType() domain.Type { return domain.Type{Name: "HoldReleased", Version: 1} }

// EventType is the stored name and version.
func (*Disclosed) EventType() domain.Type { return domain.Type{Name: "Disclosed", Version: 1} }

// EventType is the stored name and version.
func (*LinkProposed) EventType() domain.Type { return domain.Type{Name: "LinkProposed", Version: 1} }

// EventType is the stored name and version.
func (*LinkAccepted) EventType() domain.Type { return domain.Type{Name: "LinkAccepted", Version: 1} }

// EventType is the stored name and version.
func (*LinkUndone) EventType() domain.Type { return domain.Type{Name: "LinkUndone", Version: 1} }

// EventType is the stored name and version.
func (*AgeAssessed) EventType() domain.Type { return domain.Type{Name: "AgeAssessed", Version: 1} }

func evidence(field string, v *personal.Value) personal.Slot {
	return personal.Slot{Field: field, Group: string(domain.EvidenceGroup), Value: v}
}

func items(dst []personal.Slot, of []Item) []personal.Slot {
	for i := range of {
		dst = append(dst, personal.Slot{Field: string(of[i].Field), Group: string(of[i].Group), Value: &of[i].Value})
	}
	return dst
}

func (c *Choice) personal(dst []personal.Slot) []personal.Slot {
	return append(dst, evidence("consent.evidence", &c.Evidence), evidence("consent.guardian", &c.Guardian))
}

// Personal lists the sealed values.
func (e *Registered) Personal(dst []personal.Slot) []personal.Slot {
	return append(dst, personal.Slot{Field: "source.row", Group: string(domain.RecordGroup), Value: &e.Row})
}

// Personal lists the sealed values.
func (e *FieldsRecorded) Personal(dst []personal.Slot) []personal.Slot {
	return append(items(dst, e.Items), personal.Slot{Field: "source.row", Value: &e.Row})
}

// Personal lists the sealed values.
func (e *FieldsRectified) Personal(dst []personal.Slot) []personal.Slot {
	return append(items(dst, e.Items), evidence("rectification.reason", &e.Reason), personal.Slot{Field: "source.row", Value: &e.Row})
}

// Personal lists the sealed values.
func (e *FieldRemoved) Personal(dst []personal.Slot) []personal.Slot {
	return append(dst, evidence("removal.reason", &e.Reason))
}

// Personal lists the sealed values.
func (e *ConsentRequested) Personal(dst []personal.Slot) []personal.Slot {
	return e.Choice.personal(dst)
}

// Personal lists the sealed values.
func (e *ConsentDeferred) Personal(dst []personal.Slot) []personal.Slot {
	return e.Choice.personal(dst)
}

// Personal lists the sealed values.
func (e *ConsentConfirmed) Personal(dst []personal.Slot) []personal.Slot {
	return e.Choice.personal(dst)
}

// Personal lists the sealed values.
func (e *ConsentGiven) Personal(dst []personal.Slot) []personal.Slot {
	return e.Choice.personal(dst)
}

// Personal lists the sealed values.
func (e *ConsentRenewed) Personal(dst []personal.Slot) []personal.Slot {
	return e.Choice.personal(dst)
}

// Personal lists the sealed values.
func (e *ConsentRefused) Personal(dst []personal.Slot) []personal.Slot {
	return e.Choice.personal(dst)
}

// Personal lists the sealed values.
func (e *ConsentWithdrawn) Personal(dst []personal.Slot) []personal.Slot {
	return e.Choice.personal(dst)
}

// Personal lists the sealed values.
func (e *ConsentRevoked) Personal(dst []personal.Slot) []personal.Slot {
	return e.Choice.personal(dst)
}

// Personal lists the sealed values.
func (e *ConsentInvalidated) Personal(dst []personal.Slot) []personal.Slot {
	return e.Choice.personal(dst)
}

// Personal lists nothing: the event is facts only.
func (*ConsentExpired) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists the sealed values.
func (e *BasisAsserted) Personal(dst []personal.Slot) []personal.Slot {
	return append(dst, evidence("basis.reference", &e.Reference))
}

// Personal lists the sealed values.
func (e *BasisEnded) Personal(dst []personal.Slot) []personal.Slot {
	return append(dst, evidence("basis.end_reason", &e.Reason))
}

// Personal lists the sealed values.
func (e *Objected) Personal(dst []personal.Slot) []personal.Slot {
	return append(dst, evidence("objection.reason", &e.Reason))
}

// Personal lists the sealed values.
func (e *ObjectionOverridden) Personal(dst []personal.Slot) []personal.Slot {
	return append(dst, evidence("objection.grounds", &e.Grounds))
}

// Personal lists nothing: the event is facts only.
func (*ObjectionUpheld) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists nothing: the event is facts only.
func (*ObjectionWithdrawn) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists the sealed values.
func (e *RestrictionPlaced) Personal(dst []personal.Slot) []personal.Slot {
	return append(dst, evidence("restriction.reason", &e.Reason))
}

// Personal lists nothing: the event is facts only.
func (*RestrictionLifted) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists the sealed values.
func (e *HoldPlaced) Personal(dst []personal.Slot) []personal.Slot {
	return append(dst, evidence("hold.authority", &e.Authority))
}

// Personal lists nothing: the event is facts only.
func (*HoldReleased) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists nothing: the event is facts only.
func (*Disclosed) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists nothing: the event is facts only.
func (*LinkProposed) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists nothing: the event is facts only.
func (*LinkAccepted) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists the sealed values.
func (e *LinkUndone) Personal(dst []personal.Slot) []personal.Slot {
	return append(dst, evidence("link.reason", &e.Reason))
}

// Personal lists the sealed values.
func (e *AgeAssessed) Personal(dst []personal.Slot) []personal.Slot {
	return append(dst, evidence("age.review", &e.Review))
}
