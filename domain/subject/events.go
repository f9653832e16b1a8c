package subject

import (
	"time"

	"lethe/domain"
	"lethe/domain/personal"
)

// Event is the sealed sum of what can happen to a subject.
//
//sumtype:decl
type Event interface {
	domain.Event
	isSubjectEvent()
}

// Source says where a record or value came from. The row's key in the
// source is the caller's choice and therefore personal: it is sealed beside
// the values (Row in the events).
type Source struct {
	System domain.Name `json:"system,omitzero"` // "dolibarr", "webshop"
	Table  domain.Name `json:"table,omitzero"`
	Import domain.ID   `json:"import,omitzero"`
}

// Registered opens a subject's stream.
type Registered struct {
	Source       Source         `json:"source,omitzero"`
	Acquired     Acquisition    `json:"acquired"`
	Jurisdiction domain.Place   `json:"jurisdiction"`
	Row          personal.Value `json:"-"` // source.row
}

// Item is one value of one catalogue field. Slot tells the values of a field
// of cardinality many apart; it is 0 for a field of cardinality one.
type Item struct {
	Field domain.Name     `json:"field"`
	Group domain.Name     `json:"group"`
	Slot  uint16          `json:"slot,omitzero"`
	Class ProvenanceClass `json:"class"`
	Value personal.Value  `json:"-"`
}

// FieldsRecorded says that values were collected for a purpose.
type FieldsRecorded struct {
	Purpose domain.Name    `json:"purpose"`
	Version uint32         `json:"version"`
	Source  Source         `json:"source,omitzero"`
	Items   []Item         `json:"items"`
	Row     personal.Value `json:"-"` // source.row
}

// FieldsRectified replaces values that were inaccurate (GDPR 16), for every
// purpose that holds them.
type FieldsRectified struct {
	Source Source         `json:"source,omitzero"`
	Items  []Item         `json:"items"`
	Reason personal.Value `json:"-"` // rectification.reason
	Row    personal.Value `json:"-"` // source.row
}

// FieldRemoved takes a field's values out of a purpose; when no purpose
// holds a value any more it is out of the record.
type FieldRemoved struct {
	Purpose domain.Name    `json:"purpose"`
	Field   domain.Name    `json:"field"`
	Group   domain.Name    `json:"group"`
	Reason  personal.Value `json:"-"` // removal.reason
}

// Choice is what every consent event says: for what, by whom, on which
// notice, how. Evidence and the guardian's identity are sealed.
type Choice struct {
	Purpose  domain.Name     `json:"purpose"`
	Version  uint32          `json:"version"`
	Notice   domain.Digest   `json:"notice,omitzero"` // the text that was shown
	Language domain.Language `json:"language,omitzero"`
	Medium   Medium          `json:"medium,omitzero"`
	Method   Method          `json:"method,omitzero"`
	By       Party           `json:"by"`
	Evidence personal.Value  `json:"-"` // consent.evidence
	Guardian personal.Value  `json:"-"` // consent.guardian
}

// Grant is a choice that allows: how long, for which channels, how well shown.
type Grant struct {
	Choice
	Class    EvidenceClass `json:"class"`
	Explicit bool          `json:"explicit,omitzero"`
	Channels []Channel     `json:"channels,omitzero"` // contact channels it covers; none = all of the purpose's
	Until    time.Time     `json:"until,omitzero"`    // half-open end
	// MetConditions: a consent from before 25 May 2018 is stated to have met
	// the conditions of the GDPR; without it such a consent does not count
	// (recital 171).
	MetConditions bool `json:"met_conditions,omitzero"`
}

// ConsentRequested asks; it never suspends a valid consent. Contact is the
// field (and slot) that a double opt-in writes to.
type ConsentRequested struct {
	Choice
	DoubleOptIn bool        `json:"double_opt_in,omitzero"`
	Channels    []Channel   `json:"channels,omitzero"`
	Contact     domain.Name `json:"contact,omitzero"`
	ContactSlot uint16      `json:"contact_slot,omitzero"`
	Expires     time.Time   `json:"expires,omitzero"` // of the request
	Until       time.Time   `json:"until,omitzero"`   // of the consent, once confirmed
}

// ConsentDeferred: the person put the answer off.
type ConsentDeferred struct{ Choice }

// ConsentConfirmed is the giving of a double opt-in consent. Request is the
// event that it answers; Contact was proven by it.
type ConsentConfirmed struct {
	Grant
	Request     domain.ID   `json:"request"`
	Contact     domain.Name `json:"contact,omitzero"`
	ContactSlot uint16      `json:"contact_slot,omitzero"`
}

// ConsentGiven: the person agreed.
type ConsentGiven struct{ Grant }

// ConsentRenewed prolongs a consent that was given or has expired.
type ConsentRenewed struct{ Grant }

// ConsentRefused: the person said no.
type ConsentRefused struct{ Choice }

// ConsentWithdrawn: the person took it back (GDPR 7(3)).
type ConsentWithdrawn struct{ Choice }

// ConsentRevoked: somebody else ended it.
type ConsentRevoked struct{ Choice }

// ConsentInvalidated: it was never valid. It reaches back to its giving,
// whatever its own effective time. Grant is the event that gave it.
type ConsentInvalidated struct {
	Choice
	Grant domain.ID `json:"grant"`
}

// ConsentExpired notes that a consent's end has passed. Replays compute
// expiry from the grant; this event tells others.
type ConsentExpired struct {
	Purpose domain.Name `json:"purpose"`
	Version uint32      `json:"version"`
	Grant   domain.ID   `json:"grant"` // the event that gave it
}

// BasisAsserted: the controller relies on another basis than consent.
type BasisAsserted struct {
	Purpose   domain.Name    `json:"purpose"`
	Version   uint32         `json:"version"`
	Basis     domain.Basis   `json:"basis"`
	Until     time.Time      `json:"until,omitzero"`
	Reference personal.Value `json:"-"` // basis.reference: contract, statute, balancing test
}

// BasisEnded ends a basis that was asserted.
type BasisEnded struct {
	Purpose domain.Name    `json:"purpose"`
	Basis   domain.Basis   `json:"basis"`
	Reason  personal.Value `json:"-"` // basis.end_reason
}

// Objected: GDPR 21. Purpose "" is every purpose in scope, Channel "" every
// channel. ContactPoint binds every record that has the same address.
type Objected struct {
	Scope        ObjectionScope `json:"scope"`
	Purpose      domain.Name    `json:"purpose,omitzero"`
	Channel      Channel        `json:"channel,omitzero"`
	ContactPoint bool           `json:"contact_point,omitzero"`
	Source       Source         `json:"source,omitzero"`
	By           Party          `json:"by"`
	Reason       personal.Value `json:"-"` // objection.reason
}

// ObjectionOverridden: compelling grounds were documented (21(1)).
type ObjectionOverridden struct {
	Objection domain.ID      `json:"objection"` // the event
	Grounds   personal.Value `json:"-"`         // objection.grounds
}

// ObjectionUpheld: the objection stands; processing stays off.
type ObjectionUpheld struct {
	Objection domain.ID `json:"objection"`
}

// ObjectionWithdrawn: the person took the objection back.
type ObjectionWithdrawn struct {
	Objection domain.ID `json:"objection"`
}

// RestrictionPlaced: GDPR 18(1).
type RestrictionPlaced struct {
	Ground RestrictionGround `json:"ground"`
	Reason personal.Value    `json:"-"` // restriction.reason
}

// RestrictionLifted ends it; the person was told before (18(3)).
type RestrictionLifted struct {
	Ground   RestrictionGround `json:"ground"`
	Informed time.Time         `json:"informed"` // when the person was told
}

// HoldPlaced keeps a group for a claim or a duty (17(3)) and for the purpose
// that needs it alone. Mirror marks the copy of a hold for a whole group of
// people, which has the same ID; the authority is there.
type HoldPlaced struct {
	Hold      domain.ID      `json:"hold"`
	Group     domain.Name    `json:"group"`
	Purpose   domain.Name    `json:"purpose"`
	Review    time.Time      `json:"review"`
	Mirror    bool           `json:"mirror,omitzero"`
	Authority personal.Value `json:"-"` // hold.authority
}

// HoldReleased ends it.
type HoldReleased struct {
	Hold domain.ID `json:"hold"`
}

// Disclosed: fields went to a recipient (GDPR 15(1)(c), 19).
type Disclosed struct {
	Recipient domain.Name   `json:"recipient"`
	Purpose   domain.Name   `json:"purpose"`
	Version   uint32        `json:"version"`
	Fields    []domain.Name `json:"fields"`
	Access    domain.ID     `json:"access"` // the access event that opened them
}

// LinkProposed: this record may be the same person as Other.
type LinkProposed struct {
	Other  domain.Token `json:"other"`
	Ground LinkGround   `json:"ground"`
	Source Source       `json:"source,omitzero"`
}

// LinkAccepted: an officer says they are one person. Mirror marks the copy
// on the other record's stream.
type LinkAccepted struct {
	Other  domain.Token `json:"other"`
	Mirror bool         `json:"mirror,omitzero"`
}

// LinkUndone: they are not, or not any more taken to be.
type LinkUndone struct {
	Other  domain.Token   `json:"other"`
	Mirror bool           `json:"mirror,omitzero"`
	Reason personal.Value `json:"-"` // link.reason
}

// AgeAssessed records what the age rule said, so that a replay needs no
// birth date. Review, the day the person comes of digital age, is sealed.
type AgeAssessed struct {
	Outcome AgeOutcome     `json:"outcome"`
	Rule    domain.Place   `json:"rule"` // the jurisdiction whose age counts
	Review  personal.Value `json:"-"`    // age.review
}
