package subject_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/subject"
)

func lostOf(groups []domain.Name, erased, lost []subject.ValueRef) subject.NoteReapplied {
	return subject.NoteReapplied{Reapplied: subject.ErasureReapplied{
		Erasure: domain.ID{0xe}, Keys: []subject.KeyRef{{Group: groups[0], Generation: 1, Key: domain.ID{1}}},
		Left: groups, Erased: erased, Lost: lost,
	}}
}

// fields are the record's, by field.
func (w *world) fields() map[domain.Name]subject.Field {
	found := map[domain.Name]subject.Field{}
	for _, f := range w.s.At(time.Time{}, time.Time{}).Fields {
		found[f.Field] = f
	}
	return found
}

// What an older copy of the log does not know: of values that it has some were
// erased and are none any more, others are lost. Those are no value that an
// erasure would seal again, and a new one takes their place.
func TestWhatALostEventHadSealedAgain(t *testing.T) {
	w := newWorld(t).on(1).do(record("service", "email", "a@b.de"), record("service", "phone", "111"), record("service", "name", "Jo"))
	w.do(lostOf([]domain.Name{"contact"}, []subject.ValueRef{{Field: "email"}}, []subject.ValueRef{{Field: "phone"}}))
	fields := w.fields()
	require.NotContains(t, fields, domain.Name("email"))
	require.True(t, fields["phone"].Lost)
	require.False(t, fields["name"].Lost)

	w.do(record("service", "email", "new@b.de"))
	w.do(order(subject.Scope{Values: []subject.ValueRef{{Field: "email", Slot: w.fields()["email"].Slot}}}, func(c *subject.OrderErasure) { c.Ground = subject.Unlawful }))
	w.do(subject.StartErasure{Erasure: erasureID})
	resealed := w.s.Entries()[w.s.Next()-2].Event.(*subject.ValuesResealed)
	require.Empty(t, resealed.Items)
	require.True(t, w.fields()["phone"].Lost)

	w.do(record("service", "phone", "222"))
	require.False(t, w.fields()["phone"].Lost)
	require.Len(t, w.fields(), 2)
	require.Equal(t, fields["phone"].Slot, w.fields()["phone"].Slot)
}

// Evidence that was sealed again is lost as well: what stands since then is the
// evidence that there is.
func TestEvidenceThatIsLostHoldsUpNoErasure(t *testing.T) {
	w := newWorld(t).on(1).do(
		record("service", "email", "a@b.de"), subject.AssertBasis{Purpose: "service", Basis: domain.Contract, Reference: text("lost")})
	w.do(lostOf([]domain.Name{"evidence"}, nil, nil))
	w.on(2).do(subject.Object{Scope: subject.ToDisclosure, Reason: text("goes")}, hold("identity"))
	w.do(order(groups("evidence")))
	w.do(subject.StartErasure{Erasure: erasureID})
	resealed := w.s.Entries()[w.s.Next()-2].Event.(*subject.ValuesResealed)
	require.Len(t, resealed.Items, 1, "the hold's authority")
}
