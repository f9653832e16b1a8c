package codec

import (
	"reflect"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMetadataIsReadAndWrittenAsByJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m storedMetadata
		fillLegal(t, reflect.ValueOf(&m.Metadata).Elem(), drawn{t})
		m.Parts = rapid.IntRange(0, 256).Draw(t, "parts")
		b, err := json.Marshal(&m, options)
		require.NoError(t, err)
		require.Equal(t, string(b), string(appendMetadata(nil, &m)))
		require.LessOrEqual(t, len(b), metadataSize)
		var got storedMetadata
		require.True(t, readMetadata(b, &got), "%s", b)
		require.Equal(t, m, got)
	})
}

// FuzzMetadata: what the fast reader takes, JSON takes for the same.
func FuzzMetadata(f *testing.F) {
	const id = "02000000-0000-0000-0000-000000000000"
	f.Add(`{"principal":"` + id + `"}`)
	f.Add(`{"principal":"` + id + `","purpose":"a","causation":"` + id + `","catalogue":12,"parts":3}`)
	f.Add(`{"principal":"` + id + `","purpose":"a\u0000"}`)
	f.Add(`{"principal":"` + id + `","catalogue":007}`)
	f.Add(`{"principal":"` + id + `","catalogue":99999999999999999999}`)
	f.Add(`{"principal":"` + id + `","purpose":"` + "\xff" + `"}`)
	f.Fuzz(func(t *testing.T, text string) {
		var fast, slow storedMetadata
		if !readMetadata([]byte(text), &fast) {
			return
		}
		require.NoError(t, json.Unmarshal([]byte(text), &slow, options))
		require.Equal(t, slow, fast)
	})
}
