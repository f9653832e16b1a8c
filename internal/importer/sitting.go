package importer

import (
	"context"
	"math"
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/domain/subject"
	"lethe/internal/importer/source"
	"lethe/internal/keyring"
)

// same reports whether a row says exactly what it said when it was imported
// last.
func (m *memory) same(p *plan) bool {
	if len(m.values) != len(p.values) || len(m.denials) != len(p.denials) || len(m.consents) != len(p.consents) {
		return false
	}
	for i := range p.values {
		v := &p.values[i]
		if !slices.ContainsFunc(m.values, func(k mark) bool { return k.field == v.field.ID && k.mac == v.mac }) {
			return false
		}
	}
	return true
}

// unsaid is what of a plan was not said before.
func (m *memory) unsaid(p *plan) (left unsaid) {
	for i := range p.denials {
		if !slices.Contains(m.denials, p.denials[i].mac) {
			left.denials = append(left.denials, &p.denials[i])
		}
	}
	for i := range p.consents {
		if !slices.Contains(m.consents, p.consents[i].mac) {
			left.consents = append(left.consents, &p.consents[i])
		}
	}
	return left
}

type unsaid struct {
	denials  []*denial
	consents []*consent
}

func (u unsaid) empty() bool { return len(u.denials)+len(u.consents) == 0 }

// sitting is one deciding of one row.
type sitting struct {
	*run
	x     *result
	p     *plan
	known memory
	env   subject.Env

	state   *subject.State
	snap    *subject.Snapshot
	command domain.Digest

	commands   []subject.Command
	did        did
	marks      []mark
	hits       []keyring.Mark // of addresses and numbers that erased people had
	denials    []keyring.ValueMAC
	consents   []keyring.ValueMAC
	records    []subject.RecordFields // by purpose
	rectified  []subject.Entry
	taken      map[domain.Name]uint16 // next free slot by field
	refused    bool
	restricted bool // nothing but a no is written
	withheld   bool // and something was kept back for that
}

func (s *sitting) source() subject.Source {
	return subject.Source{System: s.src.System(), Table: s.x.task.row.Table, Import: s.id}
}

func (s *sitting) row() personal.Value { return personal.Of(s.x.task.row.Key) }

// decide works out the commands.
func (s *sitting) decide(ctx context.Context) error {
	s.x.conflicts = s.x.conflicts[:len(s.x.task.row.Conflicts)]
	s.x.refusals = s.p.faults[:len(s.p.faults):len(s.p.faults)]
	s.did.kind = unchanged
	s.x.findings = s.x.findings[:len(s.x.task.row.Findings)]
	if s.state == nil && s.x.task.row.Creates {
		s.open()
		return nil
	}
	// Without a cut: a no that takes effect in a minute is a no.
	s.snap = s.state.At(time.Time{}, time.Time{})
	s.snap.Fields = slices.DeleteFunc(s.snap.Fields, func(f subject.Field) bool { return f.Earlier > 0 }) // it waits to go
	s.restricted = s.snap.Restricted()
	if first, last, ok := s.state.Command(s.command); ok {
		return s.recover(ctx, first, last)
	}
	if s.known.none() {
		if err := s.recall(ctx); err != nil {
			return err
		}
	}
	if err := s.compare(ctx); err != nil {
		return err
	}
	s.assert()
	if len(s.rectified) > 0 {
		s.commands = append(s.commands, subject.RectifyFields{Items: s.rectified, Source: s.source(), Row: s.row()})
	}
	s.record()
	left := s.known.unsaid(s.p)
	for i := range s.p.denials {
		s.deny(&s.p.denials[i], slices.Contains(left.denials, &s.p.denials[i]))
	}
	for i := range s.p.consents {
		s.consent(&s.p.consents[i], slices.Contains(left.consents, &s.p.consents[i]))
	}
	s.gone()
	return nil
}

// open makes a new person: one append with all that the row says.
func (s *sitting) open() {
	row := s.x.task.row
	place := row.Jurisdiction
	if !place.Valid() {
		place = s.home
	}
	s.did.kind = created
	s.commands = append(s.commands, subject.Register{Source: s.source(), Acquired: row.Acquired, Jurisdiction: place, Row: s.row()})
	for i := range s.p.values {
		s.add(&s.p.values[i], s.free(s.p.values[i].field), s.p.values[i].purposes)
	}
	s.assert()
	s.record()
	s.heed()
	for i := range s.p.denials {
		s.deny(&s.p.denials[i], true)
	}
	for i := range s.p.consents {
		s.consent(&s.p.consents[i], true)
	}
}

// free is the next slot of a field that was never used in the record.
func (s *sitting) free(f *catalogue.FieldDeclared) uint16 {
	if !f.Many {
		return 0
	}
	if s.taken == nil {
		s.taken = map[domain.Name]uint16{}
		for _, rec := range s.state.Entries() {
			if e, ok := rec.Event.(*subject.FieldsRecorded); ok {
				for _, it := range e.Items {
					if it.Slot < math.MaxUint16 {
						s.taken[it.Field] = max(s.taken[it.Field], it.Slot+1)
					}
				}
			}
		}
	}
	slot := s.taken[f.ID]
	s.taken[f.ID]++
	return slot
}

// add records a value for purposes and remembers it.
func (s *sitting) add(v *value, slot uint16, purposes []domain.Name) {
	entry := subject.Entry{Field: v.field.ID, Text: personal.Of(v.text), Slot: &slot, Class: v.class}
	for _, purpose := range purposes {
		i := slices.IndexFunc(s.records, func(c subject.RecordFields) bool { return c.Purpose == purpose })
		if i < 0 {
			i = len(s.records)
			s.records = append(s.records, subject.RecordFields{Purpose: purpose, Source: s.source(), Row: s.row()})
		}
		s.records[i].Items = append(s.records[i].Items, entry)
	}
	s.keep(v, slot)
	s.did.values++
}

// keep remembers a value as imported.
func (s *sitting) keep(v *value, slot uint16) {
	s.marks = append(s.marks, mark{v.field.ID, slot, v.mac})
}

// assert relies on the declared basis of each purpose that data is recorded
// for, unless it rests on consent, which only the person gives, or somebody
// has asserted or ended that basis before.
func (s *sitting) assert() {
	for _, rec := range s.records {
		p := s.purposes[rec.Purpose]
		if p == nil || p.Basis == domain.Consent || s.judged(rec.Purpose) {
			continue
		}
		s.commands = append(s.commands, subject.AssertBasis{
			Purpose: p.ID, Basis: p.Basis,
			Reference: personal.Of("import of " + string(s.x.task.row.Table) + " from " + string(s.src.System())),
		})
	}
}

func (s *sitting) judged(purpose domain.Name) bool {
	for _, rec := range s.state.Entries() {
		switch e := rec.Event.(type) {
		case *subject.BasisAsserted:
			if e.Purpose == purpose {
				return true
			}
		case *subject.BasisEnded:
			if e.Purpose == purpose {
				return true
			}
		}
	}
	return false
}

func (s *sitting) record() {
	for _, c := range s.records {
		s.commands = append(s.commands, c)
	}
}

// deny sends a no that was not said before, unless it stands already.
func (s *sitting) deny(d *denial, fresh bool) {
	s.denials = append(s.denials, d.mac)
	if !fresh || s.saidNo(d) {
		return
	}
	c, rule := s.denying(d)
	if rule != "" {
		s.x.conflicts = append(s.x.conflicts, fault{rule: rule})
	}
	if c != nil {
		s.commands = append(s.commands, c)
		s.did.denials++
	}
}

func (s *sitting) denying(d *denial) (subject.Command, domain.Name) {
	if d.Kind == source.Refusal {
		if s.snap != nil && s.snap.Consent(d.Purpose).Denied != nil && !s.snap.Consent(d.Purpose).Status.Allows() {
			return nil, ""
		}
		return subject.RefuseConsent{Said: subject.Said{
			When: subject.When{At: d.at}, Purpose: d.Purpose, Medium: subject.Imported, Method: subject.SourceRecord,
		}}, ""
	}
	c := s.objection(d)
	if s.snap == nil {
		return c, ""
	}
	switch stands(s.snap, c) {
	case standing:
		return nil, ""
	case takenBack:
		return nil, ruleTakenBack
	case absent:
	}
	return c, ""
}

// objection is the command that a no comes to. One to a channel is one to the
// person's addresses there, whoever else has them.
func (r *run) objection(table domain.Name, d *denial) subject.Object {
	scope, _ := scopeOf(d.Scope)
	return subject.Object{
		When: subject.When{At: d.at}, Scope: scope, Purpose: d.Purpose, Channel: d.Channel,
		ContactPoint: kindOf(d.Channel) != catalogue.NoLookup,
		Source:       subject.Source{System: r.src.System(), Table: table, Import: r.id},
	}
}

func (s *sitting) objection(d *denial) subject.Object {
	return s.run.objection(s.x.task.row.Table, d)
}

type presence uint8

const (
	absent presence = iota
	standing
	takenBack // after the time at which it is said to be made
)

// stands tells whether a record has an objection already.
func stands(snap *subject.Snapshot, c subject.Object) presence {
	found := absent
	for _, o := range snap.Objections {
		if o.Scope != c.Scope || o.Purpose != c.Purpose || o.Channel != c.Channel || c.ContactPoint && !o.ContactPoint {
			continue
		}
		if o.State != subject.TakenBack {
			return standing
		}
		if c.At.IsZero() || o.By == nil || !c.At.After(o.By.Effective) {
			found = takenBack
		}
	}
	return found
}

// consent sends a yes that was not said before, unless a no came after it.
func (s *sitting) consent(c *consent, fresh bool) {
	if fresh {
		if s.restricted {
			s.withhold("")
			return
		}
		if s.deniedSince(c) {
			s.x.conflicts = append(s.x.conflicts, fault{rule: ruleDeniedSince})
			return
		}
		if !s.given(c) {
			s.commands = append(s.commands, subject.GiveConsent{Granting: subject.Granting{
				Said: subject.Said{
					When: subject.When{At: c.At}, Purpose: c.Purpose, Version: c.Version, Notice: c.Notice,
					Language: c.Language, Medium: c.Medium, Method: c.Method, Evidence: personal.Of(c.Evidence),
				},
				Channels: c.Channels,
			}})
			s.did.consents++
		}
	}
	s.consents = append(s.consents, c.mac)
}

// withhold refuses what a restriction forbids.
func (s *sitting) withhold(field domain.Name) {
	s.x.refusals = append(s.x.refusals, fault{field, ruleRestricted})
	s.withheld = true
}

func (s *sitting) given(c *consent) bool {
	if s.snap == nil {
		return false
	}
	g := s.snap.Consent(c.Purpose).Granted
	return g != nil && g.Effective.Equal(c.At)
}

func (s *sitting) deniedSince(c *consent) bool {
	if s.snap == nil {
		return false
	}
	if d := s.snap.Consent(c.Purpose).Denied; d != nil && !d.Effective.Before(c.At) {
		return true
	}
	p := s.purposes[c.Purpose]
	for _, o := range s.snap.Objections {
		about := o.Purpose == c.Purpose || o.Purpose == "" && p != nil && (p.Marketing || o.Scope == subject.ToProcessing)
		if about && o.State != subject.TakenBack && !o.Rest.Effective.Before(c.At) {
			return true
		}
	}
	return false
}

// gone reports what the source denied before and does not deny any more: the
// end of a no is no yes. A no whose address or date changed is not gone.
func (s *sitting) gone() {
	if c := s.x.task.claim; c == nil || c.Mapping != s.key.Mapping {
		return
	}
	left := len(s.known.denials) - len(s.p.denials)
	for _, m := range s.known.denials {
		if left > 0 && !slices.Contains(s.denials, m) {
			s.x.findings = append(s.x.findings, ruleDenialGone)
			s.denials = append(s.denials, m)
			left--
		}
	}
}
