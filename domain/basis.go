package domain

import "slices"

// Basis is a lawful basis (GDPR 6(1)).
type Basis string

// Bases. UK law adds recognised legitimate interests, 6(1)(ea).
const (
	Consent              Basis = "consent"
	Contract             Basis = "contract"
	LegalObligation      Basis = "legal_obligation"
	VitalInterests       Basis = "vital_interests"
	PublicTask           Basis = "public_task"
	LegitimateInterests  Basis = "legitimate_interests"
	RecognisedInterestUK Basis = "recognised_legitimate_interests"
)

// Valid reports whether b is a known basis.
func (b Basis) Valid() bool {
	return slices.Contains([]Basis{
		Consent, Contract, LegalObligation, VitalInterests, PublicTask, LegitimateInterests, RecognisedInterestUK,
	}, b)
}
