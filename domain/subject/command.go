package subject

import (
	"time"

	"lethe/domain"
	"lethe/domain/personal"
)

// Command is the sealed sum of what can be asked of a subject's record.
//
//sumtype:decl
type Command interface {
	// EffectiveAt is when what the command says took effect; zero = now.
	EffectiveAt() time.Time
	isSubjectCommand()
}

// When says when what a command says took effect; zero = now. At most five
// minutes ahead.
type When struct{ At time.Time }

// EffectiveAt implements Command.
func (w When) EffectiveAt() time.Time { return w.At }

func (When) isSubjectCommand() {}

// Register opens a record.
type Register struct {
	When
	Source       Source
	Acquired     Acquisition
	Jurisdiction domain.Place
	Row          personal.Value // the row's key in the source
}

// Entry is one value to record or rectify. Text is Present, in any form that
// the field's type takes. A nil Slot is slot 0, or for a field that holds
// many the next free one.
type Entry struct {
	Field domain.Name
	Text  personal.Value
	Slot  *uint16
	Class ProvenanceClass // "" = provided
}

// RecordFields records values collected for a purpose. Version 0 is the one
// in force.
type RecordFields struct {
	When
	Purpose domain.Name
	Version uint32
	Items   []Entry
	Source  Source
	Row     personal.Value
}

// RectifyFields replaces values that were inaccurate (GDPR 16).
type RectifyFields struct {
	When
	Items  []Entry
	Reason personal.Value
	Source Source
	Row    personal.Value
}

// RemoveField takes a field's values out of a purpose.
type RemoveField struct {
	When
	Purpose domain.Name
	Field   domain.Name
	Reason  personal.Value
}

// Said is what every consent command says: for what, on which notice, how,
// by whom. Version 0 is the one in force, By "" the person.
type Said struct {
	When
	Purpose  domain.Name
	Version  uint32
	Notice   domain.Digest
	Language domain.Language // "" = the notice's
	Medium   Medium
	Method   Method
	By       Party
	Evidence personal.Value
	Guardian personal.Value // who the guardian is, when By is Guardian
}

// Granting is what giving and renewing say besides. A zero Until is the end
// of the purpose's validity, if it has one.
type Granting struct {
	Said
	Explicit      bool
	Channels      []Channel
	Until         time.Time
	MetConditions bool // of a consent from before 25 May 2018: it met the GDPR's conditions
}

// RequestConsent asks the person. On a double-opt-in purpose Contact names
// the field that the request goes to and Expires, at most 30 days on (0 = 7
// days), ends the request.
type RequestConsent struct {
	Said
	Channels    []Channel
	Contact     domain.Name
	ContactSlot uint16
	Expires     time.Time
	Until       time.Time // of the consent, once confirmed
}

// DeferConsent: the person puts the answer off.
type DeferConsent struct{ Said }

// ConfirmConsent gives a double-opt-in consent by answering its request. The
// caller has checked the nonce that went out with the request. Purpose,
// version, notice, channels and end are the request's.
type ConfirmConsent struct {
	When
	Request  domain.ID
	Medium   Medium
	Method   Method
	By       Party
	Explicit bool
	Evidence personal.Value
	Guardian personal.Value
}

// GiveConsent: the person agrees.
type GiveConsent struct{ Granting }

// RenewConsent prolongs a consent that is given or has expired.
type RenewConsent struct{ Granting }

// RefuseConsent: the person says no; of a consent that stands this is a withdrawal.
type RefuseConsent struct{ Said }

// WithdrawConsent: the person takes it back. Never refused for a record that
// exists, and a declared or once consented purpose.
type WithdrawConsent struct{ Said }

// RevokeConsent: somebody other than the person ends it.
type RevokeConsent struct{ Said }

// InvalidateConsent: it was never valid. A zero Grant is the last giving.
type InvalidateConsent struct {
	Said
	Grant domain.ID
}

// ExpireConsent notes that a consent's end has passed.
type ExpireConsent struct {
	When
	Purpose domain.Name
}

// AssertBasis relies on the purpose's declared basis, other than consent.
type AssertBasis struct {
	When
	Purpose   domain.Name
	Version   uint32
	Basis     domain.Basis
	Until     time.Time
	Reference personal.Value // contract, statute, balancing test
}

// EndBasis ends a basis that was asserted.
type EndBasis struct {
	When
	Purpose domain.Name
	Basis   domain.Basis
	Reason  personal.Value
}

// Object exercises a right to object (GDPR 21), or opts out of a channel.
type Object struct {
	When
	Scope        ObjectionScope
	Purpose      domain.Name // "" = every purpose in scope
	Channel      Channel     // "" = every channel
	ContactPoint bool        // binds every record with the same address
	Source       Source
	By           Party // "" = the person
	Reason       personal.Value
}

// OverrideObjection documents compelling grounds (21(1)). Officers only.
type OverrideObjection struct {
	When
	Objection domain.ID
	Grounds   personal.Value
}

// UpholdObjection lets the objection stand. Officers only.
type UpholdObjection struct {
	When
	Objection domain.ID
}

// WithdrawObjection: the person takes the objection back.
type WithdrawObjection struct {
	When
	Objection domain.ID
}

// PlaceRestriction restricts processing (GDPR 18(1)).
type PlaceRestriction struct {
	When
	Ground RestrictionGround
	Reason personal.Value
}

// LiftRestriction ends a restriction after the person was told (18(3)).
// Officers only.
type LiftRestriction struct {
	When
	Ground   RestrictionGround
	Informed time.Time
}

// PlaceHold keeps a group for one purpose. Officers only. Mirror is the copy
// of a hold for a whole group of people; it is taken as it comes, once, and
// not at all when there is nothing left to hold.
type PlaceHold struct {
	When
	Hold      domain.ID
	Group     domain.Name
	Purpose   domain.Name
	Review    time.Time
	Mirror    bool
	Authority personal.Value
}

// ReleaseHold ends it. Officers only; Mirror as in PlaceHold.
type ReleaseHold struct {
	When
	Hold   domain.ID
	Mirror bool
}

// NoteDisclosure records that fields went to a recipient.
type NoteDisclosure struct {
	When
	Recipient domain.Name
	Purpose   domain.Name
	Version   uint32
	Fields    []domain.Name
	Access    domain.ID
}

// ProposeLink: this record may be the same person as Other.
type ProposeLink struct {
	When
	Other  domain.Token
	Ground LinkGround
	Source Source
}

// AcceptLink: they are one person. Officers only. Mirror is the copy that
// follows on the other record; it is taken as it comes.
type AcceptLink struct {
	When
	Other  domain.Token
	Mirror bool
}

// UndoLink: they are not. Officers only; Mirror as in AcceptLink.
type UndoLink struct {
	When
	Other  domain.Token
	Mirror bool
	Reason personal.Value
}

// AssessAge records what a jurisdiction's age rule said. Review, the day
// (2006-01-02) a child comes of digital age, is needed for a child.
type AssessAge struct {
	When
	Outcome AgeOutcome
	Rule    domain.Place
	Review  personal.Value
}

// Assert at compile time that every command is one.
var _ = [...]Command{
	Register{},
	RecordFields{},
	RectifyFields{},
	RemoveField{},
	RequestConsent{},
	DeferConsent{},
	ConfirmConsent{},
	GiveConsent{},
	RenewConsent{},
	RefuseConsent{},
	WithdrawConsent{},
	RevokeConsent{},
	InvalidateConsent{},
	ExpireConsent{},
	AssertBasis{},
	EndBasis{},
	Object{},
	OverrideObjection{},
	UpholdObjection{},
	WithdrawObjection{},
	PlaceRestriction{},
	LiftRestriction{},
	PlaceHold{},
	ReleaseHold{},
	NoteDisclosure{},
	ProposeLink{},
	AcceptLink{},
	UndoLink{},
	AssessAge{},
	OrderErasure{},
	CancelErasure{},
	StartErasure{},
	StopErasure{},
	CompleteErasure{},
	NoteReapplied{},
	OpenLifecycle{},
}
