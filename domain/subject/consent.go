package subject

import (
	"time"

	"lethe/domain"
)

// Status is a consent's state, in the words of the Data Privacy Vocabulary.
type Status string

// Statuses.
const (
	StatusUnknown     Status = "ConsentUnknown"
	StatusRequested   Status = "ConsentRequested"
	StatusDeferred    Status = "ConsentRequestDeferred"
	StatusGiven       Status = "ConsentGiven"
	StatusRenewed     Status = "RenewedConsentGiven"
	StatusRefused     Status = "ConsentRefused"
	StatusExpired     Status = "ConsentExpired"
	StatusInvalidated Status = "ConsentInvalidated"
	StatusRevoked     Status = "ConsentRevoked"
	StatusWithdrawn   Status = "ConsentWithdrawn"
)

// Allows reports whether the status is valid for processing.
func (s Status) Allows() bool { return s == StatusGiven || s == StatusRenewed }

// failed: the person was asked and it came to nothing, or it ended.
func (s Status) failed() bool {
	switch s {
	case StatusRefused, StatusExpired, StatusInvalidated, StatusRevoked, StatusWithdrawn:
		return true
	case StatusUnknown, StatusRequested, StatusDeferred, StatusGiven, StatusRenewed:
	}
	return false
}

// gdprApplies is the day from which consent is judged by the GDPR; an older
// one counts only if it met the same conditions (recital 171).
var gdprApplies = time.Date(2018, time.May, 25, 0, 0, 0, 0, time.UTC)

// Consent is what stands for one purpose at one moment. A request or a
// deferral shows in Status only while no valid consent stands.
type Consent struct {
	Purpose domain.Name
	Status  Status
	Version uint32    // of the purpose, as named by the event that Status rests on
	Since   time.Time // when Status began
	Until   time.Time // half-open end of the consent, zero = none

	// The last act that gave or prolonged consent, whether or not it still
	// stands, and the event that gave it first (the same unless renewed).
	Grant        *Grant
	Granted      *domain.Recorded
	Origin       *domain.Recorded
	Contact      domain.Name // proven by double opt-in
	ContactSlot  uint16
	ContactSince *domain.Recorded // the request that wrote to it

	Pending *domain.Recorded // the newest request or deferral since the last answer
	Denied  *domain.Recorded // the newest denial, also when consent was given since
	Rest    *domain.Recorded // the event that Status rests on, nil = unknown

	standing Status // what stands underneath a pending request
}

// consent folds one purpose by effective time; at the same time a denial
// counts last, and otherwise the order of recording decides.
func (s *State) consent(w window, purpose domain.Name) Consent {
	c := Consent{Purpose: purpose, Status: StatusUnknown, standing: StatusUnknown}
	entries, kinds := s.Entries(), s.kinds()
	var few [16]int
	order := few[:0]
	var void []*domain.Recorded
	for i := range entries {
		if kinds[i].topic != aboutConsent || kinds[i].purpose != purpose || !w.known(&entries[i]) {
			continue
		}
		if _, ok := entries[i].Event.(*ConsentInvalidated); ok {
			void = append(void, &entries[i]) // it reaches back, whenever it took effect itself
			continue
		}
		if w.holds(&entries[i]) {
			order = append(order, i)
		}
	}
	s.sort(order)
	for _, i := range order {
		c.apply(&entries[i], void)
	}
	c.settle(w.effective)
	return c
}

// sort orders by (effective, denial last, position); the input is in order
// of position and nearly always sorted already.
func (s *State) sort(order []int) {
	entries, kinds := s.Entries(), s.kinds()
	before := func(a, b int) bool {
		if c := entries[a].Effective.Compare(entries[b].Effective); c != 0 {
			return c < 0
		}
		if kinds[a].denies != kinds[b].denies {
			return kinds[b].denies
		}
		return a < b
	}
	for i := 1; i < len(order); i++ {
		for j := i; j > 0 && before(order[j], order[j-1]); j-- {
			order[j], order[j-1] = order[j-1], order[j]
		}
	}
}

func (c *Consent) apply(r *domain.Recorded, void []*domain.Recorded) {
	c.expire(r.Effective)
	switch e := r.Event.(type) {
	case *ConsentRequested, *ConsentDeferred:
		c.Pending = r
	case *ConsentGiven:
		c.give(r, &e.Grant, void)
	case *ConsentConfirmed:
		c.give(r, &e.Grant, void)
		c.Contact, c.ContactSlot = e.Contact, e.ContactSlot
		if c.Pending != nil && c.Pending.ID == e.Request {
			c.ContactSince = c.Pending
		} else {
			c.ContactSince = r
		}
		c.Pending = nil
	case *ConsentRenewed:
		c.renew(r, &e.Grant, void)
	case *ConsentRefused:
		if c.standing.Allows() { // saying no to what was given takes it back
			c.deny(r, StatusWithdrawn, e.Version)
		} else {
			c.deny(r, StatusRefused, e.Version)
		}
	case *ConsentWithdrawn:
		c.deny(r, StatusWithdrawn, e.Version)
	case *ConsentRevoked:
		c.deny(r, StatusRevoked, e.Version)
	}
}

func (c *Consent) give(r *domain.Recorded, g *Grant, void []*domain.Recorded) {
	status, rest := StatusGiven, r
	switch inv := voided(void, r.ID); {
	case inv != nil:
		status, rest = StatusInvalidated, inv
	case r.Effective.Before(gdprApplies) && !g.MetConditions:
		status = StatusUnknown
	}
	c.stand(r, status, g.Version)
	c.Rest = rest
	c.Grant, c.Granted, c.Origin, c.Until = g, r, r, g.Until
	c.Contact, c.ContactSlot, c.ContactSince = "", 0, nil
	if _, confirms := r.Event.(*ConsentConfirmed); !confirms {
		c.Pending = nil
	}
}

// renew counts only on what can be renewed: given or expired, of the same
// version. Elsewhere (a withdrawal that became known later) it means nothing.
func (c *Consent) renew(r *domain.Recorded, g *Grant, void []*domain.Recorded) {
	if (!c.standing.Allows() && c.standing != StatusExpired) || c.Version != g.Version {
		return
	}
	c.stand(r, StatusRenewed, g.Version)
	if inv := voided(void, r.ID); inv != nil {
		c.standing, c.Rest = StatusInvalidated, inv
	}
	c.Grant, c.Granted, c.Until, c.Pending = g, r, g.Until, nil
}

func (c *Consent) deny(r *domain.Recorded, status Status, version uint32) {
	c.stand(r, status, version)
	c.Denied, c.Pending = r, nil
}

func (c *Consent) stand(r *domain.Recorded, status Status, version uint32) {
	c.standing, c.Rest, c.Since, c.Version = status, r, r.Effective, version
}

// expire computes the end of what stands: it counts until just before Until.
func (c *Consent) expire(at time.Time) {
	if c.standing.Allows() && !c.Until.IsZero() && !at.IsZero() && !at.Before(c.Until) {
		c.standing, c.Since = StatusExpired, c.Until
	}
}

func (c *Consent) settle(at time.Time) {
	c.expire(at)
	c.Status = c.standing
	if c.Pending == nil || c.standing.Allows() {
		return
	}
	c.Since, c.Rest = c.Pending.Effective, c.Pending
	switch e := c.Pending.Event.(type) {
	case *ConsentRequested:
		c.Status, c.Version = StatusRequested, e.Version
	case *ConsentDeferred:
		c.Status, c.Version = StatusDeferred, e.Version
	}
}

// voided finds the event that declared a grant invalid.
func voided(void []*domain.Recorded, grant domain.ID) *domain.Recorded {
	for _, r := range void {
		if r.Event.(*ConsentInvalidated).Grant == grant {
			return r
		}
	}
	return nil
}

// Covers reports whether the consent speaks of a channel; a grant that names
// none speaks of all that the purpose uses.
func (c *Consent) Covers(channel Channel) bool {
	return c.Grant != nil && (channel == NoChannel || len(c.Grant.Channels) == 0 || contains(c.Grant.Channels, channel))
}

func contains[T comparable](list []T, v T) bool {
	for i := range list {
		if list[i] == v {
			return true
		}
	}
	return false
}
