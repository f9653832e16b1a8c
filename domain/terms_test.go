package domain_test

import (
	"crypto/rand"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lethe/domain"
)

func TestNamesHaveTheirForm(t *testing.T) {
	pattern := regexp.MustCompile(`^[a-z][a-z0-9]*([._-][a-z0-9]+)*$`)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[a-cA-B0-1._@ é-]{0,8}`).Draw(t, "name")
		require.Equal(t, pattern.MatchString(s), domain.Name(s).Valid(), "%q", s)
	})
	require.False(t, domain.Name(strings.Repeat("a", 65)).Valid())
	require.True(t, domain.Name(strings.Repeat("a", 64)).Valid())
}

func TestTokensAreCheckedBeforeAnythingIsDoneWithThem(t *testing.T) {
	token, err := domain.NewToken(rand.Reader)
	require.NoError(t, err)
	parsed, err := domain.ParseToken(string(token))
	require.NoError(t, err)
	require.Equal(t, token, parsed)
	for i := range token {
		for _, c := range []byte("a7z-@") {
			if token[i] == c {
				continue
			}
			changed := []byte(token)
			changed[i] = c
			_, err := domain.ParseToken(string(changed))
			require.Error(t, err, "character %d became %c", i, c)
			require.NotContains(t, err.Error(), string(changed))
		}
	}
	for _, s := range []string{"", "canary@example.org", string(token) + "a", string(token[:27])} {
		require.False(t, domain.Token(s).Valid())
	}
}
