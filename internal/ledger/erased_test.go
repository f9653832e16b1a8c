package ledger

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/keyring"
)

// TestRepeatedCreationOfAnErasedPersonCreatesNobody, also when the lookup file
// was lost since.
func TestRepeatedCreationOfAnErasedPersonCreatesNobody(t *testing.T) {
	ctx := context.Background()
	p := newPlace(t)
	o := p.open(nil, nil)
	o.declare(t)
	create := func(body byte) error {
		_, _, err := o.Register(ctx, request(1, body), subject.Env{}, person("old@example.org")...)
		return err
	}
	token, _, err := o.Register(ctx, request(1, 1), subject.Env{}, person("old@example.org")...)
	require.NoError(t, err)
	require.NoError(t, create(1))
	head := headOf(o)
	keys, err := o.keys.Keys(ctx, token.Stream())
	require.NoError(t, err)
	_, err = o.keys.Destroy(ctx, "erasure", keyring.Destruction{Token: token, Keys: keys, Everything: true})
	require.NoError(t, err)
	for range 2 {
		for _, body := range []byte{1, 2} {
			refusal, ok := domain.AsError(create(body))
			require.True(t, ok)
			require.Equal(t, domain.KindGone, refusal.Kind)
			require.Equal(t, "idempotency.erased", refusal.Code)
		}
		require.Equal(t, head, headOf(o))
		require.NoError(t, o.keys.ForgetLookup(ctx, "for a test"))
		require.NoError(t, o.RebuildLookup(ctx, nil))
	}
	o.close(t)
}
