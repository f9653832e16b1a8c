package certificate

import (
	"encoding/csv"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/testenv"
)

// factsOf are an event's facts as the ledger stores them.
func factsOf(t *testing.T, event domain.Event) *Event {
	t.Helper()
	b, err := json.Marshal(event)
	require.NoError(t, err)
	return &Event{ID: "e", Type: event.EventType().Name, Facts: string(b)}
}

// What a verifier reads is what the ledger's own types write.
func TestFactsAreTheLedgers(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 30, 0, 123456000, time.UTC)
	erasure, key, hold := domain.ID{1, 15: 2}, domain.ID{3, 15: 4}, domain.ID{5, 15: 6}
	main, other := domain.Token("smain"), domain.Token("sother")
	groups := []subject.Weighed{
		{Group: "contact", Outcome: subject.Erase, Ground: subject.ConsentGone},
		{Group: "orders", Outcome: subject.Trim, Ground: subject.NotNecessary, Rule: subject.KeptByLaw, Purpose: "accounting", Until: at, Values: []subject.ValueRef{{Field: "invoice"}, {Field: "note", Slot: 3}}},
		{Group: "old", Outcome: subject.Trim, Ground: subject.NotNecessary},
		{Group: domain.EvidenceGroup, Outcome: subject.Trim, Ground: subject.NotNecessary},
		{Group: "claims", Outcome: subject.Keep, Rule: subject.KeptByHold, Purpose: "claims", Hold: hold},
		{Group: "service", Outcome: subject.Refuse, Rule: subject.ContractRuns, Purpose: "service"},
	}
	var c Certificate
	r := Record{}
	tell := func(event domain.Event) {
		t.Helper()
		e := factsOf(t, event)
		e.Recorded = Stamp(at)
		require.NoError(t, c.tell(&r, e))
	}
	tell(&subject.ErasureOrdered{Erasure: erasure, Cause: subject.OnRelease, Everything: true, Groups: groups, Linked: []domain.Token{other}, Of: main, By: subject.Guardian})
	ref := subject.KeyRef{Group: "contact", Generation: 7, Key: key}
	tell(&subject.ErasureStarted{Erasure: erasure, Groups: groups, Keys: []subject.KeyRef{ref}, Linked: []domain.Token{other}, Catalogue: 9})
	tell(&subject.ErasureCompleted{
		Erasure: erasure, Keys: []subject.KeyDestroyed{{KeyRef: ref, Fingerprint: domain.Digest{0xab}, At: at}, {KeyRef: ref, At: at}},
		Sinks: []subject.SinkConfirmed{{Sink: "keys", Guarantee: subject.PurgePending, Position: 1 << 60, At: at}}, DeadFrom: at, Marks: 3,
	})
	tell(&subject.ErasureReapplied{Erasure: erasure, Keys: []subject.KeyRef{ref}})
	require.Error(t, c.tell(&r, factsOf(t, &subject.ErasureReapplied{Erasure: domain.ID{9}, Keys: []subject.KeyRef{ref}})), "after the start it is another's")
	require.Equal(t, erasure.String(), c.Erasure)
	then := Stamp(at)
	claims := "eu-gdpr:JustificationA17LegalClaims"
	require.Equal(t, Record{
		Of: "smain", Outcome: Erased, Cause: "release", By: "guardian", Everything: true, Ordered: then, Started: then, Completed: then,
		Erased: []ErasedGroup{
			{Group: "contact", Extent: Whole, Ground: "consent_withdrawn", Article: "GDPR 17(1)(b)", DPV: "eu-gdpr:JustificationA17NoLegalBasis"},
			{Group: "orders", Extent: Values, Values: []string{"invoice", "note#3"}, Ground: "no_longer_necessary", Article: "GDPR 17(1)(a)", DPV: "eu-gdpr:JustificationA17NonNecessity"},
			{Group: "old", Extent: Superseded, Ground: "no_longer_necessary", Article: "GDPR 17(1)(a)", DPV: "eu-gdpr:JustificationA17NonNecessity"},
			{Group: "evidence", Extent: SoFar, Ground: "no_longer_necessary", Article: "GDPR 17(1)(a)", DPV: "eu-gdpr:JustificationA17NonNecessity"},
		},
		Keys: []Key{
			{Group: "contact", Generation: 7, Key: key.String(), Fingerprint: domain.Digest{0xab}.String(), At: then},
			{Group: "contact", Generation: 7, Key: key.String(), At: then},
		},
		Kept: []Kept{
			{Group: "orders", Rule: "legal_obligation", Article: "GDPR 17(3)(b)", DPV: "eu-gdpr:JustificationA17LegallyRequired", Purpose: "accounting", Until: then},
			{Group: "claims", Rule: "hold", Article: "GDPR 17(3)(e)", DPV: claims, Purpose: "claims", Hold: hold.String()},
			{Group: "service", Rule: "contract_running", Article: "GDPR 6(1)(b)", Purpose: "service"},
		},
		Sinks: []Sink{{Sink: "keys", Guarantee: "purge_scheduled", Position: 1 << 60, At: then}},
		Marks: 3, Linked: []string{"sother"}, Again: []Again{{At: then, Keys: []string{key.String()}}},
	}, r)

	c, r = Certificate{}, Record{}
	tell(&subject.ErasureReapplied{Erasure: domain.ID{9}, Keys: []subject.KeyRef{ref}})
	require.Empty(t, c.Erasure)
	require.Equal(t, []Before{{
		Erasure: domain.ID{9}.String(), At: then, Keys: []KeyRef{{Group: "contact", Generation: 7, Key: key.String()}},
	}}, r.Before)
	require.Empty(t, r.Again)

	c, r = Certificate{}, Record{}
	tell(&subject.ErasureOrdered{Erasure: erasure, Cause: subject.OnDecision, Groups: groups[:1], By: subject.Controller})
	tell(&subject.ErasureStopped{Erasure: erasure, Groups: groups[4:]})
	require.Equal(t, NothingErased, r.Outcome)
	require.Len(t, r.Kept, 2)
	require.Error(t, c.tell(&r, factsOf(t, &subject.ErasureStarted{Erasure: erasure})), "stopped")
}

var (
	grounds = []subject.ErasureGround{subject.NotNecessary, subject.ConsentGone, subject.ObjectedTo, subject.Unlawful, subject.DutyToErase, subject.ChildService}
	rules   = []subject.KeepRule{
		subject.ConsentStands, subject.ContractRuns, subject.VitalInterest, subject.GroundsOverride, subject.RestrictedByWish, subject.KeptByHold,
		subject.KeptByLaw, subject.KeptByTask, subject.KeptForClaims, subject.KeptByDuty, subject.KeptAsEvidence,
	}
	causes     = []subject.ErasureCause{subject.OnRequest, subject.OnDecision, subject.OnRetention, subject.OnRectification, subject.OnRelease}
	guarantees = []subject.Guarantee{subject.Destroyed, subject.PurgePending, subject.Fenced, subject.GuaranteeNone}
)

// Every ground, rule, cause and guarantee has its article and its words, and
// every term is one of the published vocabulary.
func TestEveryRuleHasItsArticleAndTerm(t *testing.T) {
	f, err := os.Open(testenv.TestData(t, "dpv", "2.3_legal_eu_gdpr_eu-gdpr.csv"))
	require.NoError(t, err)
	defer f.Close() //nolint:errcheck // read only
	in := csv.NewReader(f)
	in.LazyQuotes, in.FieldsPerRecord = true, -1
	rows, err := in.ReadAll()
	require.NoError(t, err)
	term := func(r rule) {
		t.Helper()
		if name, ok := strings.CutPrefix(r.dpv, "eu-gdpr:"); r.dpv != "" {
			require.True(t, ok && slices.ContainsFunc(rows, func(row []string) bool { return row[0] == name }), r.dpv)
		}
	}
	unknown := map[string]bool{}
	for _, g := range grounds {
		require.True(t, g.Valid())
		require.NotEmpty(t, groundOf(string(g)).dpv, g)
		require.NotEqual(t, words(string(g)), groundSays(string(g)))
		term(groundOf(string(g)))
	}
	for _, r := range rules {
		require.True(t, r.Valid())
		require.NotEqual(t, words(string(r)), ruleSays(string(r)))
		term(ruleOf(string(r)))
		if ruleOf(string(r)).article == "GDPR 17(3)" {
			unknown[string(r)] = true
		}
	}
	require.Equal(t, map[string]bool{"duty": true}, unknown, "which of 17(3) is the purpose's to say")
	for _, c := range causes {
		require.True(t, c.Valid())
		require.NotEqual(t, words(string(c)), causeSays(string(c)))
	}
	for _, g := range guarantees {
		require.True(t, g.Valid())
		require.NotEqual(t, words(string(g)), guaranteeSays(string(g)))
	}
}

// The weakest place says how strong the whole is, and only "destroyed"
// everywhere lets a certificate say that keys were destroyed.
func TestTheWeakestGuaranteeCounts(t *testing.T) {
	for _, c := range [][]string{
		{"destroyed", "destroyed"},
		{"destroyed", "destroyed", "destroyed"},
		{"purge_scheduled", "destroyed", "purge_scheduled", "destroyed"},
		{"fenced", "purge_scheduled", "fenced", "destroyed"},
		{"unknown", "purge_scheduled", "unknown", "fenced"},
		{"new_word", "destroyed", "new_word", "purge_scheduled"},
		{"unknown", ""},
	} {
		g := ""
		for _, sink := range c[1:] {
			g = Weaker(g, sink)
		}
		require.Equal(t, c[0], g, "%v", c[1:])
		require.Equal(t, c[0] == "destroyed", strings.Contains(stated(g), "were destroyed"), stated(g))
	}
}

func TestWordsAndDays(t *testing.T) {
	require.Equal(t, "Erasure ordered", words("ErasureOrdered"))
	require.Equal(t, "purge scheduled", words("purge_scheduled"))
	require.Equal(t, "2026-01-01", day("2026-01-01T00:00:00.000000Z"))
	require.Equal(t, "2026-01-01 10:00:00.5 UTC", day("2026-01-01T10:00:00.500000Z"))
	require.Equal(t, "no time", readable("no time"))
	require.Equal(t, 1, Line([]byte("a"), []byte("b")))
	require.Equal(t, 2, Line([]byte("a\nb"), []byte("a\nc")))
	require.Equal(t, 2, Line([]byte("a\nb"), []byte("a\n")))
}
