package certificate

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What is read is written again to the byte, and can be shown.
func FuzzParse(f *testing.F) {
	small := Certificate{Format: Format, Records: []Record{{
		Token: "s", Erased: []ErasedGroup{{Group: "contact", Extent: Values, Values: []string{"email"}}}, Keys: []Key{{Group: "contact"}},
		Kept: []Kept{{Group: "orders", Rule: "hold"}}, Sinks: []Sink{{Sink: "keys", Position: 1}}, Disclosures: []Disclosure{{Fields: []string{"email"}}},
		Openings: []Opening{}, Events: []Event{{Facts: "{}"}},
	}}}
	text, err := small.Text()
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte(`{"format":"` + Format + `"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse(b)
		if err != nil {
			return
		}
		again, err := c.Text()
		require.NoError(t, err)
		require.Equal(t, string(b), string(again))
		page, err := Page(c)
		require.NoError(t, err)
		require.NotContains(t, string(page), "<script")
		_, err = Make(c.Input()) // refused or not, it comes back
		_ = err
	})
}
