package subject

import "slices"

// Channel is a way of reaching a person.
type Channel string

// Channels. None means that nobody is contacted.
const (
	NoChannel Channel = ""
	Email     Channel = "email"
	SMS       Channel = "sms"
	Phone     Channel = "phone"
	Post      Channel = "post"
	Push      Channel = "push"
)

// Valid reports whether c is a known channel.
func (c Channel) Valid() bool { return slices.Contains([]Channel{Email, SMS, Phone, Post, Push}, c) }

// Electronic reports whether marketing through c needs consent or the soft
// opt-in whatever the basis (ePrivacy 13).
func (c Channel) Electronic() bool { return c == Email || c == SMS || c == Push }

// Medium is where a consent was collected.
type Medium string

// Media.
const (
	Web      Medium = "web"
	App      Medium = "app"
	API      Medium = "api"
	ByEmail  Medium = "email"
	ByPhone  Medium = "phone"
	Paper    Medium = "paper"
	InPerson Medium = "in_person"
	Imported Medium = "import"
)

// Valid reports whether m is a known medium.
func (m Medium) Valid() bool {
	return slices.Contains([]Medium{Web, App, API, ByEmail, ByPhone, Paper, InPerson, Imported}, m)
}

// Method is the act by which a person expressed the choice.
type Method string

// Methods. A pre-ticked box is not among them: it is no consent (recital 32).
const (
	Checkbox     Method = "checkbox"
	Signature    Method = "signature"
	Spoken       Method = "spoken"
	LinkClick    Method = "link_click" // with a confirming step; loading an address alone never counts
	Reply        Method = "reply"
	FormSubmit   Method = "form_submit"
	Setting      Method = "setting"
	Signal       Method = "signal" // e.g. Global Privacy Control
	Unsubscribe  Method = "unsubscribe"
	SourceRecord Method = "source_record" // another system's record says so
)

// Valid reports whether m is a known method.
func (m Method) Valid() bool {
	return slices.Contains([]Method{
		Checkbox, Signature, Spoken, LinkClick, Reply, FormSubmit, Setting, Signal, Unsubscribe, SourceRecord,
	}, m)
}

// Party is who acted.
type Party string

// Parties.
const (
	Self       Party = "subject"
	Guardian   Party = "guardian"
	Controller Party = "controller"
	Processor  Party = "processor"
	Authority  Party = "authority"
)

// Valid reports whether p is a known party.
func (p Party) Valid() bool {
	return slices.Contains([]Party{Self, Guardian, Controller, Processor, Authority}, p)
}

// EvidenceClass says how far a consent can be demonstrated.
type EvidenceClass string

// Classes: Proven when the notice was recorded before the consent took
// effect; Asserted when it was recorded later or comes from another system.
const (
	Proven   EvidenceClass = "proven"
	Asserted EvidenceClass = "asserted"
)

// Valid reports whether e is a known class.
func (e EvidenceClass) Valid() bool { return e == Proven || e == Asserted }

// ProvenanceClass says how a value came to be (GDPR 15(1)(g), 20).
type ProvenanceClass string

// Provenance classes.
const (
	Provided   ProvenanceClass = "provided"
	Observed   ProvenanceClass = "observed"
	Inferred   ProvenanceClass = "inferred"
	ThirdParty ProvenanceClass = "third_party"
)

// Valid reports whether p is a known class.
func (p ProvenanceClass) Valid() bool {
	return slices.Contains([]ProvenanceClass{Provided, Observed, Inferred, ThirdParty}, p)
}

// Acquisition says how a person's record was obtained (GDPR 13 or 14).
type Acquisition string

// Acquisitions.
const (
	FromPerson       Acquisition = "from_person"
	FromThirdParty   Acquisition = "from_third_party"
	FromPublicSource Acquisition = "from_public_source"
	FromMigration    Acquisition = "from_migration"
)

// Valid reports whether a is a known way.
func (a Acquisition) Valid() bool {
	return slices.Contains([]Acquisition{FromPerson, FromThirdParty, FromPublicSource, FromMigration}, a)
}

// ObjectionScope is which right to object is exercised.
type ObjectionScope string

// Scopes.
const (
	ToMarketing  ObjectionScope = "marketing"  // GDPR 21(2): absolute, at once
	ToProcessing ObjectionScope = "processing" // GDPR 21(1): stops until overridden
	ToDisclosure ObjectionScope = "disclosure" // "do not trade or share": nobody but processors gets the data
)

// Valid reports whether s is a known scope.
func (s ObjectionScope) Valid() bool {
	return s == ToMarketing || s == ToProcessing || s == ToDisclosure
}

// RestrictionGround is why processing is restricted (GDPR 18(1)).
type RestrictionGround string

// Grounds.
const (
	AccuracyContested RestrictionGround = "accuracy_contested" // 18(1)(a)
	UnlawfulButKeep   RestrictionGround = "unlawful"           // 18(1)(b)
	NeededForClaims   RestrictionGround = "claims"             // 18(1)(c)
	ObjectionPending  RestrictionGround = "objection_pending"  // 18(1)(d)
)

// Valid reports whether g is a known ground.
func (g RestrictionGround) Valid() bool {
	return slices.Contains([]RestrictionGround{AccuracyContested, UnlawfulButKeep, NeededForClaims, ObjectionPending}, g)
}

// LinkGround is why two records are thought to be one person.
type LinkGround string

// Grounds of a proposed link.
const (
	SameEmail      LinkGround = "same_email"
	SamePhone      LinkGround = "same_phone"
	SameExternalID LinkGround = "same_external_id"
	ByOfficer      LinkGround = "officer"
)

// Valid reports whether g is a known ground.
func (g LinkGround) Valid() bool {
	return slices.Contains([]LinkGround{SameEmail, SamePhone, SameExternalID, ByOfficer}, g)
}

// AgeOutcome is what the age rule of a jurisdiction said (GDPR 8).
type AgeOutcome string

// Outcomes.
const (
	Adult AgeOutcome = "of_digital_age"
	Child AgeOutcome = "below_digital_age"
)

// Valid reports whether o is a known outcome.
func (o AgeOutcome) Valid() bool { return o == Adult || o == Child }
