package importer

import (
	"context"
	"encoding/hex"
	"maps"
	"strconv"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/importer/source"
	"lethe/internal/keyring"
	"lethe/internal/ledger"
)

// task is a row with the claims that it has.
type task struct {
	seq       int
	row       *source.Row
	own       keyring.SourceKey
	person    keyring.SourceKey
	claim     *keyring.ImportClaim // of the row itself
	token     domain.Token         // of its person, "" when the person has none
	fresh     bool                 // the token was drawn for it just now: its stream does not exist
	paper     bool                 // in a dry run: the person has no record yet
	duplicate bool

	suppressed bool // the person was erased
}

// result is what became of a row.
type result struct {
	task      *task
	did       did
	appended  bool
	refusals  []fault // of a refused row: why; of another: the values that were left out
	conflicts []fault
	findings  []domain.Name
	finish    *keyring.ImportClaim
	addresses []denial // opt-outs that bind an address that the record itself may not have
	lookups   []value  // in a dry run: what people are found by
	err       error    // the import cannot go on
}

func (x *result) refuse(field, rule domain.Name) {
	x.did.kind = refused
	x.refusals = append(x.refusals, fault{field, rule})
}

// attempts bounds how often a row is decided again because somebody else
// changed the record in between.
const attempts = 8

// do takes one row from plan to append.
func (r *run) do(ctx context.Context, t *task) *result {
	x := &result{task: t, did: did{by: [8]byte(r.id[:8]), kind: unchanged}}
	for _, f := range t.row.Findings {
		x.findings = append(x.findings, f.Rule)
	}
	for _, f := range t.row.Conflicts {
		x.conflicts = append(x.conflicts, fault{f.Field, f.Rule})
	}
	switch {
	case t.row.LeftOut != "":
		r.leaveOut(x)
		return x
	case t.suppressed:
		x.did.kind = suppressed
		return x
	case len(t.row.Refusals) > 0:
		for _, f := range t.row.Refusals {
			x.refuse(f.Field, f.Rule)
		}
		return x
	case t.duplicate:
		x.refuse("", ruleDuplicateKey)
		return x
	case t.token == "" && !t.paper, t.paper && !t.row.Creates && !r.onPaper(t.person):
		x.refuse("", ruleParentRefused)
		return x
	}
	p := r.plan(t.row, t.own, r.Ledger.Now())
	if p.refused != nil {
		x.refuse(p.refused.field, p.refused.rule)
		return x
	}
	x.refusals = p.faults
	x.err = r.settle(ctx, x, &p)
	return x
}

// leaveOut keeps what a row that is not imported says about an address.
func (r *run) leaveOut(x *result) {
	x.did.kind = leftOut
	var p plan
	for _, d := range x.task.row.Denials {
		r.planDenial(&p, x.task.row, x.task.own, d, r.Ledger.Now())
	}
	x.addresses = p.denials
	for _, f := range p.faults {
		x.findings = append(x.findings, f.rule)
	}
}

// settle decides the row against the claim and the record, and appends.
func (r *run) settle(ctx context.Context, x *result, p *plan) error {
	known := remembered(x.task.claim)
	if left := known.unsaid(p); left.empty() && known.same(p) && !known.none() {
		if known.by.of(r.id) {
			x.did = known.by
		}
		x.addresses = r.elsewhere(p)
		return nil
	}
	for range attempts {
		again, err := r.attempt(ctx, x, p, known)
		if !again || err != nil {
			return err
		}
	}
	x.refuse("", "stream.contended")
	return nil
}

// attempt decides once. again means that the record was changed meanwhile.
func (r *run) attempt(ctx context.Context, x *result, p *plan, known memory) (again bool, err error) {
	s := &sitting{run: r, x: x, p: p, known: known}
	s.env = subject.Env{Now: r.Ledger.Now(), Catalogue: r.cat}
	t := x.task
	if !t.fresh && !t.paper {
		if s.state, err = r.Ledger.Subject(ctx, t.token); err != nil {
			return false, err
		}
		if s.env.Fenced, err = r.Keys.Fenced(ctx, t.token.Stream()); err != nil {
			return false, domain.Internal("reading fences", err)
		}
		s.env.Fenced = union(s.env.Fenced, s.state.Closed(time.Time{}))
	}
	if s.state == nil && !t.row.Creates && !t.paper {
		x.refuse("", ruleParentRefused)
		return false, nil
	}
	if s.state == nil {
		if err := s.lookForMarks(ctx); err != nil {
			return false, err
		}
	}
	s.command = r.command("row", hex.EncodeToString(t.own[:])+"\x00"+strconv.Itoa(int(s.version())))
	if err := s.decide(ctx); err != nil {
		return false, err
	}
	commands, err := s.send(ctx)
	if e, ok := domain.AsError(err); ok && e.Kind == domain.KindPrecondition {
		return true, nil
	}
	if err != nil || commands == nil && s.refused {
		return false, err
	}
	s.close()
	return false, nil
}

// onPaper: in a dry run an earlier row's person exists on paper only.
func (r *run) onPaper(person keyring.SourceKey) bool {
	_, ok := r.paper.Load(person)
	return ok
}

func (s *sitting) version() uint32 {
	if c := s.x.task.claim; c != nil {
		return c.Version
	}
	return 0
}

// send appends what was decided. A command that the rules refuse is left out
// and listed, and the rest is sent. It returns what was sent, nil when the
// whole row was refused.
func (s *sitting) send(ctx context.Context) ([]subject.Command, error) {
	for len(s.commands) > 0 {
		var out ledger.Outcome
		var err error
		if s.job.DryRun {
			_, err = subject.DecideAll(s.state, s.env, s.commands...)
			if s.x.task.paper && !s.x.task.row.Creates {
				err = nil // what the person holds is not known
			}
			out.Events = len(s.commands)
		} else {
			out, err = s.Ledger.On(ctx, s.request(), s.x.task.token, s.env, s.commands...)
		}
		if err == nil {
			s.x.appended = out.Events > 0
			return s.commands, s.crash("row appended")
		}
		e, ok := domain.AsError(err)
		if !ok || e.Kind == domain.KindUnavailable || e.Kind == domain.KindInternal || e.Kind == domain.KindPrecondition {
			return nil, err
		}
		if !s.drop(e) {
			s.x.refuse("", ruleOf(err))
			s.refused = true
			return nil, nil
		}
	}
	return s.commands, nil
}

func (s *sitting) request() ledger.Request {
	req := s.run.request(s.command)
	req.New = s.x.task.fresh && s.state == nil
	if s.state != nil {
		at := s.state.Revision()
		req.IfMatch = &at
	}
	return req
}

// drop takes out the first command that the rules refuse: of several values
// the one that the refusal names. It is false when the record itself cannot
// be opened or written.
func (s *sitting) drop(refusal *domain.Error) bool {
	if refusal.Kind == domain.KindGone && refusal.Code != "group.erased" {
		return false
	}
	for i := range s.commands {
		_, err := subject.DecideAll(s.state, s.env, s.commands[:i+1]...)
		if err == nil {
			continue
		}
		if _, opens := s.commands[i].(subject.Register); opens {
			return false
		}
		e, _ := domain.AsError(err)
		s.x.refusals = append(s.x.refusals, fault{s.takeOut(i, domain.Name(e.Field)), ruleOf(err)})
		return true
	}
	return false
}

// takeOut removes command i, or of one with several values the value of the
// field named. It returns the field that the refusal is about.
func (s *sitting) takeOut(i int, field domain.Name) domain.Name {
	keep := func(items []subject.Entry) []subject.Entry {
		var kept []subject.Entry
		for _, e := range items {
			if e.Field != field {
				kept = append(kept, e)
				continue
			}
			s.forget(field, *e.Slot)
		}
		if len(kept) == len(items) { // it is about none of them: all go
			for _, e := range items {
				s.forget(e.Field, *e.Slot)
			}
			return nil
		}
		return kept
	}
	switch c := s.commands[i].(type) {
	case subject.RecordFields:
		if c.Items = keep(c.Items); len(c.Items) > 0 {
			s.commands[i] = c
			return field
		}
	case subject.RectifyFields:
		if c.Items = keep(c.Items); len(c.Items) > 0 {
			s.commands[i] = c
			return field
		}
	case subject.Object, subject.RefuseConsent:
		s.did.denials--
		field = ""
	case subject.GiveConsent:
		s.did.consents--
		field = ""
	default:
		field = ""
	}
	s.commands = append(s.commands[:i:i], s.commands[i+1:]...)
	if !field.Valid() {
		field = ""
	}
	return field
}

// forget drops a value's mark: it was not taken, so the next import tries it
// again.
func (s *sitting) forget(field domain.Name, slot uint16) {
	for i, m := range s.marks {
		if m.field == field && m.slot == slot {
			s.marks = append(s.marks[:i:i], s.marks[i+1:]...)
			s.did.values--
			return
		}
	}
}

// close notes what was done in the row's claim.
func (s *sitting) close() {
	x, t := s.x, s.x.task
	x.did.values, x.did.denials, x.did.consents = s.did.values, s.did.denials, s.did.consents
	switch {
	case s.did.kind == created:
		x.did.kind = created
	case x.appended || s.did.kind == updated:
		x.did.kind = updated
	}
	if x.did.kind == unchanged && s.known.by.of(s.id) {
		x.did = s.known.by // done before the import was cut off; what is left over is left over still
		x.addresses = s.elsewhere(s.p)
		return
	}
	x.addresses = s.elsewhere(s.p)
	if s.withheld && x.did.kind == unchanged {
		x.did.kind = refused
	}
	if s.job.DryRun {
		x.lookups = s.p.values
		if t.paper && x.did.kind == created {
			s.paper.Store(t.person, nil)
		}
		return
	}
	if s.withheld {
		return // what was refused is tried again
	}
	claim := &keyring.ImportClaim{Key: t.own, Token: t.token, Mapping: s.key.Mapping, Catalogue: s.key.Catalogue}
	for _, m := range s.marks {
		claim.Fields = append(claim.Fields, m.stored())
	}
	for _, m := range s.denials {
		claim.Fields = append(claim.Fields, keyring.FieldMAC{Field: markDenial, MAC: m})
	}
	for _, m := range s.consents {
		claim.Fields = append(claim.Fields, keyring.FieldMAC{Field: markConsent, MAC: m})
	}
	claim.Fields = append(claim.Fields, x.did.stored())
	x.finish = claim
}

// elsewhere are the opt-outs of an address that is not among the row's own
// values.
func (r *run) elsewhere(p *plan) []denial {
	var out []denial
	for _, d := range p.denials {
		own := d.Contact == ""
		for _, v := range p.values {
			own = own || r.Keys.Normalise(v.field.Lookup, v.text) == r.Keys.Normalise(v.field.Lookup, d.Contact) &&
				v.field.Lookup == kindOf(d.Channel)
		}
		if !own {
			out = append(out, d)
		}
	}
	return out
}

// union of what is erased and what is about to be; the first is shared and
// stays as it is.
func union(a, b map[domain.Name]bool) map[domain.Name]bool {
	if len(b) == 0 {
		return a
	}
	all := maps.Clone(b)
	for g, erased := range a {
		all[g] = all[g] || erased
	}
	return all
}
