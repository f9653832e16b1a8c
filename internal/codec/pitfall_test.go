package codec

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/internal/keyring"
	"lethe/internal/part"
)

// referral is an event of the tests about two people: the same field of the
// same group of each, so that nothing but its owner tells one value from the
// other.
type referral struct {
	Count  uint32         `json:"count"`
	Who    personal.Value `json:"-"`
	By     personal.Value `json:"-"`
	owners [2]string
}

func (*referral) EventType() domain.Type { return domain.Type{Name: "TestReferral", Version: 1} }
func (r *referral) Personal(dst []personal.Slot) []personal.Slot {
	return append(dst,
		personal.Slot{Owner: r.owners[0], Field: "name.full", Group: "identity", Value: &r.Who},
		personal.Slot{Owner: r.owners[1], Field: "name.full", Group: "identity", Value: &r.By})
}

// Each value says whose it is: one person's key is destroyed, and the other's
// part of the same event still reads, before and after it is stored anew.
func TestPitfall08TwoPeopleInOneEvent(t *testing.T) {
	const ada, bob = "subject-saaaa", "subject-sbbbb"
	one := entry{
		typ: (*referral)(nil).EventType(), check: checkOf(reflect.TypeFor[struct{ Count uint32 }]()),
		new: func() domain.Event { return &referral{owners: [2]string{ada, bob}} },
	}
	c, err := build([]entry{one}, nil)
	require.NoError(t, err)
	k := newKeyring(t)
	event := &referral{Count: 1, Who: personal.Of("Ada Lovelace"), By: personal.Of("Bob"), owners: [2]string{ada, bob}}
	d := &Draft{ID: domain.ID{1}, Stream: catalogue.Stream, Event: event, Effective: time.UnixMicro(1).UTC()}
	stored, err := encode(t, c, k, d)
	require.NoError(t, err)
	r := recorded(d, stored)

	open := func() [2]personal.Value {
		got, err := c.Decode(r)
		require.NoError(t, err)
		var both [2]personal.Value
		for i, s := range got.Event.Personal(nil) {
			both[i], err = c.OpenValue(ctx, k, *s.Value)
			require.NoError(t, err)
		}
		return both
	}
	require.Equal(t, [2]personal.Value{personal.Of("Ada Lovelace"), personal.Of("Bob")}, open())

	of := keyring.Compartment{Owner: ada, Group: "identity"}
	h, err := part.Parse(stored.Sealed[0])
	require.NoError(t, err)
	require.Equal(t, ada, h.Owner)
	_, err = k.Destroy(ctx, "request", keyring.Destruction{
		Erasure: domain.ID{2}, Keys: []keyring.KeyInfo{{Compartment: of, Generation: h.Generation, ID: h.KeyID}},
	})
	require.NoError(t, err)
	require.Equal(t, [2]personal.Value{personal.Unreadable(personal.Erased), personal.Of("Bob")}, open())

	// She gets no new key, he does as before.
	_, err = k.Provision(ctx, []keyring.Compartment{of})
	require.ErrorAs(t, err, new(*keyring.FencedError))
	_, err = k.Provision(ctx, []keyring.Compartment{{Owner: bob, Group: "identity"}})
	require.NoError(t, err)

	// A person's own stream takes no value of anybody else: a writer to it could
	// race the other's erasure.
	d.Stream = ada
	_, err = c.Encode(d, func(keyring.Compartment) *keyring.Key { return nil }, k)
	require.ErrorContains(t, err, "no key for identity of "+ada, "her own is looked for first")
	event.Who = personal.Value{}
	_, err = encode(t, c, k, d)
	require.ErrorContains(t, err, "belongs to another stream")
}

// No event of a person's record has a value that is another's.
func TestPitfall08APersonsEventsAreTheirOwn(t *testing.T) {
	people := 0
	for _, e := range events() {
		event := e.new()
		fillLegal(t, reflect.ValueOf(event).Elem(), sample{})
		if _, ok := event.(subject.Event); !ok {
			continue
		}
		for _, s := range event.Personal(nil) {
			people++
			require.Empty(t, s.Owner, "%s: %s", e.typ.Name, s.Field)
		}
	}
	require.Greater(t, people, 20)
}
