package subject

import "slices"

// Outcome is what an erasure means for a retention group.
type Outcome string

// Outcomes.
const (
	Erase  Outcome = "erase"  // its keys are destroyed
	Trim   Outcome = "trim"   // some values go: the others are sealed under a new key, the old one is destroyed; of evidence, what was recorded so far and nothing that stands rests on
	Keep   Outcome = "keep"   // an exception or a duty keeps it (GDPR 17(3))
	Refuse Outcome = "refuse" // no ground of GDPR 17(1) applies
)

// Valid reports whether o is a known outcome.
func (o Outcome) Valid() bool { return slices.Contains([]Outcome{Erase, Trim, Keep, Refuse}, o) }

// ErasureGround is a ground of GDPR 17(1).
type ErasureGround string

// Grounds.
const (
	NotNecessary    ErasureGround = "no_longer_necessary" // 17(1)(a), and 5(1)(e): retention has ended
	ConsentGone     ErasureGround = "consent_withdrawn"   // 17(1)(b)
	ObjectedTo      ErasureGround = "objected"            // 17(1)(c)
	Unlawful        ErasureGround = "unlawful"            // 17(1)(d)
	DutyToErase     ErasureGround = "legal_duty"          // 17(1)(e)
	ChildService    ErasureGround = "child_service"       // 17(1)(f)
	NoErasureGround ErasureGround = ""
)

// Valid reports whether g is a known ground.
func (g ErasureGround) Valid() bool {
	return slices.Contains([]ErasureGround{NotNecessary, ConsentGone, ObjectedTo, Unlawful, DutyToErase, ChildService}, g)
}

// overrides reports whether no other basis can rescue what goes on this ground.
func (g ErasureGround) overrides() bool {
	return g == Unlawful || g == DutyToErase || g == ChildService
}

// KeepRule is why something stays.
type KeepRule string

// Rules. The first six are the absence of a ground of GDPR 17(1); KeptByHold
// to KeptByEvidence are exceptions of 17(3).
const (
	ConsentStands    KeepRule = "consent_stands"
	ContractRuns     KeepRule = "contract_running"
	VitalInterest    KeepRule = "vital_interests"
	GroundsOverride  KeepRule = "overriding_grounds" // documented against an objection (21(1))
	RestrictedByWish KeepRule = "restricted"         // the person asked to keep it (18(1)(b), (c))
	RetentionRuns    KeepRule = "retention_runs"     // it was to go when its retention had ended
	KeptByHold       KeepRule = "hold"               // 17(3)(e)
	KeptByLaw        KeepRule = "legal_obligation"   // 17(3)(b)
	KeptByTask       KeepRule = "public_task"        // 17(3)(b)
	KeptForClaims    KeepRule = "legal_claims"       // 17(3)(e)
	KeptByDuty       KeepRule = "duty"               // another duty of 17(3) that the purpose declares
	KeptAsEvidence   KeepRule = "evidence"           // of consent, to the end of limitation (7(1), 17(3)(e))
)

// Valid reports whether r is a known rule.
func (r KeepRule) Valid() bool {
	return r.refuses() || slices.Contains([]KeepRule{KeptByHold, KeptByLaw, KeptByTask, KeptForClaims, KeptByDuty, KeptAsEvidence}, r)
}

// refuses: nothing keeps the data, but there is no ground to erase it either.
func (r KeepRule) refuses() bool {
	return slices.Contains([]KeepRule{ConsentStands, ContractRuns, VitalInterest, GroundsOverride, RestrictedByWish, RetentionRuns}, r)
}

// ErasureCause is what set an erasure off.
type ErasureCause string

// Causes.
const (
	OnRequest       ErasureCause = "request"       // of the person
	OnDecision      ErasureCause = "decision"      // of the controller
	OnRetention     ErasureCause = "retention"     // a retention period ended
	OnRectification ErasureCause = "rectification" // superseded values go
	OnRelease       ErasureCause = "release"       // a hold or duty that had kept it ended
)

// Valid reports whether c is a known cause.
func (c ErasureCause) Valid() bool {
	return slices.Contains([]ErasureCause{OnRequest, OnDecision, OnRetention, OnRectification, OnRelease}, c)
}

// Guarantee is how much a store promises about what it destroyed.
type Guarantee string

// Guarantees.
const (
	Destroyed     Guarantee = "destroyed"       // overwritten in every file that it controls
	PurgePending  Guarantee = "purge_scheduled" // gone when the store's own schedule says
	Fenced        Guarantee = "fenced"          // a key was not there: it is destroyed when a copy of the key store with it is opened
	GuaranteeNone Guarantee = "unknown"
)

// Valid reports whether g is a known guarantee.
func (g Guarantee) Valid() bool {
	return slices.Contains([]Guarantee{Destroyed, PurgePending, Fenced, GuaranteeNone}, g)
}
