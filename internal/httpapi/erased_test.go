package httpapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/internal/httpapi"
)

// A value that is erased is a marker wherever it is shown, with and without a
// purpose, also looking back to when it was not; facts stay, and what is
// recorded in a new lifecycle reads.
func TestAnErasedValueIsAMarkerInHistory(t *testing.T) {
	w := erasing(t)
	token := w.served("ada@example.com")
	at := "/v1/subjects/" + token
	states := func(query string) map[string]int {
		var h httpapi.History
		unmarshalled(t, w.do("GET", at+"/history"+query, nil).is(200).body, &h)
		found := map[string]int{}
		for _, e := range h.Events {
			require.NotEmpty(t, e.Facts)
			for _, v := range e.Values {
				if v.Field == "email" || v.Field == "name" {
					found[v.Value.State]++
					require.Equal(t, v.Value.State == "present", v.Value.Text != nil)
				}
			}
		}
		return found
	}
	before := states("")
	require.Len(t, before, 1)
	require.Positive(t, before["sealed"])
	w.do("POST", at+"/erasure", m{"groups": []string{"contact"}, "ground": "unlawful"}, w.fresh()).is(202)
	require.Equal(t, "completed", w.ended(token))
	for _, query := range []string{"", "?by=effective"} {
		after := states(query)
		require.Len(t, after, 1, query)
		require.Equal(t, before["sealed"], after["erased"], query)
	}
	var changes httpapi.SubjectChanges
	unmarshalled(t, w.do("GET", at+"/changes?from=2020-01-01", nil).is(200).body, &changes)
	require.NotEmpty(t, changes.Events)
	for _, e := range changes.Events {
		for _, v := range e.Values {
			if v.Field == "email" {
				require.Equal(t, "erased", v.Value.State)
			}
		}
	}
}
