// Package access records who opened which fields of whom: for which purpose,
// on which basis, granted or denied. Access streams are busy and never
// decide anything, so nothing is folded from them; views project them.
package access

import (
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/personal"
)

// MaxTokens bounds the people one access event names: the page bound.
const MaxTokens = 500

// Event is the sealed sum of accesses.
//
//sumtype:decl
type Event interface {
	domain.Event
	isAccessEvent()
}

// Operation is what is done with the data.
type Operation string

// Operations.
const (
	Store    Operation = "store"
	Use      Operation = "use"
	Disclose Operation = "disclose"
)

// Valid reports whether o is a known operation.
func (o Operation) Valid() bool { return slices.Contains([]Operation{Store, Use, Disclose}, o) }

// Door is the kind of request that opened the data.
type Door string

// Doors.
const (
	Read     Door = "read"
	Lookup   Door = "lookup"
	List     Door = "list"
	History  Door = "history"
	Receipt  Door = "receipt"
	Export   Door = "export"
	Evidence Door = "evidence" // what opens single values was handed over, beside their proof
	Erasure  Door = "erasure"  // the certificate of an erasure, or the letter about it: no value is opened
)

// Valid reports whether d is a known kind of request.
func (d Door) Valid() bool {
	return slices.Contains([]Door{Read, Lookup, List, History, Receipt, Export, Evidence, Erasure}, d)
}

// Reason is why an access was denied: a controlled list.
type Reason string

// Reasons. The rule_ ones are the rows of the may-process table.
const (
	UnknownSubject   Reason = "unknown_subject"
	NoSuchPurpose    Reason = "purpose_not_in_force"
	RoleMissing      Reason = "role_missing"
	PurposeForbidden Reason = "purpose_not_granted"
	RuleErased       Reason = "erased"
	RuleKept         Reason = "kept_for_another_purpose"
	RuleSpecial      Reason = "special_category"
	RuleRestricted   Reason = "restricted"
	RuleObjected     Reason = "objection_marketing"
	RuleContested    Reason = "objection_processing"
	RuleElectronic   Reason = "electronic_marketing"
	RuleNoBasis      Reason = "no_valid_basis"
	BadRecipient     Reason = "recipient_not_declared"
	RuleLostRange    Reason = "lost_range" // a withdrawal may be in what the log lost
)

// Valid reports whether r is a known reason.
func (r Reason) Valid() bool {
	return slices.Contains([]Reason{
		UnknownSubject, NoSuchPurpose, RoleMissing, PurposeForbidden, RuleErased, RuleKept, RuleSpecial,
		RuleRestricted, RuleObjected, RuleContested, RuleElectronic, RuleNoBasis, BadRecipient, RuleLostRange,
	}, r)
}

// Subject is one person and the fields of theirs.
type Subject struct {
	Token  domain.Token  `json:"token"`
	Fields []domain.Name `json:"fields,omitzero"`
	Basis  domain.Basis  `json:"basis,omitzero"`
}

// Granted is recorded, durably, before anything is opened.
type Granted struct {
	Purpose   domain.Name `json:"purpose"`
	Version   uint32      `json:"version"`
	Operation Operation   `json:"operation"`
	Door      Door        `json:"door"`
	Channel   domain.Name `json:"channel,omitzero"`
	Recipient domain.Name `json:"recipient,omitzero"`
	Subjects  []Subject   `json:"subjects"`
}

// Denied records a refusal. Floods are aggregated: Count refusals of the
// same kind since Since.
type Denied struct {
	Purpose   domain.Name    `json:"purpose,omitzero"`
	Operation Operation      `json:"operation"`
	Door      Door           `json:"door"`
	Reason    Reason         `json:"reason"`
	Tokens    []domain.Token `json:"tokens,omitzero"`
	Count     uint32         `json:"count"`
	Since     time.Time      `json:"since,omitzero"`
}

func (*Granted) isAccessEvent() {}
func (*Denied) isAccessEvent()  {}

// EventType is the stored name and version.
func (*Granted) EventType() domain.Type { return domain.Type{Name: "AccessGranted", Version: 1} }

// EventType is the stored name and version.
func (*Denied) EventType() domain.Type { return domain.Type{Name: "AccessDenied", Version: 1} }

// Personal lists nothing: the event is facts only.
func (*Granted) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists nothing: the event is facts only.
func (*Denied) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Stream is the stream of a principal's accesses on one day (UTC).
func Stream(principal domain.ID, at time.Time) string {
	return "access-" + principal.String() + "-" + at.UTC().Format("2006-01-02")
}
