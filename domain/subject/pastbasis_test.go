package subject_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lethe/domain"
	"lethe/domain/subject"
)

// What stands among past bases is what At says stands, and nothing that was
// ever asserted or ended is left out.
func TestPastBasesAreThoseThatStandAndThoseThatDid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawState(t, "a")
		recorded, effective := drawWindow(t)
		past := s.PastBases(recorded, effective)
		stand := []subject.Basis{}
		keys := map[[2]string]bool{}
		for _, b := range past {
			require.NotNil(t, b.Rest)
			keys[[2]string{string(b.Purpose), string(b.Basis)}] = true
			if b.State == subject.BasisStands {
				stand = append(stand, subject.Basis{Purpose: b.Purpose, Version: b.Version, Basis: b.Basis, Until: b.Until, Rest: b.Rest})
			}
		}
		require.Equal(t, append([]subject.Basis{}, s.At(recorded, effective).Bases...), stand)
		known := map[[2]string]bool{}
		for _, r := range seen(s, recorded, effective) {
			switch e := r.Event.(type) {
			case *subject.BasisAsserted:
				known[[2]string{string(e.Purpose), string(e.Basis)}] = true
			case *subject.BasisEnded:
				known[[2]string{string(e.Purpose), string(e.Basis)}] = true
			}
		}
		require.Equal(t, known, keys)
		require.Len(t, past, len(keys), "each once")
	})
}

func TestABasisEndsOrExpires(t *testing.T) {
	token := tokenOf("a")
	var s *subject.State
	add := func(at int, e domain.Event) *subject.State {
		s = subject.Evolve(s, domain.Recorded{
			ID: domain.ID{15: byte(s.Next() + 1)}, Stream: token.Stream(), Revision: s.Next(), Position: s.Next() + 1, Recorded: day(at), Event: e,
		})
		return s
	}
	at := func(n int) subject.PastBasis {
		all := s.PastBases(day(n), day(n))
		require.Len(t, all, 1)
		return all[0]
	}
	add(0, &subject.BasisAsserted{Purpose: "service", Version: 2, Basis: domain.Contract, Until: day(10)})
	require.Equal(t, subject.BasisStands, at(9).State)
	expired := at(10)
	require.Equal(t, subject.BasisExpired, expired.State, "the end is half-open")
	require.Equal(t, day(10), expired.Since)
	require.Equal(t, uint64(0), expired.Rest.Revision)
	add(12, &subject.BasisEnded{Purpose: "service", Basis: domain.Contract})
	require.Equal(t, subject.BasisExpired, at(12).State, "it was over by itself before")
	add(13, &subject.BasisAsserted{Purpose: "service", Version: 3, Basis: domain.Contract})
	require.Equal(t, subject.BasisStands, at(13).State)
	add(13, &subject.BasisEnded{Purpose: "service", Basis: domain.Contract})
	over := at(14)
	require.Equal(t, subject.BasisOver, over.State)
	require.Equal(t, uint32(3), over.Version)
	require.Equal(t, uint64(2), over.Asserted.Revision)
	require.Equal(t, uint64(3), over.Rest.Revision)
	require.Empty(t, s.PastBases(day(-1), day(-1)))
}
