package certificate

import "cmp"

// rule is what the law calls a reason to erase or to keep. DPV is the term of
// the Data Privacy Vocabulary's GDPR extension, where it has one.
type rule struct {
	article, dpv string
	exception    bool // of 17(3): kept for the purpose that it is for and no other
}

// groundOf is a ground of GDPR 17(1).
func groundOf(ground string) rule {
	const dpv = "eu-gdpr:JustificationA17"
	switch ground {
	case "no_longer_necessary":
		return rule{article: "GDPR 17(1)(a)", dpv: dpv + "NonNecessity"}
	case "consent_withdrawn":
		return rule{article: "GDPR 17(1)(b)", dpv: dpv + "NoLegalBasis"}
	case "objected":
		return rule{article: "GDPR 17(1)(c)", dpv: dpv + "ObjectA21"}
	case "unlawful":
		return rule{article: "GDPR 17(1)(d)", dpv: dpv + "UnlawfulProcessing"}
	case "legal_duty":
		return rule{article: "GDPR 17(1)(e)", dpv: dpv + "LegalErasure"}
	case "child_service":
		return rule{article: "GDPR 17(1)(f)", dpv: dpv + "ChildData"}
	}
	return rule{article: "GDPR 17(1)"}
}

// ruleOf is what keeps something. The first six are no exceptions of 17(3):
// on what the processing rests there is no ground of 17(1) to erase it.
func ruleOf(name string) rule {
	const dpv = "eu-gdpr:JustificationA17"
	switch name {
	case "consent_stands":
		return rule{article: "GDPR 6(1)(a)"}
	case "contract_running":
		return rule{article: "GDPR 6(1)(b)"}
	case "vital_interests":
		return rule{article: "GDPR 6(1)(d)"}
	case "overriding_grounds":
		return rule{article: "GDPR 21(1)"}
	case "restricted":
		return rule{article: "GDPR 18(1)(b), (c)"}
	case "retention_runs":
		return rule{article: "GDPR 5(1)(e)"}
	case "legal_obligation":
		return rule{"GDPR 17(3)(b)", dpv + "LegallyRequired", true}
	case "public_task":
		return rule{"GDPR 17(3)(b)", dpv + "OfficialAuthority", true}
	case "hold", "legal_claims":
		return rule{"GDPR 17(3)(e)", dpv + "LegalClaims", true}
	case "evidence":
		return rule{"GDPR 7(1), 17(3)(e)", dpv + "LegalClaims", true}
	}
	return rule{article: "GDPR 17(3)", exception: true}
}

// Weaker is the guarantee that promises less; "" promises nothing yet.
func Weaker(a, b string) string {
	rank := map[string]int{"": 4, "destroyed": 3, "purge_scheduled": 2, "fenced": 1}
	if a == "" || rank[b] < rank[a] {
		return cmp.Or(b, "unknown")
	}
	return a
}
