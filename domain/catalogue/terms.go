// Package catalogue is what the controller declares before anything may be
// recorded: who it is, which data, why, on which basis, told how, and to whom
// it may go. It is event-sourced like everything else, so that a decision can
// be judged by the catalogue as it was.
package catalogue

import "slices"

// FieldType is the kind of a field's values. On the wire every value is a
// string in the canonical form given here.
type FieldType string

// Types.
const (
	Text        FieldType = "text"        // UTF-8, at most 64 KiB
	Email       FieldType = "email"       // local@domain
	Phone       FieldType = "phone"       // digits with an optional leading +
	Date        FieldType = "date"        // 2006-01-02
	Boolean     FieldType = "boolean"     // true | false
	Enumeration FieldType = "enumeration" // one of the declared names
	Integer     FieldType = "integer"     // decimal digits with an optional sign
	Decimal     FieldType = "decimal"     // plain decimal, never a float
	Money       FieldType = "money"       // decimal, a space, ISO 4217 currency: "12.50 EUR"
)

// Valid reports whether t is a known type.
func (t FieldType) Valid() bool {
	return slices.Contains([]FieldType{Text, Email, Phone, Date, Boolean, Enumeration, Integer, Decimal, Money}, t)
}

// LookupKind is how a field's values find people; it names the normaliser.
type LookupKind string

// Kinds.
const (
	NoLookup         LookupKind = ""
	LookupEmail      LookupKind = "email"
	LookupPhone      LookupKind = "phone"
	LookupExternalID LookupKind = "external_id"
)

// Valid reports whether k is a known kind.
func (k LookupKind) Valid() bool {
	return slices.Contains([]LookupKind{LookupEmail, LookupPhone, LookupExternalID}, k)
}

// Article9 is a condition for special categories of data (GDPR 9(2)).
type Article9 string

// Conditions, in the order of the article.
const (
	ExplicitConsent  Article9 = "explicit_consent"  // (a)
	EmploymentLaw    Article9 = "employment_law"    // (b)
	VitalInterests   Article9 = "vital_interests"   // (c)
	NotForProfitBody Article9 = "not_for_profit"    // (d)
	MadePublic       Article9 = "made_public"       // (e)
	LegalClaims      Article9 = "legal_claims"      // (f)
	PublicInterest   Article9 = "public_interest"   // (g)
	HealthCare       Article9 = "health_care"       // (h)
	PublicHealth     Article9 = "public_health"     // (i)
	Research         Article9 = "archives_research" // (j)
)

// Valid reports whether a is a known condition.
func (a Article9) Valid() bool {
	return slices.Contains([]Article9{
		ExplicitConsent, EmploymentLaw, VitalInterests, NotForProfitBody, MadePublic,
		LegalClaims, PublicInterest, HealthCare, PublicHealth, Research,
	}, a)
}

// RetentionStart is the event a retention period runs from.
type RetentionStart string

// Starts.
const (
	FromCollection    RetentionStart = "collection"
	FromContractEnd   RetentionStart = "contract_end"
	FromLastActivity  RetentionStart = "last_activity"
	FromConsentEnd    RetentionStart = "consent_end"
	FromRelationEnd   RetentionStart = "relation_end"
	FromFinancialYear RetentionStart = "financial_year_end"
)

// Valid reports whether s is a known start.
func (s RetentionStart) Valid() bool {
	return slices.Contains([]RetentionStart{
		FromCollection, FromContractEnd, FromLastActivity, FromConsentEnd, FromRelationEnd, FromFinancialYear,
	}, s)
}

// RecipientKind is a recipient's role (GDPR 4).
type RecipientKind string

// Kinds.
const (
	IsProcessor  RecipientKind = "processor"
	IsController RecipientKind = "controller"
	IsAuthority  RecipientKind = "authority"
)

// Valid reports whether k is a known kind.
func (k RecipientKind) Valid() bool {
	return slices.Contains([]RecipientKind{IsProcessor, IsController, IsAuthority}, k)
}

// Safeguard is what allows a transfer to a third country (GDPR 45 to 49).
type Safeguard string

// Safeguards.
const (
	Adequacy        Safeguard = "adequacy"
	StandardClauses Safeguard = "standard_clauses"
	BindingRules    Safeguard = "binding_rules"
	Derogation      Safeguard = "derogation"
)

// Valid reports whether s is a known safeguard.
func (s Safeguard) Valid() bool {
	return slices.Contains([]Safeguard{Adequacy, StandardClauses, BindingRules, Derogation}, s)
}

// Exemption is why a purpose may process restricted data (GDPR 18(2)).
type Exemption string

// Exemptions.
const (
	NoExemption   Exemption = ""
	Claims        Exemption = "legal_claims"
	RightsOfThird Exemption = "rights_of_others"
	GreatInterest Exemption = "important_public_interest"
)

// Valid reports whether e is a known exemption.
func (e Exemption) Valid() bool {
	return slices.Contains([]Exemption{Claims, RightsOfThird, GreatInterest}, e)
}
