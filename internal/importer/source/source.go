// Package source says what a row of a foreign customer file means to the
// ledger, in words that no foreign system has a say in.
//
// A Source reads one file and yields one Row per row of the tables it knows,
// also for rows that it leaves out: what was read, and what became of it,
// adds up. It decides nothing that needs the ledger: whether a value fits its
// field, whether a person is suppressed or was changed since, is asked later.
//
// Rows come in an order that depends on the file alone, parents before the
// rows that refer to them, whatever order the file has. Memory is bounded by
// the number of people (some hundred bytes each), never by the size of the file, and
// nothing is ever written to disk.
package source

import (
	"context"
	"iter"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
)

// Source is one opened file. It is read by one goroutine at a time; Progress
// may be called from another.
type Source interface {
	// System names the kind of system that the file came from.
	System() domain.Name
	// Tables lists the tables it reads, in the order in which Rows yields them.
	Tables() []domain.Name
	// Rows yields the rows that come after the place given (the zero Place is
	// the start). It may be called again and then yields the same rows. An
	// error ends it: the file itself cannot be read further. What is wrong
	// with a single row is told by its Refusals instead.
	Rows(ctx context.Context, after Place) iter.Seq2[*Row, error]
	// Progress tells the bytes read of those that there are to read, over all
	// passes.
	Progress() (read, total int64)
}

// Partial is a Source that can tell that its file may be only a part.
type Partial interface {
	// Gaps lists what speaks for it, in an order that depends on the file alone.
	Gaps() []Gap
}

// Gap is a sign that a file is not whole. Table is the missing one, or else
// the last one read, behind which the file may have been cut off.
type Gap struct {
	Table, Rule domain.Name
}

// Place is a row's place in its file: how an interrupted import finds back.
type Place struct {
	Table  domain.Name
	Number int
}

// IsZero reports whether it is the start of the file.
func (p Place) IsZero() bool { return p == Place{} }

// Key names a record in its system: what makes two rows the same person.
type Key struct {
	Table domain.Name
	ID    string
}

// IsZero reports whether it names nothing.
func (k Key) IsZero() bool { return k.Table == "" && k.ID == "" }

// Row is what one row of a file means. Fields, Contact, Key, Person.ID and Raw
// hold personal data; its printed form does not.
type Row struct {
	Table  domain.Name
	Number int    // 1-based within its table
	Line   int64  // where it begins in the file, 1-based
	Key    string // its own primary key

	// Person is whose row it is: the row itself, or the record it refers to.
	Person Key
	// Creates: the person is registered if not there yet. Otherwise the
	// person is one that an earlier row created.
	Creates bool
	// LeftOut is "", or the rule for which the row is read but not imported
	// (LeftOutOrganisation and the others). Such a row has no Fields. It can
	// have Denials keyed by Contact: they bind whoever has that address.
	LeftOut domain.Name
	// Purpose is what the fields are kept for, "" when the file does not say.
	Purpose      domain.Name
	Acquired     subject.Acquisition // how the person's data was come by; FromMigration when the file does not say
	Jurisdiction domain.Place        // "" when unknown; also the region that a phone number without a country code is in

	Fields   []Field
	Denials  []Denial
	Consents []Consent

	Conflicts []Finding // the file contradicts itself
	Findings  []Finding // worth an officer's eye; the row is imported all the same
	Refusals  []Finding // the row as it stands cannot be taken

	Created, Modified time.Time // as the source has them, zero when unknown

	Columns, Raw []string // the full row but for passwords, for a file of refused rows
}

// Field is one value for one catalogue field, in canonical text: dates as
// 2006-01-02, decimals with a point and no grouping, money as "12.50 EUR", booleans as true or
// false, countries by ISO 3166-1 code where the source has one.
type Field struct {
	Name    domain.Name
	Text    string
	Class   subject.ProvenanceClass
	Purpose domain.Name // what it is kept for, "" is for the row's purpose
	Column  string      // where it stood
}

// DenialKind tells an objection (Article 21) from a refused consent.
type DenialKind string

// Kinds of denial.
const (
	Objection DenialKind = "objection"
	Refusal   DenialKind = "refusal"
)

// Scope says what a denial is about. The first two are the scopes of an
// objection; the third has none in the law but is kept all the same.
type Scope string

// Scopes.
const (
	Marketing  Scope = "marketing"  // direct marketing, GDPR 21(2)
	Processing Scope = "processing" // processing on grounds of interest, GDPR 21(1)
	Disclosure Scope = "disclosure" // giving data to others
)

// Denial is a no that the person said in the source.
type Denial struct {
	Kind    DenialKind
	Scope   Scope
	Purpose domain.Name     // "" when the source names none: every purpose of the scope and channel
	Channel subject.Channel // "" is every channel
	Contact string          // the address that it was said for, if it was said for one; it binds whoever has it
	At      time.Time       // zero when unknown
	Rule    domain.Name
	Column  string
}

// Consent is a yes with its evidence. What lacks any of it is not here.
type Consent struct {
	Purpose  domain.Name
	Version  uint32
	Notice   domain.Digest // of the exact text that was shown
	Language domain.Language
	Medium   subject.Medium
	Method   subject.Method
	Channels []subject.Channel // none = all of the purpose's
	At       time.Time
	Evidence string // what the source kept, such as the address it came from; personal
	Column   string
}

// Finding names a rule and the field that it is about, never a value.
type Finding struct {
	Field  domain.Name // catalogue field, "" when it is about none
	Column string
	Rule   domain.Name
}

// Add records a value for a field; an empty text is no value.
func (r *Row) Add(name domain.Name, text string, class subject.ProvenanceClass, column string) {
	if text != "" {
		r.Fields = append(r.Fields, Field{Name: name, Text: text, Class: class, Column: column})
	}
}

// Find notes a finding.
func (r *Row) Find(rule, field domain.Name, column string) {
	r.Findings = append(r.Findings, Finding{Field: field, Column: column, Rule: rule})
}

// Refuse notes why the row cannot be taken as it stands.
func (r *Row) Refuse(rule, field domain.Name, column string) {
	r.Refusals = append(r.Refusals, Finding{Field: field, Column: column, Rule: rule})
}

// Leave leaves the row out: whatever it would have recorded is dropped, and
// it creates nobody. Findings and denials stay.
func (r *Row) Leave(rule domain.Name) {
	r.LeftOut, r.Creates, r.Fields, r.Consents, r.Refusals = rule, false, nil, nil, nil
}
