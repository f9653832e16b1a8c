// Package receipt writes what a person may keep of a consent, in two forms:
//
//   - Record: the fields of ISO/IEC TS 27560:2023, which has no official JSON
//     schema; ours is Schema.
//   - Kantara: the Consent Receipt of the Kantara Initiative, version 1.1.
//
// Both are pure functions of an Input, so the same consent always gives the
// same bytes. A receipt holds no name of the person, only the token; a
// guardian is named as such and no more.
//
// No profile of the Data Privacy Vocabulary (record-eu-gdpr, receipt-eu-gdpr)
// is claimed: their lists of what is mandatory include parties, such as the
// supervisory authority, that a catalogue need not have.
//
// Either form can carry proofs of what it rests on, in a member proofs, which
// neither specification has and neither schema forbids.
//
// A receipt states what was recorded, not that the person saw or did it.
package receipt

import (
	"time"

	"lethe/domain"
	"lethe/domain/subject"
)

// Input is a consent and what the catalogue said when it was given. Texts of
// parties are opened: an Input must not be logged.
type Input struct {
	ID           domain.ID    // of the event that gave the consent
	Subject      domain.Token //
	Jurisdiction domain.Place // the person's

	Controllers []Party // at least one
	Recipients  []Party // declared for the purpose, processors included
	Authority   *Party  // supervisory authority, when known

	Purpose Purpose
	Fields  []Field
	Notice  Notice
	Grant   Grant

	Status subject.Status // now
	Since  time.Time      // when Status began
	By     subject.Party  // who brought Status about; "" when time did

	Proofs []Proof // of the event that gave it and of the one that Status rests on; none = the receipt has none
}

// Proof shows that an event that the receipt rests on is in history. It is
// checked without the ledger: the leaf in Text has the SHA-256 of Facts.
type Proof struct {
	Event domain.ID
	State subject.Status // what it brought about
	Facts []byte         // what the event says in clear, JSON as it is stored
	Text  []byte         // C2SP tlog-proof; its extra data is the leaf
}

// Party is somebody who takes part. A recipient needs ID, Name, Country and
// Role only.
type Party struct {
	ID         domain.Name
	Role       Role
	Country    domain.Place
	Name       string
	Address    string
	Contact    string
	Email      string
	Phone      string
	PolicyURL  string
	Withdrawal string
}

// Role is a party's part, a term of the Data Privacy Vocabulary.
type Role string

// Roles.
const (
	Controller Role = "dpv:DataController"
	Processor  Role = "dpv:DataProcessor"
	ThirdParty Role = "dpv:ThirdParty"
	Authority  Role = "dpv:DataProtectionAuthority"
)

// Purpose is what the consent is for.
type Purpose struct {
	ID             domain.Name
	Version        uint32
	DPV            domain.Term // dpv:DirectMarketing
	Retention      domain.Duration
	RetentionStart domain.Name
	Special        bool // rests on explicit consent of GDPR 9(2)(a)
	ThirdCountries []domain.Place
}

// Field is one kind of data that the purpose uses.
type Field struct {
	ID       domain.Name
	Category domain.Term // pd:EmailAddress
	Special  bool
	Optional bool
}

// Notice is the text that was shown.
type Notice struct {
	ID       domain.Name
	Version  uint32
	Language domain.Language
	Digest   domain.Digest
}

// Grant is the act that gave or renewed the consent.
type Grant struct {
	At       time.Time // took effect
	Until    time.Time // half-open end; zero = none
	Medium   subject.Medium
	Method   subject.Method
	By       subject.Party
	Explicit bool
	Renewed  bool
}

// check refuses what no receipt can be written of.
func (in *Input) check() error {
	switch {
	case in.ID.IsZero() || in.Grant.At.IsZero():
		return domain.NotFound("receipt.no_consent", "purpose", "there is no consent for this purpose: a receipt is given for one that was given")
	case len(in.Controllers) == 0:
		return domain.Conflict("receipt.no_controller", "controllers", "the purpose names no controller that is declared").Citing("GDPR 13(1)(a)")
	case len(in.Fields) == 0:
		return domain.Conflict("receipt.no_data", "fields", "the purpose needs no data: there is nothing to give a receipt for")
	}
	return nil
}

// controllersHave refuses when a controller lacks a text.
func (in *Input) controllersHave(texts ...text) error {
	for _, c := range in.Controllers {
		for _, t := range texts {
			if t.of(c) == "" {
				return domain.Conflict("receipt.controller_incomplete", t.name,
					"the controller %s is declared without its %s: declare it, then ask again", c.ID, t.name)
			}
		}
	}
	return nil
}

// text is one of a party's texts.
type text struct {
	name string
	of   func(Party) string
}

func nameText() text    { return text{"name", func(p Party) string { return p.Name }} }
func addressText() text { return text{"address", func(p Party) string { return p.Address }} }
func contactText() text { return text{"contact", func(p Party) string { return p.Contact }} }
func emailText() text   { return text{"email", func(p Party) string { return p.Email }} }
func phoneText() text   { return text{"phone", func(p Party) string { return p.Phone }} }
func policyText() text  { return text{"policy_url", func(p Party) string { return p.PolicyURL }} }
func withdrawalText() text {
	return text{"withdrawal", func(p Party) string { return p.Withdrawal }}
}

// stamp is the wire form of a time: RFC 3339, UTC, seconds.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// collected is how the consent was taken: "web/checkbox".
func (g Grant) collected() string {
	switch {
	case g.Medium == "" && g.Method == "":
		return "unknown"
	case g.Method == "":
		return string(g.Medium)
	case g.Medium == "":
		return string(g.Method)
	}
	return string(g.Medium) + "/" + string(g.Method)
}
