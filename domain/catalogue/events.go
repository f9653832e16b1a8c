package catalogue

import (
	"time"

	"lethe/domain"
	"lethe/domain/personal"
)

// Stream is the one stream of everything the controller declares.
const Stream = "catalogue"

// Event is the sealed sum of what can be declared.
//
//sumtype:decl
type Event interface {
	domain.Event
	isCatalogueEvent()
}

// ControllerDeclared names who decides why and how (GDPR 4(7), 26, 28, 37).
// Contacts are people's data too: every text is sealed under the controller.
type ControllerDeclared struct {
	ID               domain.Name    `json:"id"`
	Country          domain.Place   `json:"country"`
	JointControllers []domain.Name  `json:"joint_controllers,omitzero"`
	Processors       []domain.Name  `json:"processors,omitzero"` // recipients by ID
	Name             personal.Value `json:"-"`                   // controller.name
	Address          personal.Value `json:"-"`                   // controller.address
	Contact          personal.Value `json:"-"`                   // controller.contact
	Email            personal.Value `json:"-"`                   // controller.email
	Phone            personal.Value `json:"-"`                   // controller.phone
	Officer          personal.Value `json:"-"`                   // controller.officer: the data-protection officer's contact
	PolicyURL        personal.Value `json:"-"`                   // controller.policy_url
	Withdrawal       personal.Value `json:"-"`                   // controller.withdrawal: how to withdraw
}

// FieldDeclared declares one kind of personal data. Type and group are
// frozen from the first declaration: a change is a new field.
type FieldDeclared struct {
	ID          domain.Name     `json:"id"`
	Group       domain.Name     `json:"group"` // retention group
	Type        FieldType       `json:"type"`
	Category    domain.Term     `json:"category"` // DPV data category
	Special     bool            `json:"special,omitzero"`
	Criminal    bool            `json:"criminal,omitzero"` // GDPR 10
	Many        bool            `json:"many,omitzero"`     // cardinality
	Enumeration []domain.Name   `json:"enumeration,omitzero"`
	Currency    domain.Currency `json:"currency,omitzero"` // of money, when it is always the same
	Lookup      LookupKind      `json:"lookup,omitzero"`   // people can be found by it
}

// PurposeDeclared is one version of a purpose. Version 1 opens it; Material
// says whether consent given to the version before must be given anew.
type PurposeDeclared struct {
	ID             domain.Name     `json:"id"`
	Version        uint32          `json:"version"`
	Material       bool            `json:"material,omitzero"`
	Controllers    []domain.Name   `json:"controllers"`
	Basis          domain.Basis    `json:"basis"`
	Article9       Article9        `json:"article_9,omitzero"`
	Article10      bool            `json:"article_10,omitzero"` // official authority or law allows criminal data
	Fields         []domain.Name   `json:"fields"`              // needed
	Optional       []domain.Name   `json:"optional,omitzero"`   // used where allowed, left out where not
	Retention      domain.Duration `json:"retention"`           // ISO 8601
	RetentionStart RetentionStart  `json:"retention_start"`
	Recipients     []domain.Name   `json:"recipients,omitzero"`
	ThirdCountries []domain.Place  `json:"third_countries,omitzero"`
	Review         domain.Duration `json:"review,omitzero"`
	Validity       domain.Duration `json:"validity,omitzero"` // how long a consent lasts unless it says otherwise
	Explicit       bool            `json:"explicit,omitzero"`
	DoubleOptIn    bool            `json:"double_opt_in,omitzero"`
	Marketing      bool            `json:"marketing,omitzero"`
	SoftOptIn      bool            `json:"soft_opt_in,omitzero"` // ePrivacy 13(2): own similar products to customers
	Online         bool            `json:"online,omitzero"`      // an information-society service (GDPR 8)
	DPV            domain.Term     `json:"dpv"`
	Fideslang      domain.Term     `json:"fideslang,omitzero"`
	Keeps          bool            `json:"keeps,omitzero"`     // a 17(3) duty: what it needs is kept, for it alone
	Exemption      Exemption       `json:"exemption,omitzero"` // why it may go on under a restriction
	InForce        time.Time       `json:"in_force"`
}

// PurposeEnded takes a purpose out of force.
type PurposeEnded struct {
	ID domain.Name `json:"id"`
}

// NoticePublished is a text as it is shown, in one language. Digest is the
// SHA-256 of its UTF-8 bytes and names it everywhere.
type NoticePublished struct {
	ID       domain.Name     `json:"id"`
	Version  uint32          `json:"version"`
	Language domain.Language `json:"language"`
	Digest   domain.Digest   `json:"digest"`
	Purposes []PurposeRef    `json:"purposes"`
	From     time.Time       `json:"from"` // in effect since
	Text     personal.Value  `json:"-"`    // notice.text
}

// PurposeRef names one version of a purpose.
type PurposeRef struct {
	Purpose domain.Name `json:"purpose"`
	Version uint32      `json:"version"`
}

// RecipientDeclared names somebody data may go to (GDPR 4(9), 28, 44 ff.).
type RecipientDeclared struct {
	ID             domain.Name    `json:"id"`
	Kind           RecipientKind  `json:"kind"`
	Country        domain.Place   `json:"country"`
	Safeguard      Safeguard      `json:"safeguard,omitzero"`
	ContractReview time.Time      `json:"contract_review,omitzero"`
	Name           personal.Value `json:"-"` // recipient.name
	Contact        personal.Value `json:"-"` // recipient.contact
}
