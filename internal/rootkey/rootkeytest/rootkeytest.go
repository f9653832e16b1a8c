// Package rootkeytest is what every provider of root keys must do, and a
// stand-in of Vault's transit engine.
package rootkeytest

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"lethe/internal/rootkey"
)

// Subject is a kind of provider to try. What it cannot do is nil.
type Subject struct {
	// Open opens the same root key each time.
	Open func(t *testing.T) (rootkey.Provider, error)
	// Other opens another key of the kind.
	Other func(t *testing.T) (rootkey.Provider, error)
	// Secrets must be in no error.
	Secrets []string

	Rotate func() // a new version; what was wrapped before still opens
	Delete func() // the key is no more
	Deny   func() // no access to it
	Away   func() // the service does not answer
}

// Run tries a kind of provider. The subject is new for each part.
func Run(t *testing.T, subject func(t *testing.T) Subject) {
	t.Run("wraps", func(t *testing.T) { wraps(t, subject(t)) })
	t.Run("refuses what it has not wrapped", func(t *testing.T) { refuses(t, subject(t)) })
	t.Run("concurrently", func(t *testing.T) { concurrently(t, subject(t)) })
	t.Run("says what is wrong", func(t *testing.T) { says(t, subject) })
	t.Run("rotated", func(t *testing.T) { rotated(t, subject(t)) })
}

func opened(t *testing.T, open func(t *testing.T) (rootkey.Provider, error)) rootkey.Provider {
	p, err := open(t)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func wraps(t *testing.T, s Subject) {
	p, ctx := opened(t, s.Open), t.Context()
	require.NotEmpty(t, p.Name())
	for _, n := range []int{1, 64, rootkey.MaxPlain} {
		plain := bytes.Repeat([]byte{7}, n)
		a, err := p.Wrap(ctx, plain)
		require.NoError(t, err)
		b, err := p.Wrap(ctx, plain)
		require.NoError(t, err)
		require.NotEqual(t, a, b, "equal secrets differ when wrapped")
		if n > 8 {
			require.NotContains(t, string(a), string(plain))
		}
		again, err := opened(t, s.Open).Unwrap(ctx, a)
		require.NoError(t, err)
		require.Equal(t, plain, again)
	}
}

func refuses(t *testing.T, s Subject) {
	p, ctx := opened(t, s.Open), t.Context()
	good, err := p.Wrap(ctx, []byte("secret"))
	require.NoError(t, err)
	foreign, err := opened(t, s.Other).Wrap(ctx, []byte("secret"))
	require.NoError(t, err)
	changed := bytes.Clone(good)
	changed[len(changed)-5] ^= 1
	for name, blob := range map[string][]byte{
		"nothing": nil, "text": []byte("text"), "cut": good[:len(good)/2], "changed": changed, "another key's": foreign,
	} {
		_, err := p.Unwrap(ctx, blob)
		require.ErrorIs(t, err, rootkey.ErrWrong, name)
		s.keeps(t, err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = p.Unwrap(cancelled, good)
	require.ErrorIs(t, err, context.Canceled)
}

func (s *Subject) keeps(t *testing.T, err error) {
	for _, secret := range s.Secrets {
		require.False(t, strings.Contains(err.Error(), secret), "an error holds a secret: %v", err)
	}
}

func concurrently(t *testing.T, s Subject) {
	p := opened(t, s.Open)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			plain := bytes.Repeat([]byte{byte(i)}, 64)
			wrapped, err := p.Wrap(t.Context(), plain)
			assert.NoError(t, err)
			again, err := p.Unwrap(t.Context(), wrapped)
			assert.NoError(t, err)
			assert.Equal(t, plain, again)
		})
	}
	wg.Wait()
}

// says: each failure is of its kind, at opening or at use.
func says(t *testing.T, subject func(t *testing.T) Subject) {
	for _, c := range []struct {
		name string
		of   func(*Subject) func()
		want error
	}{
		{"missing", func(s *Subject) func() { return s.Delete }, rootkey.ErrMissing},
		{"denied", func(s *Subject) func() { return s.Deny }, rootkey.ErrDenied},
		{"away", func(s *Subject) func() { return s.Away }, rootkey.ErrUnreachable},
	} {
		s := subject(t)
		do := c.of(&s)
		if do == nil {
			continue
		}
		wrapped, err := opened(t, s.Open).Wrap(t.Context(), []byte("secret"))
		require.NoError(t, err)
		do()
		p, err := s.Open(t)
		if err == nil {
			_, err = p.Unwrap(t.Context(), wrapped)
			_ = p.Close()
		}
		require.ErrorIs(t, err, c.want, c.name)
		s.keeps(t, err)
	}
}

func rotated(t *testing.T, s Subject) {
	if s.Rotate == nil {
		return
	}
	p := opened(t, s.Open)
	before, err := p.Wrap(t.Context(), []byte("before"))
	require.NoError(t, err)
	s.Rotate()
	after, err := p.Wrap(t.Context(), []byte("after"))
	require.NoError(t, err)
	for text, wrapped := range map[string][]byte{"before": before, "after": after} {
		plain, err := p.Unwrap(t.Context(), wrapped)
		require.NoError(t, err)
		require.Equal(t, text, string(plain))
	}
}
