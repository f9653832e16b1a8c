package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/auth"
	"lethe/internal/ledger"
)

// ErasureBody asks for an erasure.
type ErasureBody struct {
	Everything bool                  `json:"everything,omitzero" doc:"All that may go. Also withdraws every consent and objects to marketing"`
	Groups     []domain.Name         `json:"groups,omitzero" doc:"Retention groups"`
	Values     []subject.ValueRef    `json:"values,omitzero" doc:"Single values; the others of their groups are sealed under a new key"`
	Superseded []domain.Name         `json:"superseded,omitzero" doc:"Retention groups of which what was rectified or removed goes; what stands stays"`
	Ground     subject.ErasureGround `json:"ground,omitzero" enum:"no_longer_necessary,consent_withdrawn,objected,unlawful,legal_duty,child_service" doc:"GDPR 17(1)(a) to (f); what follows from the record when left out"`
	Cause      subject.ErasureCause  `json:"cause,omitzero" enum:"request,decision,retention,rectification" doc:"What set it off; request when left out"`
	By         subject.Party         `json:"by,omitzero" enum:"subject,guardian,controller,processor,authority" doc:"Who asked; the person when left out"`
	Grace      *domain.Duration      `json:"grace,omitempty" nullable:"false" doc:"How long it can be cancelled, ISO 8601, at most 30 days; P0D is not at all. The server's setting when left out" example:"P7D"`
	Reason     string                `json:"reason,omitzero" doc:"Kept sealed"`
	DryRun     bool                  `json:"dry_run,omitzero" doc:"Only say what would go, what would stay, and why"`
}

func (b *ErasureBody) scope() subject.Scope {
	return subject.Scope{Everything: b.Everything, Groups: b.Groups, Values: b.Values, Superseded: b.Superseded, Ended: b.Cause == subject.OnRetention}
}

// grace is how long the erasure waits. Days are days here: no month is asked for.
func (b *ErasureBody) grace(now time.Time, otherwise time.Duration) (time.Duration, error) {
	if b.Grace == nil {
		return otherwise, nil
	}
	if !b.Grace.Valid() {
		return 0, domain.Invalid("erasure.grace", "grace", "give the grace period in ISO 8601, such as P7D")
	}
	return b.Grace.After(now).Sub(now), nil
}

// Erasure is one erasure of one record, and how far it has come.
type Erasure struct {
	Erasure    domain.ID             `json:"erasure,omitzero"`
	Token      domain.Token          `json:"token"`
	State      string                `json:"state" enum:"weighed,ordered,started,incomplete,completed,cancelled,stopped" doc:"weighed: a dry run. incomplete: started, and something has not confirmed yet; it is tried again. stopped: weighed again, nothing may go any more"`
	Everything bool                  `json:"everything,omitzero"`
	Cause      subject.ErasureCause  `json:"cause,omitzero"`
	Ground     subject.ErasureGround `json:"ground,omitzero"`
	Groups     []subject.Weighed     `json:"groups" doc:"What goes and what stays, by which rule"`
	Due        time.Time             `json:"due,omitzero" doc:"Until then it can be cancelled"`
	Of         domain.Token          `json:"of,omitzero" doc:"The record that this one goes along with"`
	Follows    domain.ID             `json:"follows,omitzero" doc:"The erasure that had to leave this"`
	Ordered    time.Time             `json:"ordered,omitzero"`
	Started    time.Time             `json:"started,omitzero"`
	Completed  time.Time             `json:"completed,omitzero"`
	Incomplete string                `json:"incomplete,omitzero" doc:"Why it does not get on"`

	Keys     []subject.KeyDestroyed  `json:"keys,omitzero" doc:"What was destroyed"`
	Sinks    []subject.SinkConfirmed `json:"sinks,omitzero" doc:"Which places confirmed that they hold nothing of it any more"`
	DeadFrom time.Time               `json:"dead_from,omitzero" doc:"From when on no backup of the keys can revive it"`
	Linked   []Erasure               `json:"linked,omitzero" doc:"The same for the person's other records"`
}

// Erasures is what was ordered of a record, oldest first.
type Erasures struct {
	Token     domain.Token   `json:"token"`
	Items     []Erasure      `json:"items"`
	Closed    []domain.Name  `json:"closed" doc:"Retention groups that nothing is written to and no purpose may use"`
	Waiting   []subject.Wait `json:"waiting" doc:"What an erasure had to leave, and goes when what keeps it ends"`
	Unordered []ErasedAgain  `json:"unordered,omitzero" doc:"Erasures that were carried out again on this record and whose order the ledger does not have, as after an older copy of it was restored"`
	Lifecycle uint32         `json:"lifecycle" doc:"1; one more for each time that the person was recorded anew"`
}

// ErasedAgain is an erasure that the erasure journal or the key store knows of
// and the ledger does not.
type ErasedAgain struct {
	Erasure domain.ID        `json:"erasure"`
	At      time.Time        `json:"at" doc:"When it was carried out again"`
	Keys    []subject.KeyRef `json:"keys" doc:"What was destroyed"`

	Left   []domain.Name      `json:"left,omitzero" doc:"Groups of which it had left something, which is lost with the events that are lost"`
	Erased []subject.ValueRef `json:"erased,omitzero" doc:"Their values that were to go"`
	Lost   []subject.ValueRef `json:"lost,omitzero" doc:"Their values that were to stay: lost, and not erased"`
}

// unordered are the erasures of a record that were carried out again and that
// it knows no order of.
func unordered(s *subject.State) (list []ErasedAgain) {
	entries := s.Entries()
	for i := range entries {
		e, ok := entries[i].Event.(*subject.ErasureReapplied)
		if !ok {
			continue
		}
		if of, _ := s.Erasure(e.Erasure); of.Ordered == nil {
			list = append(list, ErasedAgain{
				Erasure: e.Erasure, At: entries[i].Recorded, Keys: e.Keys, Left: e.Left, Erased: e.Erased, Lost: e.Lost,
			})
		}
	}
	return list
}

type erasureAnswer struct {
	Status int
	ETag   string `header:"ETag" doc:"The record's revision"`
	Body   Erasure
}

type erasuresAnswer struct{ Body Erasures }

type onErasure[T any] struct {
	Token   domain.Token `path:"token" doc:"The person's pseudonym"`
	Erasure domain.ID    `path:"erasure" doc:"The erasure"`
	Body    body[T]
}

// CancelBody says who called an erasure off, and why.
type CancelBody struct {
	By     subject.Party `json:"by,omitzero" enum:"subject,guardian,controller,processor,authority" doc:"The person when left out"`
	Reason string        `json:"reason,omitzero" doc:"Kept sealed"`
}

func (s *API) erasureRoutes() {
	s.erasureListRoutes()
	handle(s, route{
		method: http.MethodPost, path: "/subjects/{token}/erasure", tag: tagRights, summary: "Erase person", status: http.StatusAccepted,
		action: auth.EraseData, keyed: true, matched: true,
		about: "Orders an erasure (GDPR 17), or with dry_run only weighs it. Each retention group is weighed by the rules of Article 17: what goes, " +
			"what stays, by which rule and until when. What goes whole is closed at once: nothing is written to it and no purpose may use it. " +
			"After the grace period it is weighed again and started; then its keys are destroyed and cannot be brought back. " +
			"The person's linked records go along. Follow it with GET.",
	}, s.erase)
	handle(s, route{
		method: http.MethodGet, path: "/subjects/{token}/erasure", tag: tagRights, summary: "List erasures", action: auth.ReadFacts,
		about: "Every erasure of the record and how far it has come, what is closed, and what waits for a hold's release or a duty's end. It says nothing of what was erased.",
	}, s.listErasures)
	handle(s, route{
		method: http.MethodPost, path: "/subjects/{token}/erasure/{erasure}/cancel", tag: tagRights, summary: "Cancel erasure",
		action: auth.EraseData, keyed: true, matched: true, bodyOptional: true,
		about: "Calls off an erasure that has not started. Consents that it withdrew stay withdrawn.",
	}, s.cancelErasure)
	handle(s, route{
		method: http.MethodPost, path: "/subjects/{token}/lifecycle", tag: tagRights, summary: "Open lifecycle",
		action: auth.DecideRights, keyed: true, matched: true, bodyOptional: true,
		about: "Lets a person who was erased be recorded anew, under new keys. What was erased stays erased. An objection to marketing stays until the person consents anew. The answer names linked records that are closed still.",
	}, s.openLifecycle)
}

func (s *API) openLifecycle(ctx context.Context, c *call, in *withBody[CancelBody]) (*written, error) {
	b := in.Body.Value
	out, err := s.Ledger.OpenLifecycle(ctx, c.request(""), in.Token, subject.OpenLifecycle{By: b.By, Reason: sealed(b.Reason)})
	if err != nil {
		return nil, err
	}
	w, err := wrote(in.Token, out, nil)
	if err == nil {
		w.Body.LinkedClosed, err = s.linkedClosed(ctx, in.Token)
	}
	return w, err
}

// linkedClosed are the linked records of which something is closed.
func (s *API) linkedClosed(ctx context.Context, token domain.Token) (closed []domain.Token, err error) {
	linked, err := s.Door.Linked(ctx, token)
	if err != nil {
		return nil, err
	}
	for _, other := range linked {
		state, err := s.Ledger.Subject(ctx, other)
		if err != nil {
			return nil, err
		}
		if len(state.Closed(time.Time{})) > 0 {
			closed = append(closed, other)
		}
	}
	return closed, nil
}

func (s *API) erase(ctx context.Context, c *call, in *withBody[ErasureBody]) (*erasureAnswer, error) {
	b := &in.Body.Value
	linked, err := s.Door.Linked(ctx, in.Token)
	if err != nil {
		return nil, err
	}
	grace, err := b.grace(s.Ledger.Now(), s.Grace)
	if err != nil {
		return nil, err
	}
	order := subject.OrderErasure{
		Cause: b.Cause, Ground: b.Ground, Scope: b.scope(), Grace: grace, Linked: linked, By: b.By, Reason: sealed(b.Reason),
	}
	if b.DryRun {
		return s.tryErasure(ctx, in.Token, b, order)
	}
	if order.Erasure, err = s.nameFor(c, "erasure"); err != nil {
		return nil, err
	}
	out, along, err := s.Erasures.Order(ctx, c.request(""), in.Token, order)
	if err != nil {
		return nil, err
	}
	if along != nil {
		s.Logger.WarnContext(ctx, "linked records are not closed yet: the erasure will", "request", c.id.String(), "error", along)
	}
	return s.erasureOf(ctx, in.Token, order.Erasure, out)
}

// tryErasure is the dry run, for the record and those linked to it.
func (s *API) tryErasure(ctx context.Context, token domain.Token, b *ErasureBody, c subject.OrderErasure) (*erasureAnswer, error) {
	weighed := func(of domain.Token, groups []subject.Weighed) Erasure {
		return Erasure{Token: of, State: "weighed", Everything: b.Everything, Ground: b.Ground, Groups: groups}
	}
	groups, err := s.Erasures.Try(ctx, token, c)
	if err != nil {
		return nil, err
	}
	e := weighed(token, groups)
	for _, other := range c.Linked {
		with := slices.DeleteFunc(append(slices.Clone(c.Linked), token), func(t domain.Token) bool { return t == other })
		groups, err := s.Ledger.WeighErasure(ctx, other, subject.Scope{Everything: b.Everything, Groups: b.Groups}, b.Ground, with)
		if err != nil {
			return nil, err
		}
		e.Linked = append(e.Linked, weighed(other, groups))
	}
	return &erasureAnswer{Status: http.StatusOK, Body: e}, nil
}

func (s *API) erasureOf(ctx context.Context, token domain.Token, id domain.ID, out ledger.Outcome) (*erasureAnswer, error) {
	state, err := s.known(ctx, token)
	if err != nil {
		return nil, err
	}
	e, _ := state.Erasure(id)
	shown, err := s.withLinked(ctx, token, &e)
	return &erasureAnswer{Status: http.StatusAccepted, ETag: etag(out.Last), Body: shown}, err
}

// withLinked is an erasure with what it is on the records that go along.
func (s *API) withLinked(ctx context.Context, token domain.Token, e *subject.Erasure) (Erasure, error) {
	shown := s.shownErasure(token, e)
	if e.Ordered == nil {
		return shown, nil
	}
	for _, other := range e.Ordered.Linked {
		o, err := s.Ledger.Subject(ctx, other)
		if err != nil {
			return shown, err
		}
		if along, ok := o.Erasure(e.ID); ok {
			shown.Linked = append(shown.Linked, s.shownErasure(other, &along))
		}
	}
	return shown, nil
}

func (s *API) shownErasure(token domain.Token, e *subject.Erasure) Erasure {
	shown := Erasure{Erasure: e.ID, Token: token, State: string(e.State), Groups: e.Groups()}
	if shown.Groups == nil {
		shown.Groups = []subject.Weighed{}
	}
	if o := e.Ordered; o != nil {
		shown.Everything, shown.Cause, shown.Ground, shown.Due, shown.Of, shown.Follows = o.Everything, o.Cause, o.Ground, o.Due, o.Of, o.Follows
		shown.Ordered = e.OrderedAt.Recorded
	}
	if e.StartedAt != nil {
		shown.Started = e.StartedAt.Recorded
	}
	if done := e.Completed; done != nil {
		shown.Completed, shown.Keys, shown.Sinks, shown.DeadFrom = e.CompletedAt.Recorded, done.Keys, done.Sinks, s.deadFrom(token, done)
	}
	if e.State == subject.IsOrdered || e.State == subject.IsStarted {
		if shown.Incomplete = s.trouble(token, e.ID); shown.Incomplete != "" && e.State == subject.IsStarted {
			shown.State = "incomplete"
		}
	}
	return shown
}

// deadFrom is from when on no backup of the keys can revive what was erased,
// as far as it is known by now: when the epoch keys that wrapped it ended, or
// when this process will end them. A process that does not rotate goes by what
// was foreseen at completion, until that time has passed.
func (s *API) deadFrom(token domain.Token, done *subject.ErasureCompleted) time.Time {
	var last time.Time
	for _, k := range done.Keys {
		last = later(last, k.At)
	}
	if at, known := s.Keys.Dead(token.Stream(), last); known && !last.IsZero() {
		return at
	}
	if !s.Keys.KeepsSchedule() && done.DeadFrom.After(s.Ledger.Now()) {
		return done.DeadFrom
	}
	return time.Time{}
}

func (s *API) listErasures(ctx context.Context, _ *call, in *struct {
	Token domain.Token `path:"token" doc:"The person's pseudonym"`
},
) (*erasuresAnswer, error) {
	state, err := s.known(ctx, in.Token)
	if err != nil {
		return nil, err
	}
	all := Erasures{
		Token: in.Token, Items: []Erasure{}, Closed: []domain.Name{}, Waiting: []subject.Wait{}, Lifecycle: state.Lifecycle(),
	}
	for _, e := range state.Erasures() {
		shown, err := s.withLinked(ctx, in.Token, &e)
		if err != nil {
			return nil, err
		}
		all.Items = append(all.Items, shown)
	}
	for g := range state.Closed(time.Time{}) {
		all.Closed = append(all.Closed, g)
	}
	slices.Sort(all.Closed)
	all.Unordered = unordered(state)
	all.Waiting = append(all.Waiting, state.Waiting()...)
	return &erasuresAnswer{Body: all}, nil
}

func (s *API) cancelErasure(ctx context.Context, c *call, in *onErasure[CancelBody]) (*erasureAnswer, error) {
	b := in.Body.Value
	out, err := s.decide(ctx, c, in.Token, "", subject.CancelErasure{Erasure: in.Erasure, By: b.By, Reason: sealed(b.Reason)})
	if err != nil {
		return nil, err
	}
	if err := s.Erasures.TakeAlong(ctx, in.Token, in.Erasure); err != nil {
		s.Logger.WarnContext(ctx, "linked records are not open again yet: they will be when it would have been due", "request", c.id.String(), "error", err)
	}
	answer, err := s.erasureOf(ctx, in.Token, in.Erasure, out)
	if err == nil {
		answer.Status = http.StatusOK
	}
	return answer, err
}
