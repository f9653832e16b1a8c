package ledger

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/operations"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/internal/keyring"
)

// marked is somebody who was erased, and what the erasure left marks of.
func (o *opened) marked(t *testing.T) (source, email keyring.Identifier) {
	t.Helper()
	o.declare(t)
	token, _, err := o.Register(t.Context(), request(1, 1), subject.Env{}, person("ada@example.org")...)
	require.NoError(t, err)
	key := o.keys.SourceKeyOf("shop", "people", "17")
	_, err = o.keys.ReserveImports(t.Context(), []keyring.Reservation{{Key: key, Token: token}})
	require.NoError(t, err)
	keys, err := o.keys.Keys(t.Context(), token.Stream())
	require.NoError(t, err)
	_, err = o.keys.Destroy(t.Context(), "erasure", keyring.Destruction{
		Erasure: domain.ID{1}, Token: token, Keys: keys, Everything: true, Marks: keyring.MarkSource | keyring.MarkObjection,
	})
	require.NoError(t, err)
	return keyring.Identifier{Source: key}, keyring.Identifier{Kind: catalogue.LookupEmail, Text: "ADA@example.org"}
}

func (o *opened) marks(t *testing.T, of keyring.Identifier) keyring.Mark {
	t.Helper()
	marks, err := o.keys.Suppressed(t.Context(), []keyring.Identifier{of})
	require.NoError(t, err)
	return marks[0]
}

func lift(objection bool) operations.LiftMark {
	return operations.LiftMark{Officer: true, MarkLifted: operations.MarkLifted{Objection: objection, Reason: personal.Of("came back")}}
}

func TestMarksAreLiftedOneByOne(t *testing.T) {
	o := newPlace(t).open(nil, nil)
	defer o.close(t)
	source, email := o.marked(t)
	_, err := o.LiftMark(t.Context(), request(2, 2), source, operations.LiftMark{})
	e, _ := domain.AsError(err)
	require.Equal(t, "officer.required", e.Code)
	require.True(t, o.marks(t, source).Erased)

	before, err := o.keys.CountMarks(t.Context())
	require.NoError(t, err)
	out, err := o.LiftMark(t.Context(), request(3, 3), source, lift(false))
	require.NoError(t, err)
	require.Equal(t, 1, out.Events)
	require.False(t, o.marks(t, source).Erased)
	after, err := o.keys.CountMarks(t.Context())
	require.NoError(t, err)
	require.Equal(t, before.Changes+1, after.Changes, "an import of the same file is another import now")
	again, err := o.LiftMark(t.Context(), request(3, 3), source, lift(false))
	require.NoError(t, err)
	require.True(t, again.Repeated)
	_, err = o.LiftMark(t.Context(), request(4, 4), source, lift(false))
	e, _ = domain.AsError(err)
	require.Equal(t, "mark.unknown", e.Code)

	require.True(t, o.marks(t, email).Objection)
	_, err = o.LiftMark(t.Context(), request(5, 5), email, lift(true))
	require.NoError(t, err)
	require.True(t, o.marks(t, email).Erased)
	require.False(t, o.marks(t, email).Objection)
}

// What a crash left between the event and the mark is lifted by the repeat.
func TestACutOffLiftIsRepeated(t *testing.T) {
	p := newPlace(t)
	crashing := p.open(func(point string) error {
		if point == "lifting" {
			return errCrash
		}
		return nil
	}, nil)
	source, _ := crashing.marked(t)
	_, err := crashing.LiftMark(t.Context(), request(3, 3), source, lift(false))
	require.True(t, errors.Is(err, errCrash))
	crashing.close(t)
	o := p.open(nil, nil)
	defer o.close(t)
	require.True(t, o.marks(t, source).Erased)
	out, err := o.LiftMark(t.Context(), request(3, 3), source, lift(false))
	require.NoError(t, err)
	require.True(t, out.Repeated)
	require.False(t, o.marks(t, source).Erased)
}
