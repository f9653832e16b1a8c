package ledger

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/operations"
	"lethe/domain/personal"
	"lethe/domain/subject"
)

// claims declares what holds are for, and registers people.
func (o *opened) claims(t *testing.T, people int) []domain.Token {
	t.Helper()
	o.declare(t)
	_, err := o.Declare(t.Context(), Request{Principal: me}, catalogue.DeclarePurpose{PurposeDeclared: catalogue.PurposeDeclared{
		ID: "claims", Controllers: []domain.Name{"acme"}, Basis: domain.LegitimateInterests, Fields: []domain.Name{"name.full"},
		Retention: "P10Y", RetentionStart: catalogue.FromCollection, DPV: "dpv:LegalCompliance", Exemption: catalogue.Claims,
	}})
	require.NoError(t, err)
	tokens := make([]domain.Token, people)
	for i := range tokens {
		tokens[i], _, err = o.Register(t.Context(), request(byte(i+1), 1), subject.Env{}, person("a@example.org")...)
		require.NoError(t, err)
	}
	return tokens
}

func (o *opened) hold(t *testing.T, id byte, group domain.Name) {
	t.Helper()
	_, err := o.Operate(t.Context(), Request{Principal: me}, operations.PlaceGroupHold{
		Officer: true, GroupHoldPlaced: operations.GroupHoldPlaced{
			Hold: domain.ID{id}, Group: group, Purpose: "claims", People: operations.WithPurpose, For: "customer.service",
			Review: o.Now().AddDate(1, 0, 0), Authority: personal.Of("court order"),
		},
	})
	require.NoError(t, err)
}

func (o *opened) release(t *testing.T, id byte) {
	t.Helper()
	_, err := o.Operate(t.Context(), Request{Principal: me}, operations.ReleaseGroupHold{Hold: domain.ID{id}, Officer: true})
	require.NoError(t, err)
}

// holdsOf are the IDs of the holds on a person's own record.
func (o *opened) holdsOf(t *testing.T, token domain.Token) (ids []byte) {
	t.Helper()
	s, err := o.Subject(context.Background(), token)
	require.NoError(t, err)
	for _, h := range s.At(time.Time{}, time.Time{}).Holds {
		require.True(t, h.Mirror)
		require.True(t, h.Authority.IsZero(), "a copy needs no key")
		ids = append(ids, h.HoldPlaced.Hold[0])
	}
	return ids
}

func TestHoldsFanOutToThePersonConcerned(t *testing.T) {
	o := newPlace(t).open(nil, nil)
	defer o.close(t)
	tokens := o.claims(t, 2)
	o.hold(t, 1, "identity")
	o.hold(t, 2, "contact")
	before := headOf(o)

	weighed, err := o.WeighErasure(t.Context(), tokens[0], subject.Scope{Groups: []domain.Name{"identity"}}, "", nil)
	require.NoError(t, err)
	require.Equal(t, subject.KeptByHold, weighed[0].Rule)
	require.Equal(t, before, headOf(o), "asking writes nothing")

	n, err := o.FanOutHolds(t.Context(), me, tokens[0], nil, "identity", "accounting")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, []byte{1}, o.holdsOf(t, tokens[0]), "only groups that something would go of")
	n, err = o.FanOutHolds(t.Context(), me, tokens[0], nil)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, []byte{1, 2}, o.holdsOf(t, tokens[0]))
	n, err = o.FanOutHolds(t.Context(), me, tokens[0], nil)
	require.NoError(t, err)
	require.Zero(t, n, "once")
	require.Empty(t, o.holdsOf(t, tokens[1]))

	o.release(t, 1)
	require.NoError(t, o.ReleaseCopies(t.Context(), me, domain.ID{1}, domain.ID{5}))
	require.NoError(t, o.ReleaseCopies(t.Context(), me, domain.ID{2}, domain.ID{5}), "it stands: nothing happens")
	require.Equal(t, []byte{2}, o.holdsOf(t, tokens[0]))
	after := headOf(o)
	require.NoError(t, o.ReleaseCopies(t.Context(), me, domain.ID{1}, domain.ID{5}))
	require.Equal(t, after, headOf(o), "a second time releases nothing")
	s, err := o.Subject(t.Context(), tokens[0])
	require.NoError(t, err)
	last := s.Entries()[len(s.Entries())-1]
	require.Equal(t, &subject.HoldReleased{Hold: domain.ID{1}}, last.Event)
	require.Equal(t, domain.ID{5}, last.Metadata.Causation)
}

// A hold is released just before its copy is written: whoever releases copies
// has looked already and will not look again.
func TestACopyOfAHoldReleasedMeanwhileIsReleased(t *testing.T) {
	var o *opened
	armed := false
	crash := func(point string) error {
		if armed && point == "provisioned" {
			armed = false
			o.release(t, 1)
			require.NoError(t, o.ReleaseCopies(context.Background(), me, domain.ID{1}, domain.ID{}))
		}
		return nil
	}
	o = newPlace(t).open(crash, nil)
	defer o.close(t)
	tokens := o.claims(t, 1)
	o.hold(t, 1, "identity")
	armed = true
	n, err := o.FanOutHolds(t.Context(), me, tokens[0], nil)
	require.NoError(t, err)
	require.False(t, armed)
	require.Equal(t, 1, n)
	require.Empty(t, o.holdsOf(t, tokens[0]))
}

func TestAHoldOfAnImportThatIsNotThere(t *testing.T) {
	o := newPlace(t).open(nil, nil)
	defer o.close(t)
	o.claims(t, 0)
	_, err := o.Operate(t.Context(), Request{Principal: me}, operations.PlaceGroupHold{
		Officer: true, GroupHoldPlaced: operations.GroupHoldPlaced{
			Hold: domain.ID{1}, Group: "identity", Purpose: "claims", People: operations.FromImport, Import: domain.ID{9},
			Review: o.Now().AddDate(1, 0, 0), Authority: personal.Of("court order"),
		},
	})
	e, ok := domain.AsError(err)
	require.True(t, ok)
	require.Equal(t, "import.unknown", e.Code)
}

// A hold that is older than a start is always seen by it: neither is decided
// while the other is.
func TestHoldsAndStartsTakeTurns(t *testing.T) {
	var o *opened
	passed := map[string]int{}
	doing := ""
	crash := func(string) error {
		switch doing {
		case "start":
			require.False(t, o.holding.TryLock(), "a hold could be placed now")
		case "hold":
			require.False(t, o.holding.TryRLock(), "an erasure could start now")
		}
		passed[doing]++
		return nil
	}
	o = newPlace(t).open(crash, nil)
	defer o.close(t)
	tokens := o.claims(t, 1)
	_, err := o.OrderErasure(t.Context(), request(8, 8), tokens[0], subject.OrderErasure{Erasure: domain.ID{1}, Scope: subject.Scope{Everything: true}})
	require.NoError(t, err)
	doing = "hold"
	o.hold(t, 1, "identity")
	doing = "start"
	_, err = o.StartErasure(t.Context(), request(9, 9), tokens[0], domain.ID{1})
	require.NoError(t, err)
	doing = ""
	require.Positive(t, passed["hold"])
	require.Positive(t, passed["start"])
	require.Equal(t, []byte{1}, o.holdsOf(t, tokens[0]))
}
