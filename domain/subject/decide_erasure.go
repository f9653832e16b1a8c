package subject

import (
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/personal"
)

// maxGrace bounds how long an erasure may wait: the answer to a request is due
// within a month (GDPR 12(3)).
const maxGrace = 30 * 24 * time.Hour

// OrderErasure decides an erasure. With Everything in scope it also withdraws
// every consent and objects to marketing.
type OrderErasure struct {
	When
	Erasure domain.ID
	Cause   ErasureCause  // "" = request
	Ground  ErasureGround // "" = what follows from the record
	Scope   Scope
	Grace   time.Duration  // 0 = none
	Linked  []domain.Token // records of the same person, frozen here
	Of      domain.Token   // the record that this one goes along with
	Follows domain.ID
	By      Party // "" = the person
	Reason  personal.Value
}

// CancelErasure calls off an erasure that has not started.
type CancelErasure struct {
	When
	Erasure domain.ID
	By      Party
	Reason  personal.Value
	Along   bool // with the record that it goes along with
}

// StartErasure weighs an erasure again and begins it, or stops it when nothing
// of it may go any more. The keys are those of Env.
type StartErasure struct {
	When
	Erasure domain.ID
}

// StopErasure takes a start back before anything was destroyed: Env.Outside has a
// hold from before it.
type StopErasure struct {
	When
	Erasure domain.ID
}

// CompleteErasure notes that all keys are destroyed and all sinks confirmed.
type CompleteErasure struct {
	When
	Completed ErasureCompleted
}

// NoteReapplied notes that an erasure was applied to restored keys again.
type NoteReapplied struct {
	When
	Reapplied ErasureReapplied
}

// OpenLifecycle lets an erased person be recorded anew. Officers only.
type OpenLifecycle struct {
	When
	By     Party // "" = the person
	Reason personal.Value
}

// LiveKey is a key of the record that was not destroyed, also one that the key
// store does not have: a copy of it may come back with the key.
type LiveKey struct {
	KeyRef
	Newest bool // of its group: what is written now is sealed with it
	Lost   bool // values name it, and the key store has neither it nor a fence of it
}

// Weigh says what an erasure of the record would do now, changing nothing.
func Weigh(s *State, env Env, scope Scope, ground ErasureGround) []Weighed {
	d := decision{State: s, Env: env, at: env.Now}
	return d.scale(scope, ground).weigh()
}

// Try says what ordering an erasure now would decide, and refuses what the order
// would be refused for.
func Try(s *State, env Env, c OrderErasure) ([]Weighed, error) {
	events, err := Decide(s, env, c)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	ordered, ok := events[len(events)-1].(*ErasureOrdered)
	if !ok {
		return nil, domain.Internal("weighing an erasure: it was not decided last", nil)
	}
	return ordered.Groups, nil
}

// WeighAgain says what starting an ordered erasure would do now; nothing when
// it is not ordered.
func WeighAgain(s *State, env Env, id domain.ID) []Weighed {
	e, ok := s.Erasure(id)
	if !ok || e.State != IsOrdered {
		return nil
	}
	d := decision{State: s, Env: env, at: env.Now}
	groups, _ := d.again(e.Ordered)
	return groups
}

func (d *decision) scale(scope Scope, ground ErasureGround) *scale {
	return &scale{
		State: d.State, cat: d.Catalogue, at: d.Now, scope: scope, ground: ground,
		outside: d.Outside, restricted: d.Restricted, evidence: d.EvidenceRetention,
	}
}

func (d *decision) orderErasure(c OrderErasure) ([]domain.Event, error) {
	if c.Cause == "" {
		c.Cause = OnRequest
	}
	if c.By == "" {
		c.By = Self
	}
	if err := d.validOrder(&c); err != nil {
		return nil, err
	}
	c.Scope.Ended = c.Cause == OnRetention
	scale := d.scale(c.Scope, c.Ground)
	scale.follow(c.Follows)
	groups := scale.weigh()
	var events []domain.Event
	for _, e := range d.Erasures() {
		switch {
		case e.ID == c.Erasure:
			return nil, domain.Conflict("erasure.exists", "erasure", "this erasure was ordered already")
		case e.State == IsOrdered && c.Scope.Everything && e.Ordered.Within(groups):
			events = append(events, &ErasureCancelled{Erasure: e.ID, By: Controller})
		case e.State == IsOrdered || e.State == IsStarted:
			return nil, domain.Conflict("erasure.underway", "erasure",
				"another erasure of this record is %s: wait for its end, or cancel it before it starts", e.State)
		}
	}
	if err := nothingGoes(groups); err != nil && !c.Scope.Everything {
		return nil, err
	}
	if c.Scope.Everything {
		events = append(events, d.renounce(c.By)...)
	}
	return append(events, &ErasureOrdered{
		Erasure: c.Erasure, Cause: c.Cause, Ground: c.Ground, Everything: c.Scope.Everything, Groups: groups,
		Due: d.Now.Add(c.Grace), Linked: c.Linked, Of: c.Of, Follows: c.Follows, By: c.By, Reason: c.Reason,
	}), nil
}

// Within reports whether an order of everything, weighed like this, takes the
// place of a smaller one: all that it would erase goes, or is bound by what
// would bind that one as well.
func (o *ErasureOrdered) Within(groups []Weighed) bool {
	return !o.Everything && !slices.ContainsFunc(o.Groups, func(g Weighed) bool {
		return g.Goes() && !slices.ContainsFunc(groups, g.within)
	})
}

// within reports whether what goes of a group is covered by another weighing
// of it.
func (w Weighed) within(larger Weighed) bool {
	switch {
	case w.Group != larger.Group:
		return false
	case larger.Rule == KeptByHold || larger.Rule == RestrictedByWish:
		return !larger.Goes()
	case larger.Outcome == Trim && w.Outcome == Trim: // what is superseded goes with either
		return !slices.ContainsFunc(w.Values, func(v ValueRef) bool { return !slices.Contains(larger.Values, v) })
	}
	return larger.Outcome == Erase
}

// follow limits what goes of evidence to what the first of the erasures had to
// leave that an order follows.
func (s *scale) follow(id domain.ID) {
	for range s.Erasures() { // as many at most
		e, ok := s.Erasure(id)
		if !ok || e.end() == nil || s.scope.Everything {
			return
		}
		s.asOf, id = e.end().Revision, e.Ordered.Follows
	}
}

func (d *decision) validOrder(c *OrderErasure) error {
	named := len(c.Scope.Groups) + len(c.Scope.Values) + len(c.Scope.Superseded)
	for _, g := range slices.Concat(c.Scope.Groups, c.Scope.Superseded) {
		if g != domain.RecordGroup && !d.groupKnown(g) {
			return domain.Invalid("erasure.group", "groups", "no declared field belongs to this group: check its name")
		}
	}
	for _, v := range c.Scope.Values {
		if !slices.ContainsFunc(d.fields(window{}), func(f Field) bool { return f.Ref() == v }) {
			return domain.NotFound("field.absent", "values", "the record holds no such value")
		}
	}
	return firstError(
		bad(!c.Erasure.IsZero(), "erasure.id", "erasure", "", "an erasure has an ID"),
		bad(c.Cause.Valid(), "erasure.cause", "cause", "GDPR 17", "say what set it off: request, decision, retention, rectification or release"),
		bad(c.Ground == "" || c.Ground.Valid(), "erasure.ground", "ground", "GDPR 17(1)",
			"a ground is no_longer_necessary, consent_withdrawn, objected, unlawful, legal_duty or child_service"),
		bad(c.By.Valid(), "erasure.by", "by", "GDPR 17", "say who acted: subject, guardian, controller, processor or authority"),
		bad(c.Scope.Everything != (named > 0), "erasure.scope", "scope", "GDPR 17", "ask for everything, or name groups or values, not both"),
		bad(!c.Scope.Everything || c.Cause != OnRetention, "erasure.scope", "scope", "GDPR 5(1)(e)", "retention ends for groups and values: name them"),
		bad(named <= maxItems, "erasure.scope", "scope", "", "too many groups and values at once: send the rest separately"),
		bad(c.Grace >= 0 && c.Grace <= maxGrace, "erasure.grace", "grace", "GDPR 12(3)", "an erasure waits at most 30 days"),
		validText("reason", c.Reason),
	)
}

// nothingGoes refuses an order of which nothing would go, naming why.
func nothingGoes(groups []Weighed) error {
	if slices.ContainsFunc(groups, Weighed.Goes) {
		return nil
	}
	if len(groups) == 0 {
		return domain.Conflict("erasure.nothing", "groups", "there is nothing to erase: nothing was superseded, or it is erased already").Citing("GDPR 17")
	}
	g := groups[0]
	if g.Outcome == Refuse {
		return domain.Conflict("erasure.no_ground", "groups", "there is no ground to erase %s: %s", g.Group, g.Rule).Citing("GDPR 17(1)")
	}
	return domain.Conflict("erasure.kept", "groups", "an exception keeps %s: %s", g.Group, g.Rule).Citing("GDPR 17(3)")
}

// Goes reports whether something of the group goes.
func (w Weighed) Goes() bool { return w.Outcome == Erase || w.Outcome == Trim }

// renounce withdraws every consent that stands and objects to marketing.
func (d *decision) renounce(by Party) []domain.Event {
	var events []domain.Event
	for _, purpose := range d.consentPurposes(window{}) {
		c := d.consent(window{effective: d.at}, purpose)
		if c.Status.Allows() || c.Pending != nil {
			events = append(events, &ConsentWithdrawn{Choice{Purpose: purpose, Version: max(c.Version, 1), By: by}})
		}
	}
	for _, o := range d.objections(window{}) {
		if o.Scope == ToMarketing && o.Purpose == "" && o.Channel == NoChannel && o.State != TakenBack {
			return events
		}
	}
	return append(events, &Objected{Scope: ToMarketing, By: by})
}

func (d *decision) underway(id domain.ID, states ...ErasureState) (Erasure, error) {
	e, ok := d.Erasure(id)
	if !ok || e.Ordered == nil {
		return e, domain.NotFound("erasure.unknown", "erasure", "there is no such erasure of this record")
	}
	if !slices.Contains(states, e.State) {
		return e, domain.Conflict("erasure."+string(e.State), "erasure", "this erasure is %s", e.State).Citing("GDPR 17")
	}
	return e, nil
}

func (d *decision) cancelErasure(c CancelErasure) ([]domain.Event, error) {
	e, err := d.underway(c.Erasure, IsOrdered, IsCancelled)
	if err := firstError(err, validText("reason", c.Reason)); err != nil || e.State == IsCancelled {
		return nil, err
	}
	if of := e.Ordered.Of; of != "" && !c.Along {
		return nil, domain.Conflict("erasure.linked", "erasure", "this record goes along with %s: cancel the erasure there", of)
	}
	if c.By == "" {
		c.By = Self
	}
	return one(&ErasureCancelled{Erasure: c.Erasure, By: c.By, Reason: c.Reason})
}

func (d *decision) completeErasure(c CompleteErasure) ([]domain.Event, error) {
	e, err := d.underway(c.Completed.Erasure, IsStarted, IsCompleted)
	if err != nil || e.State == IsCompleted {
		return nil, err
	}
	for _, k := range e.Started.Keys {
		if !slices.ContainsFunc(c.Completed.Keys, func(x KeyDestroyed) bool { return x.KeyRef == k }) {
			return nil, domain.Internal("completing an erasure of which a key was not destroyed", nil)
		}
	}
	if len(c.Completed.Sinks) == 0 {
		return nil, domain.Internal("completing an erasure that no sink has confirmed", nil)
	}
	return one(&c.Completed)
}

func (d *decision) noteReapplied(c NoteReapplied) ([]domain.Event, error) {
	if len(c.Reapplied.Keys) == 0 {
		return nil, nil
	}
	return one(&c.Reapplied)
}

func (d *decision) openLifecycle(c OpenLifecycle) ([]domain.Event, error) {
	if c.By == "" {
		c.By = Self
	}
	if err := firstError(d.officerOnly("let an erased person be recorded anew"), validText("reason", c.Reason)); err != nil {
		return nil, err
	}
	for _, e := range d.Erasures() {
		if e.State == IsOrdered || e.State == IsStarted {
			return nil, domain.Conflict("erasure.underway", "erasure", "an erasure of this record is %s: wait for its end", e.State)
		}
	}
	var groups []domain.Name
	for g := range d.Gone() {
		groups = append(groups, g)
	}
	if groups == nil {
		return nil, domain.Conflict("lifecycle.open", "", "nothing of this record was erased: it can be written to as it is")
	}
	slices.Sort(groups)
	var waits []domain.Name
	for _, w := range d.Waiting() {
		if !w.Earlier && !slices.Contains(waits, w.Group) {
			waits = append(waits, w.Group)
		}
	}
	slices.Sort(waits)
	return one(&LifecycleOpened{Number: d.Lifecycle() + 1, Groups: groups, Waits: waits, By: c.By, Reason: c.Reason})
}
