package subject_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/subject"
)

// evidenceLeft is the record's evidence that opens yet, by field: what the last
// start sealed again and what was recorded since.
func (w *world) evidenceLeft() map[domain.Name]string {
	left := map[domain.Name]string{}
	var again map[domain.Name]string
	for _, r := range w.s.Entries() {
		switch e := r.Event.(type) {
		case *subject.ValuesResealed:
			if e.Group != domain.EvidenceGroup {
				continue
			}
			again = map[domain.Name]string{}
			for _, it := range e.Items {
				again[it.Field], _ = it.Value.Reveal()
			}
			continue
		case *subject.ErasureStarted:
			for _, g := range e.Groups {
				if g.Group == domain.EvidenceGroup && g.Outcome == subject.Trim {
					left = map[domain.Name]string{}
					for f, text := range again {
						left[f] = text
					}
				}
			}
			again = nil
			continue
		}
		for _, slot := range r.Event.Personal(nil) {
			if text, ok := slot.Value.Reveal(); ok && slot.Group == string(domain.EvidenceGroup) {
				left[domain.Name(slot.Field)] = text
			}
		}
	}
	return left
}

// On what a hold and a duty rest stays as long as they keep something, and goes
// afterwards; all other evidence goes.
func TestWhatAHoldAndADutyRestOnStays(t *testing.T) {
	w := newWorld(t).on(1).do(
		record("invoicing", "vat", "DE1"), record("analytics", "name", "Jo"), record("service", "email", "a@b.de"),
		subject.AssertBasis{Purpose: "invoicing", Basis: domain.LegalObligation, Reference: text("the statute")},
		subject.AssertBasis{Purpose: "analytics", Basis: domain.LegitimateInterests, Reference: text("the test")},
		subject.Object{Scope: subject.ToDisclosure, Reason: text("my reason")}, hold("identity"))
	weighed := w.weigh(subject.Scope{Everything: true}, "")["evidence"]
	require.Equal(t, subject.Weighed{
		Group: "evidence", Outcome: subject.Trim, Ground: subject.NotNecessary, Rule: subject.KeptByHold, Purpose: "claims", Hold: domain.ID{7},
	}, weighed)
	w.erased(1)
	kept := map[domain.Name]string{"hold.authority": "court order", "basis.reference": "the statute"}
	require.Equal(t, kept, w.evidenceLeft(), "the interests keep nothing")

	w.on(2).do(subject.ReleaseHold{Hold: domain.ID{7}}).requeued(domain.ID{1}, domain.ID{2})
	delete(kept, "hold.authority")
	require.Equal(t, kept, w.evidenceLeft())
	var waits []domain.Name
	for _, x := range w.s.Waiting() {
		waits = append(waits, x.Group)
		require.Equal(t, day(1).AddDate(3, 0, 0), x.Until)
	}
	require.ElementsMatch(t, []domain.Name{"billing", "evidence"}, waits)

	w.now = day(1).AddDate(3, 0, 0)
	w.requeued(domain.ID{1}, domain.ID{3}).requeued(domain.ID{2}, domain.ID{4})
	require.Empty(t, w.evidenceLeft())
	require.Empty(t, w.s.Waiting())
}

// Of a record that goes on every basis is to be shown, and what is all that
// there is of evidence is not asked to go.
func TestEvidenceOfARecordThatGoesOn(t *testing.T) {
	w := newWorld(t).on(1).do(contract("service"))
	require.Equal(t, domain.Name("service"), w.weigh(groups(domain.EvidenceGroup), "")["evidence"].Purpose)
	w.refuses("erasure.kept", order(groups(domain.EvidenceGroup)))
	w.do(subject.Object{Scope: subject.ToDisclosure, Reason: text("my reason")})
	w.do(order(groups(domain.EvidenceGroup))).carriedOut(erasureID)
	require.Equal(t, map[domain.Name]string{"basis.reference": "contract 7"}, w.evidenceLeft())
	w.refuses("erasure.kept", order(groups(domain.EvidenceGroup), func(c *subject.OrderErasure) { c.Erasure = domain.ID{6} }))
}

// What is said in a new lifecycle stays when what an earlier erasure had to
// leave of evidence goes.
func TestEvidenceOfANewLifecycle(t *testing.T) {
	w := newWorld(t).on(1).do(record("service", "email", "a@b.de"), hold("contact")).erased(1)
	w.do(subject.OpenLifecycle{Reason: text("came back")}, subject.Object{Scope: subject.ToDisclosure, Reason: text("my reason")})
	w.do(subject.ReleaseHold{Hold: domain.ID{7}}).requeued(domain.ID{1}, domain.ID{2})
	require.Equal(t, map[domain.Name]string{"lifecycle.reason": "came back", "objection.reason": "my reason"}, w.evidenceLeft())
}
