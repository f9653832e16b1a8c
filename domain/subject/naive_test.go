package subject_test

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lethe/domain"
	"lethe/domain/subject"
)

// The rules of folding written a second time, slowly: filter the history,
// sort it, and walk it with maps.

func denies(e domain.Event) bool {
	switch e.(type) {
	case *subject.ConsentRefused, *subject.ConsentWithdrawn, *subject.ConsentRevoked, *subject.BasisEnded,
		*subject.ObjectionUpheld, *subject.RestrictionPlaced:
		return true
	}
	return false
}

// seen filters by both times and sorts by (effective, denials last, order of
// recording). A zero effective time does not filter.
func seen(s *subject.State, recorded, effective time.Time) []domain.Recorded {
	var list []domain.Recorded
	for _, r := range s.Entries() {
		if !r.Recorded.After(recorded) && (effective.IsZero() || !r.Effective.After(effective)) {
			list = append(list, r)
		}
	}
	if effective.IsZero() {
		return list
	}
	sort.SliceStable(list, func(i, j int) bool {
		a, b := list[i], list[j]
		if !a.Effective.Equal(b.Effective) {
			return a.Effective.Before(b.Effective)
		}
		return !denies(a.Event) && denies(b.Event)
	})
	return list
}

type naiveConsent struct {
	status  subject.Status
	version uint32
	granted domain.Recorded
	grant   subject.Grant
	contact domain.Name
	slot    uint16
	since   uint64 // revision of the request that the contact was proven by
	denied  *domain.Recorded
}

func naiveConsentOf(s *subject.State, recorded, effective time.Time, purpose domain.Name) naiveConsent {
	void := map[domain.ID]bool{}
	for _, r := range seen(s, recorded, time.Time{}) {
		if e, ok := r.Event.(*subject.ConsentInvalidated); ok && e.Purpose == purpose {
			void[e.Grant] = true
		}
	}
	c := naiveConsent{status: subject.StatusUnknown}
	asked, askedVersion, request := subject.Status(""), uint32(0), domain.Recorded{}
	expire := func(at time.Time) {
		if c.status.Allows() && !c.grant.Until.IsZero() && !c.grant.Until.After(at) {
			c.status = subject.StatusExpired
		}
	}
	deny := func(r domain.Recorded, status subject.Status, version uint32) {
		c.status, c.version, c.denied, asked = status, version, &r, ""
	}
	take := func(r domain.Recorded, g subject.Grant, status subject.Status) {
		c.status, c.version, c.grant, c.granted, asked = status, g.Version, g, r, ""
		if void[r.ID] {
			c.status = subject.StatusInvalidated
		}
	}
	first := func(r domain.Recorded, g subject.Grant) {
		take(r, g, subject.StatusGiven)
		c.contact, c.slot, c.since = "", 0, 0
		if c.status == subject.StatusGiven && r.Effective.Before(time.Date(2018, 5, 25, 0, 0, 0, 0, time.UTC)) && !g.MetConditions {
			c.status = subject.StatusUnknown
		}
	}
	for _, r := range seen(s, recorded, effective) {
		expire(r.Effective)
		switch e := r.Event.(type) {
		case *subject.ConsentRequested:
			if e.Purpose == purpose {
				asked, askedVersion, request = subject.StatusRequested, e.Version, r
			}
		case *subject.ConsentDeferred:
			if e.Purpose == purpose {
				asked, askedVersion, request = subject.StatusDeferred, e.Version, r
			}
		case *subject.ConsentGiven:
			if e.Purpose == purpose {
				first(r, e.Grant)
			}
		case *subject.ConsentConfirmed:
			if e.Purpose == purpose {
				answers := asked != "" && request.ID == e.Request
				first(r, e.Grant)
				c.contact, c.slot, c.since = e.Contact, e.ContactSlot, r.Revision
				if answers {
					c.since = request.Revision
				}
			}
		case *subject.ConsentRenewed:
			if e.Purpose == purpose && e.Version == c.version && (c.status.Allows() || c.status == subject.StatusExpired) {
				take(r, e.Grant, subject.StatusRenewed)
			}
		case *subject.ConsentRefused:
			if e.Purpose == purpose && c.status.Allows() {
				deny(r, subject.StatusWithdrawn, e.Version)
			} else if e.Purpose == purpose {
				deny(r, subject.StatusRefused, e.Version)
			}
		case *subject.ConsentWithdrawn:
			if e.Purpose == purpose {
				deny(r, subject.StatusWithdrawn, e.Version)
			}
		case *subject.ConsentRevoked:
			if e.Purpose == purpose {
				deny(r, subject.StatusRevoked, e.Version)
			}
		}
	}
	expire(effective)
	if asked != "" && !c.status.Allows() {
		c.status, c.version = asked, askedVersion
	}
	return c
}

func naiveBases(s *subject.State, recorded, effective time.Time) map[string]*subject.BasisAsserted {
	stands := map[string]*subject.BasisAsserted{}
	for _, r := range seen(s, recorded, effective) {
		switch e := r.Event.(type) {
		case *subject.BasisAsserted:
			stands[fmt.Sprint(e.Purpose, " ", e.Basis)] = e
		case *subject.BasisEnded:
			delete(stands, fmt.Sprint(e.Purpose, " ", e.Basis))
		}
	}
	for k, e := range stands {
		if !e.Until.IsZero() && !effective.Before(e.Until) {
			delete(stands, k)
		}
	}
	return stands
}

func naiveObjections(s *subject.State, recorded, effective time.Time) map[domain.ID]subject.ObjectionState {
	list := map[domain.ID]subject.ObjectionState{}
	history := seen(s, recorded, effective)
	for _, r := range history {
		if _, ok := r.Event.(*subject.Objected); ok {
			list[r.ID] = subject.Pending
		}
	}
	for _, r := range history {
		id, state := domain.ID{}, subject.Pending
		switch e := r.Event.(type) {
		case *subject.ObjectionOverridden:
			id, state = e.Objection, subject.Overridden
		case *subject.ObjectionUpheld:
			id, state = e.Objection, subject.Upheld
		case *subject.ObjectionWithdrawn:
			id, state = e.Objection, subject.TakenBack
		}
		if _, ok := list[id]; ok {
			list[id] = state
		}
	}
	return list
}

func naiveRestrictions(s *subject.State, recorded, effective time.Time) map[subject.RestrictionGround]time.Time {
	stands := map[subject.RestrictionGround]time.Time{}
	for _, r := range seen(s, recorded, effective) {
		switch e := r.Event.(type) {
		case *subject.RestrictionPlaced:
			if _, ok := stands[e.Ground]; !ok {
				stands[e.Ground] = r.Effective
			}
		case *subject.RestrictionLifted:
			delete(stands, e.Ground)
		}
	}
	return stands
}

// naiveHolds: a release ends what has its ID, whenever it was placed.
func naiveHolds(s *subject.State, recorded, effective time.Time) []*subject.HoldPlaced {
	released := map[domain.ID]bool{}
	history := seen(s, recorded, effective)
	for _, r := range history {
		if e, ok := r.Event.(*subject.HoldReleased); ok {
			released[e.Hold] = true
		}
	}
	var list []*subject.HoldPlaced
	for _, r := range history {
		if e, ok := r.Event.(*subject.HoldPlaced); ok && !released[e.Hold] {
			list = append(list, e)
		}
	}
	return list
}

// naiveFields maps field and slot to the revision that set the value and who holds it.
func naiveFields(s *subject.State, recorded time.Time) map[string]string {
	value, holders := map[string]uint64{}, map[string][]string{}
	for _, r := range seen(s, recorded, time.Time{}) {
		switch e := r.Event.(type) {
		case *subject.FieldsRecorded:
			for _, i := range e.Items {
				k := fmt.Sprint(i.Field, "/", i.Slot)
				value[k] = r.Revision
				if !slices.Contains(holders[k], string(e.Purpose)) {
					holders[k] = append(holders[k], string(e.Purpose))
				}
			}
		case *subject.FieldsRectified:
			for _, i := range e.Items {
				if k := fmt.Sprint(i.Field, "/", i.Slot); len(holders[k]) > 0 {
					value[k] = r.Revision
				}
			}
		case *subject.FieldRemoved:
			for slot := range 2 {
				k := fmt.Sprint(e.Field, "/", slot)
				holders[k] = slices.DeleteFunc(holders[k], func(p string) bool { return p == string(e.Purpose) })
			}
		}
	}
	out := map[string]string{}
	for k, h := range holders {
		if len(h) > 0 {
			out[k] = fmt.Sprint(value[k], h)
		}
	}
	return out
}

func drawWindow(t *rapid.T) (recorded, effective time.Time) {
	if rapid.Bool().Draw(t, "by recorded time") {
		at := moment(t, -1, 30, "at")
		return at, at
	}
	return moment(t, -1, 30, "recorded"), moment(t, -3, 30, "effective")
}

func TestAsOfAgreesWithABruteForceFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawState(t, "a")
		recorded, effective := drawWindow(t)
		snap := s.At(recorded, effective)

		for _, purpose := range somePurposes {
			want, got := naiveConsentOf(s, recorded, effective, purpose), snap.Consent(purpose)
			require.Equal(t, want.status, got.Status, purpose)
			require.Equal(t, want.version, got.Version, purpose)
			if want.status.Allows() {
				require.Equal(t, want.granted.ID, got.Granted.ID)
				require.Equal(t, want.grant.Until, got.Until)
			}
			if want.denied != nil {
				require.Equal(t, want.denied.ID, got.Denied.ID)
			} else {
				require.Nil(t, got.Denied)
			}
		}
		bases := naiveBases(s, recorded, effective)
		require.Len(t, snap.Bases, len(bases))
		for _, b := range snap.Bases {
			require.Equal(t, b.Until, bases[fmt.Sprint(b.Purpose, " ", b.Basis)].Until)
		}
		objections := naiveObjections(s, recorded, effective)
		require.Len(t, snap.Objections, len(objections))
		for _, o := range snap.Objections {
			require.Equal(t, objections[o.ID], o.State)
		}
		restrictions := map[subject.RestrictionGround]time.Time{}
		for _, r := range snap.Restrictions {
			restrictions[r.Ground] = r.Since
		}
		require.Equal(t, naiveRestrictions(s, recorded, effective), restrictions)
		var holds []*subject.HoldPlaced
		for _, h := range snap.Holds {
			holds = append(holds, h.HoldPlaced)
		}
		require.Equal(t, naiveHolds(s, recorded, effective), holds)
		fields := map[string]string{}
		for _, f := range snap.Fields {
			fields[fmt.Sprint(f.Field, "/", f.Slot)] = fmt.Sprint(f.Revision, f.Purposes)
		}
		require.Equal(t, naiveFields(s, recorded), fields)
		require.True(t, slices.IsSortedFunc(snap.Fields, func(a, b subject.Field) int {
			return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(a.Slot, b.Slot))
		}))
	})
}

// What a moment looked like as it was known then does not change by what is
// recorded later.
func TestThePastAsKnownThenIsFixed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawState(t, "a")
		entries := s.Entries()
		n := rapid.IntRange(0, len(entries)).Draw(t, "until")
		var then *subject.State
		for _, r := range entries[:n] {
			then = subject.Evolve(then, r)
		}
		at := moment(t, 0, 30, "at")
		for _, r := range entries[n:] {
			if !r.Recorded.After(at) {
				t.Skip("something else was recorded by then")
			}
		}
		a, b := then.At(at, at), s.At(at, at)
		if n == 0 {
			a.Token = b.Token
		}
		require.Equal(t, a.Consents, b.Consents)
		require.Equal(t, a.Objections, b.Objections)
		require.Equal(t, a.Restrictions, b.Restrictions)
		require.Equal(t, a.Fields, b.Fields)
	})
}

// A state that two others grew from is seen unchanged by its holder.
func TestStatesArePersistent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawState(t, "a")
		before := slices.Clone(s.Entries())
		grow := func(id byte) *subject.State {
			next := s
			for i := range rapid.IntRange(1, 9).Draw(t, "more") {
				next = subject.Evolve(next, domain.Recorded{ID: domain.ID{id, byte(i)}, Revision: next.Next(), Stream: "subject-x"})
			}
			return next
		}
		left := grow(1)
		leftEntries := slices.Clone(left.Entries())
		right := grow(2)
		require.Equal(t, leftEntries, left.Entries())
		require.Equal(t, before, append([]domain.Recorded(nil), s.Entries()...))
		require.Equal(t, byte(2), right.Entries()[len(before)].ID[0])
	})
}

func TestStatesAreSafeToGrowAndReadAtOnce(t *testing.T) {
	w := newWorld(t).do(give("newsletter"))
	done := make(chan *subject.State)
	for i := range 4 {
		go func() {
			s := w.s
			for n := range 50 {
				s = subject.Evolve(s, domain.Recorded{ID: domain.ID{byte(i + 1)}, Revision: uint64(n) + 2})
				w.s.At(day(9), day(9))
			}
			done <- s
		}()
	}
	for range 4 {
		entries := (<-done).Entries()
		require.Len(t, entries, 52)
		for _, r := range entries[2:] {
			require.Equal(t, entries[2].ID, r.ID)
		}
	}
}
