package personal_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain/personal"
)

// Every careless way out tells nothing.
func TestValuesDoNotLeak(t *testing.T) {
	const canary = "canary-4711"
	for name, v := range map[string]personal.Value{
		"present": personal.Of(canary),
		"sealed":  personal.SealedAs(&personal.Ref{Stream: canary, Part: []byte(canary)}),
	} {
		t.Run(name, func(t *testing.T) {
			holder := struct{ V personal.Value }{v}
			var log bytes.Buffer
			slog.New(slog.NewJSONHandler(&log, nil)).Info("careless", "value", v, "holder", holder)
			slog.New(slog.NewTextHandler(&log, nil)).Info("careless", "value", v)
			encoded, err := json.Marshal(holder)
			require.NoError(t, err)
			out := log.String() + string(encoded)
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
				out += fmt.Sprintf(verb, v) + fmt.Sprintf(verb, holder) + fmt.Sprintf(verb, &v)
			}
			require.NotContains(t, out, canary)
			require.NotContains(t, out, fmt.Sprintf("%x", canary))
			require.Contains(t, out, "[personal]")
		})
	}
}

func TestStatesAreDifferent(t *testing.T) {
	_, ok := personal.Value{}.Reveal()
	require.False(t, ok)
	require.True(t, personal.Value{}.IsZero())
	require.False(t, personal.Of("").IsZero(), "an empty text is a value")
	text, ok := personal.Of("x").Reveal()
	require.True(t, ok)
	require.Equal(t, "x", text)
	require.Equal(t, personal.Erased, personal.Unreadable(personal.Erased).State())
	require.Equal(t, personal.KeyMissing, personal.Unreadable(personal.KeyMissing).State())
	require.Equal(t, personal.Tampered, personal.Unreadable(personal.Present).State())
	require.Nil(t, personal.Of("x").Ref())
	require.Equal(t, "key_missing", personal.KeyMissing.String())
	require.Equal(t, "unknown", personal.State(99).String())
}

// What cannot be read is no text, no number, no list: it has no plaintext, is
// not absent, and differs from an empty text in every way out.
func TestPitfall21ErasedIsNeverEmpty(t *testing.T) {
	empty := personal.Of("")
	for _, why := range []personal.State{personal.Erased, personal.KeyMissing, personal.Tampered} {
		v := personal.Unreadable(why)
		text, ok := v.Reveal()
		require.False(t, ok, "who asks for the text is told that there is none")
		require.Empty(t, text)
		require.Equal(t, why, v.State())
		require.False(t, v.IsZero(), "it is not left out as absent values are")
		require.NotEqual(t, empty, v)
		require.NotEqual(t, personal.Value{}, v)
		for _, other := range []any{struct{ V personal.Value }{v}, []personal.Value{v}, map[string]personal.Value{"a": v}} {
			encoded, err := json.Marshal(other)
			require.NoError(t, err)
			require.Contains(t, string(encoded), `"[personal]"`, "no careless way out makes an empty value of it")
		}
		require.NotEmpty(t, fmt.Sprint(v))
	}
}
