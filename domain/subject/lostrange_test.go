package subject_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/access"
	"lethe/domain/subject"
)

// While what the log lost is not accepted, a yes that rests on consent becomes
// a no with a reason of its own, and every other answer stays what it was.
func TestNoConsentCountsWhileALostRangeIsNotAccepted(t *testing.T) {
	cat := testCatalogue(t)
	off := 0
	for kind, cases := range map[string]map[string]rowCase{"row": rows(), "pair": pairs()} {
		for name, c := range cases {
			w := newNamedWorld(t, cat, "a")
			for i, g := range c.given {
				w.on(i + 1).do(g)
			}
			w.on(len(c.given) + 1)
			if c.ask.At.IsZero() {
				c.ask.At = w.now
			}
			first := subject.Record{State: w.s}
			if c.fenced != "" {
				first.Fenced = map[domain.Name]bool{domain.Name(c.fenced): true}
			}
			before := subject.MayProcess(cat, []subject.Record{first}, c.ask)
			c.ask.LostRange = true
			after := subject.MayProcess(cat, []subject.Record{first}, c.ask)
			where := kind + "/" + name
			switch byConsent := before.Basis == domain.Consent && before.Row == subject.RuleBasis; {
			case !before.Allowed || byConsent:
				require.False(t, after.Allowed, where)
			case before.Row == subject.RuleBasis:
				require.Equal(t, before, after, where)
			}
			if after.Reason == access.RuleLostRange {
				require.Equal(t, subject.RuleBasis, after.Row, where)
				require.NotEmpty(t, after.RestsOn, where)
				off++
			}
		}
	}
	require.Greater(t, off, 3)
}
