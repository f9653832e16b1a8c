package keyring

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
)

func TestANonceSpeaksOfOneRequestOnly(t *testing.T) {
	k := open(t, options(t))
	of := NonceOf{
		Request: domain.ID{1}, Token: "s1", Purpose: "club", Version: 1, Notice: domain.Digest{2},
		Expires: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	nonce := k.Nonce(of)
	require.Len(t, nonce, 43)
	require.True(t, k.NonceMatches(of, nonce))
	same := of
	same.Expires = of.Expires.In(time.FixedZone("east", 3600))
	require.True(t, k.NonceMatches(same, nonce))
	for name, change := range map[string]func(*NonceOf){
		"request": func(o *NonceOf) { o.Request[0]++ },
		"token":   func(o *NonceOf) { o.Token = "s2" },
		"purpose": func(o *NonceOf) { o.Purpose = "clubs" },
		"version": func(o *NonceOf) { o.Version++ },
		"notice":  func(o *NonceOf) { o.Notice[31]++ },
		"expires": func(o *NonceOf) { o.Expires = o.Expires.Add(time.Microsecond) },
	} {
		other := of
		change(&other)
		require.False(t, k.NonceMatches(other, nonce), name)
	}
	for _, wrong := range []string{"", nonce[:42], nonce + "A", nonce[:42] + "!", "\n" + nonce[1:]} {
		require.False(t, k.NonceMatches(of, wrong), "%q", wrong)
	}
}
