package domain_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lethe/domain"
)

func TestDurations(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.DateOnly, s)
		require.NoError(t, err)
		return v
	}
	for _, c := range []struct {
		d          domain.Duration
		from, want string
	}{
		{"P1M", "2023-01-31", "2023-02-28"},
		{"P1M", "2024-01-31", "2024-02-29"},
		{"P1Y", "2024-02-29", "2025-02-28"},
		{"P1Y2M1W3D", "2024-01-15", "2025-03-25"},
		{"P30D", "2024-01-31", "2024-03-01"},
		{"P13M", "2023-12-31", "2025-01-31"},
	} {
		require.True(t, c.d.Valid())
		require.Equal(t, at(c.want), c.d.After(at(c.from)), "%s after %s", c.d, c.from)
	}
	for _, bad := range []domain.Duration{"", "P", "1Y", "PT1H", "P1.5Y", "P1D1Y", "p1y", "P-1Y"} {
		require.False(t, bad.Valid(), bad)
	}
}

func TestTokensCarryAChecksum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.SliceOfN(rapid.Byte(), 15, 15).Draw(t, "seed")
		token, err := domain.NewToken(bytes.NewReader(seed))
		require.NoError(t, err)
		parsed, err := domain.ParseToken(string(token))
		require.NoError(t, err)
		require.Equal(t, token, parsed)
	})
	_, err := domain.NewToken(strings.NewReader("short"))
	require.Error(t, err)
}

func TestAnyOtherLetterBreaksAToken(t *testing.T) {
	token, err := domain.NewToken(strings.NewReader("fifteen  random"))
	require.NoError(t, err)
	for i := range token {
		for _, other := range "abcdefghijklmnopqrstuvwxyz234567" {
			changed := string(token[:i]) + string(other) + string(token[i+1:])
			if changed != string(token) {
				_, err := domain.ParseToken(changed)
				require.Error(t, err)
				require.NotContains(t, err.Error(), changed)
			}
		}
	}
}

func TestTermsKnowTheirForm(t *testing.T) {
	for text, valid := range map[string]bool{
		"email": true, "a.b_c-d2": true, "": false, "A": false, "a..b": false, "-a": false, "a-": false, "jo@x.org": false,
		strings.Repeat("a", 64): true, strings.Repeat("a", 65): false,
	} {
		_, err := domain.ParseName("field", text)
		require.Equal(t, valid, err == nil, text)
	}
	require.True(t, domain.Term("dpv-pd:EmailAddress").Valid())
	require.False(t, domain.Term("a b").Valid())
	require.True(t, domain.Language("pt-BR").Valid())
	require.False(t, domain.Language("German").Valid())
	require.Equal(t, "GB", domain.Place("GB-SCT").Country())
	require.Empty(t, domain.Place("").Country())
	require.False(t, domain.Currency("eur").Valid())
	require.True(t, domain.Consent.Valid())
	require.False(t, domain.Basis("habit").Valid())
}

func TestIDsAndDigestsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := domain.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		back, err := domain.ParseID(id.String())
		require.NoError(t, err)
		require.Equal(t, id, back)

		digest := domain.Digest(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest"))
		text, err := json.Marshal(digest)
		require.NoError(t, err)
		var again domain.Digest
		require.NoError(t, json.Unmarshal(text, &again))
		require.Equal(t, digest, again)
	})
	for _, bad := range []string{"", "x", strings.Repeat("g", 36), "00000000-0000-0000-0000-00000000000g", "00000000_0000-0000-0000-000000000000"} {
		_, err := domain.ParseID(bad)
		require.Error(t, err)
	}
	var d domain.Digest
	require.Error(t, d.UnmarshalText([]byte("00")))
	require.Error(t, d.UnmarshalText([]byte(strings.Repeat("0", 66))))
}

func TestErrorsSayWhatAndWhy(t *testing.T) {
	cause := errors.New("disk")
	e := domain.Invalid("field.type", "email", "give %s", "an address").Citing("GDPR 5")
	require.Equal(t, "field.type: give an address (GDPR 5)", e.Error())
	found, ok := domain.AsError(fmt.Errorf("recording: %w", e))
	require.True(t, ok)
	require.Equal(t, e, found)
	require.ErrorIs(t, domain.Internal("writing", cause), cause)
	_, ok = domain.AsError(cause)
	require.False(t, ok)
}
