package keyring

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
)

func TestNonceSpeaksOfOneRequest(t *testing.T) {
	k, other := open(t, options(t)), open(t, options(t))
	of := NonceOf{Request: domain.ID{1}, Token: token(t, k), Purpose: "newsletter", Version: 2, Notice: domain.Digest{3}, Expires: time.Unix(1000, 0)}
	nonce := k.Nonce(of)
	require.Equal(t, nonce, k.Nonce(of))
	require.True(t, k.NonceMatches(of, nonce))
	require.False(t, other.NonceMatches(of, nonce))
	for _, change := range []func(n *NonceOf){
		func(n *NonceOf) { n.Request[15]++ },
		func(n *NonceOf) { n.Token = token(t, k) },
		func(n *NonceOf) { n.Purpose = "newsletters" },
		func(n *NonceOf) { n.Version++ },
		func(n *NonceOf) { n.Notice[0]++ },
		func(n *NonceOf) { n.Expires = n.Expires.Add(time.Nanosecond) },
	} {
		changed := of
		change(&changed)
		require.False(t, k.NonceMatches(changed, nonce))
	}
	for _, bad := range []string{"", nonce + "A", nonce[1:], "!" + nonce[1:]} {
		require.False(t, k.NonceMatches(of, bad))
	}
}
