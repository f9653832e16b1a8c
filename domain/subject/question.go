package subject

import (
	"time"

	"lethe/domain"
	"lethe/domain/access"
)

// Question asks whether a person's data may be processed.
type Question struct {
	Purpose   domain.Name
	Version   uint32 // 0 = the one in force at At
	Operation access.Operation
	Channel   Channel       // by which the person is reached; "" = nobody is contacted
	Recipient domain.Name   // needed for disclosing
	Fields    []domain.Name // none = all that the purpose names
	Regime    domain.Name   // law asked about: "uk" or "eu"; "" = the person's own
	At        time.Time     // the moment asked about; needed
	KnownAt   time.Time     // what was recorded until then counts; zero = all
	// LostRange: the log had lost events at that moment, and nobody had accepted
	// that yet. A withdrawal may be among them, so no consent counts.
	LostRange bool
}

// Record is one of the records that the answer rests on. The first is the
// person asked about. Of the others Linked ones are taken to be the same
// person: their denials count and their consents do not. One that shares a
// contact point only binds by opt-outs of that contact point.
type Record struct {
	State         *State
	Fenced        map[domain.Name]bool // groups erased or about to be
	Linked        bool
	SharesContact []Channel
}

// Rule is a row of the table that answers.
type Rule string

// Rows, in the order in which they are tried; the first that matches answers.
const (
	RuleUnknown    Rule = "a" // unknown person, purpose not in force, group erased or about to be
	RuleKept       Rule = "b" // group kept by a hold or a duty: only for the purpose that keeps it
	RuleSpecial    Rule = "c" // special category or criminal data without its condition
	RuleRestricted Rule = "d" // restricted
	RuleObjected   Rule = "e" // objection to marketing, opt-out of a channel or contact point
	RuleContested  Rule = "f" // objection to processing, pending or upheld
	RuleElectronic Rule = "g" // electronic marketing without consent or soft opt-in
	RuleBasis      Rule = "h" // a basis stands
	RuleElse       Rule = "i" // none does
)

// Ref is an event that an answer rests on.
type Ref struct {
	Token    domain.Token
	Revision uint64
	EventID  domain.ID
}

// Answer is what the table says. Fields may be processed, Withheld may not:
// only fields that the purpose marks optional are withheld, a needed one
// that may not be processed makes the answer no.
type Answer struct {
	Allowed  bool
	Row      Rule
	Reason   access.Reason // of a no
	Message  string
	Version  uint32
	Basis    domain.Basis
	Fields   []domain.Name
	Withheld []domain.Name
	Closed   []domain.Name // of a no: needed fields that were erased or are about to be, or of which an earlier lifecycle left what it had to, when others are not
	RestsOn  []Ref
}
