package certificate

func english() *phrases {
	return &phrases{
		language: "en", title: "Erasure of your personal data",
		opened: map[string]string{
			"request":       "On %s you asked us to erase personal data about you. This letter says what was done.",
			"decision":      "On %s we decided to erase personal data about you. This letter says what was done.",
			"retention":     "The time for which we may keep some personal data about you has ended. On %s we began to erase it. This letter says what was done.",
			"rectification": "Personal data about you was corrected. On %s we began to erase the values that had been replaced. This letter says what was done.",
			"release":       "Some personal data about you had to be kept, and the reason for it has ended. On %s we began to erase it. This letter says what was done.",
		},
		openedFor: "On %s we were asked on your behalf to erase personal data about you. This letter says what was done.",
		nothing:   "We examined it twice. Nothing of it may be erased now, for the reasons that follow.",

		erasedTitle: "What was erased", superseded: "earlier values of %s, which had been replaced",
		single: "single values of %s", left: "Other values of it stay (%s).",
		destroyed:   "This data was stored encrypted. Up to %s we destroyed the keys without which it cannot be read, in every copy that we control.",
		deleted:     "This data was stored encrypted. Up to %s we deleted the keys without which it cannot be read. A place that kept them still removes what it deletes on a schedule of its own.",
		fenced:      "This data was stored encrypted. Up to %s we destroyed the keys without which it cannot be read, as far as they were there. Those that we had lost are barred: should a copy of them be found, they are destroyed before anything is used.",
		deadFrom:    "From %s on no backup of ours can make it readable again. Should an older one be restored before, the keys are destroyed again before anything is used.",
		deadUnknown: "We cannot yet name the day from which on no backup of ours could make it readable. Should one be restored, the keys are destroyed again before anything is used.",

		keptTitle: "What stays, why, and until when", kept: "The following data about you stays for now:",
		keptNothing:  "Of what was to be erased nothing stays.",
		others:       "Data about you that this erasure was not about is not touched by it.",
		keptFacts:    "We also keep a record, without your name or address, that and when all this was done, so that we can account for it.",
		keptFor:      "It is kept for the purpose “%s”, and used for no other.",
		rest:         "the rest of %s",
		keptIn:       "The purpose is “%s”.",
		until:        "It stays until %s.",
		untilUnknown: "It stays as long as this reason lasts.",

		alsoTitle: "What else follows",
		withdrawn: "All consents that you had given us are withdrawn.",
		objected:  "Your objection to direct marketing is recorded. We will not use your data for it.",
		marks:     "So that your data is not taken up again by mistake, we keep check marks of it. Your data cannot be read from them.",

		givenTitle: "Who had received your data", given: "What was erased had been handed over before, by our records:",
		givenNobody: "By our records, what was erased had been handed over to nobody outside.",
		givenItem:   "%s: %s, last on %s", somebody: "a party that our records do not name",
		givenAfter: "What they hold is not erased by this. You may turn to them, and to us if you want to know more about it.",

		article:       "Article %s GDPR",
		complainTitle: "If you do not agree",
		complainGDPR: []string{
			"You may write to us. You may also lodge a complaint with a data-protection supervisory authority, in particular where you live, where you work, or where you think that the law was infringed (Article 77 GDPR).",
			"Whatever comes of that, you may take the matter to court (Article 79 GDPR).",
		},
		complain:     []string{"You may write to us. You may also complain to the authority that supervises data protection where you live, and take the matter to court."},
		contactTitle: "How to reach us", officer: "Data-protection officer",

		grounds: map[string]string{
			"no_longer_necessary": "it is no longer necessary for what it was collected for",
			"consent_withdrawn":   "the consent that it rested on is withdrawn, and nothing else allows us to keep it",
			"objected":            "you objected, and nothing outweighs that",
			"unlawful":            "it should not have been processed",
			"legal_duty":          "the law requires that it is erased",
			"child_service":       "it was collected for an online service when you were a child",
		},
		rules: map[string]string{
			"consent_stands":     "we have no ground to erase it: your consent to its use stands",
			"contract_running":   "we have no ground to erase it: the contract with you that needs it is running",
			"vital_interests":    "we have no ground to erase it: vital interests need it",
			"overriding_grounds": "we have no ground to erase it: documented grounds outweigh your objection",
			"restricted":         "you asked us to restrict its use instead of erasing it",
			"retention_runs":     "the time for which we keep it has not ended yet",
			"hold":               "it is needed to establish, exercise or defend legal claims",
			"legal_obligation":   "the law requires us to keep it",
			"public_task":        "a task in the public interest requires us to keep it",
			"legal_claims":       "it is needed to establish, exercise or defend legal claims",
			"duty":               "a duty requires us to keep it",
			"evidence":           "it shows that and when you consented and withdrew, and may be needed until claims are barred by time",
		},
		groups: map[string]string{"evidence": "evidence of your decisions", "record": "where your record came from"},
		months: [12]string{
			"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
		},
		dateForm: "%d %s %d",
	}
}
