// Package importing is the record of an import: what was read, what became
// of it, which rows were refused and by which rule. It names rows by number
// and rules by name; the rows themselves never come here.
package importing

import (
	"lethe/domain"
	"lethe/domain/personal"
)

// MaxRefusals bounds the refused rows one event lists.
const MaxRefusals = 1000

// Event is the sealed sum of what happens in an import.
//
//sumtype:decl
type Event interface {
	domain.Event
	isImportEvent()
}

// Started opens an import's stream. Digests are keyed hashes.
type Started struct {
	Import    domain.ID      `json:"import"`
	System    domain.Name    `json:"system"`
	Format    domain.Name    `json:"format"`
	File      domain.Digest  `json:"file"`
	Mapping   domain.Digest  `json:"mapping"`
	Bytes     int64          `json:"bytes"`
	FileName  personal.Value `json:"-"` // import.file_name
	Catalogue uint64         `json:"catalogue"`
	Marks     uint64         `json:"marks,omitzero"` // changes of marks of suppression until then
}

// Table counts what became of one table's rows.
type Table struct {
	Name      domain.Name `json:"name"`
	Read      uint64      `json:"read"`
	Created   uint64      `json:"created,omitzero"`
	Updated   uint64      `json:"updated,omitzero"`
	Unchanged uint64      `json:"unchanged,omitzero"`
	LeftOut   []RuleCount `json:"left_out,omitzero"`
	Refused   uint64      `json:"refused,omitzero"`
	// Suppressed rows are of people who were erased: nothing was made of them.
	Suppressed uint64      `json:"suppressed,omitzero"`
	Values     uint64      `json:"values,omitzero"`
	Denials    uint64      `json:"denials,omitzero"`
	Consents   uint64      `json:"consents,omitzero"`
	Conflicts  uint64      `json:"conflicts,omitzero"`
	Linked     uint64      `json:"linked,omitzero"`
	Findings   []RuleCount `json:"findings,omitzero"`
}

// RuleCount is how often a rule applied.
type RuleCount struct {
	Rule  domain.Name `json:"rule"`
	Count uint64      `json:"count"`
}

// Refusal is one row that was not taken, or one conflict in it.
type Refusal struct {
	Table    domain.Name `json:"table"`
	Row      uint64      `json:"row"`
	Field    domain.Name `json:"field,omitzero"`
	Rule     domain.Name `json:"rule"`
	Conflict bool        `json:"conflict,omitzero"`
}

// RowsRefused lists refusals and conflicts, at most MaxRefusals.
type RowsRefused struct {
	Rows []Refusal `json:"rows"`
}

// Link is a proposed link that the import made.
type Link struct {
	A      domain.Token `json:"a"`
	B      domain.Token `json:"b"`
	Ground domain.Name  `json:"ground"`
}

// LinksProposed lists them, at most MaxRefusals.
type LinksProposed struct {
	Links []Link `json:"links"`
}

// Completed closes the import with its counts.
type Completed struct {
	Tables []Table `json:"tables"`
}

func (*Started) isImportEvent()       {}
func (*RowsRefused) isImportEvent()   {}
func (*LinksProposed) isImportEvent() {}
func (*Completed) isImportEvent()     {}

// EventType is the stored name and version.
func (*Started) EventType() domain.Type { return domain.Type{Name: "ImportStarted", Version: 1} }

// EventType is the stored name and version.
func (*RowsRefused) EventType() domain.Type {
	return domain.Type{Name: "ImportRowsRefused", Version: 1}
}

// EventType is the stored name and version.
func (*LinksProposed) EventType() domain.Type {
	return domain.Type{Name: "ImportLinksProposed", Version: 1}
}

// EventType is the stored name and version.
func (*Completed) EventType() domain.Type { return domain.Type{Name: "ImportCompleted", Version: 1} }

// Group is the retention group of what an import's stream seals.
const Group domain.Name = "import"

// Personal lists the sealed values.
func (e *Started) Personal(dst []personal.Slot) []personal.Slot {
	return append(dst, personal.Slot{Field: "import.file_name", Group: string(Group), Value: &e.FileName})
}

// Personal lists nothing: the event is facts only.
func (*RowsRefused) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists nothing: the event is facts only.
func (*LinksProposed) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Personal lists nothing: the event is facts only.
func (*Completed) Personal(dst []personal.Slot) []personal.Slot { return dst }

// Stream is the import's stream.
func Stream(id domain.ID) string { return "import-" + id.String() }
