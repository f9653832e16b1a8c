package importer

import (
	"context"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/subject"
	"lethe/internal/keyring"
	"lethe/internal/ledger"
)

// Suppression: an erasure leaves keyed marks of what identified a person.
//
//	of the row's key in its source   nothing is made of the row, and no claim:
//	                                 an officer lifts the mark first
//	of an e-mail address or phone    the record is made; marketing is off from
//	                                 the first event on when the mark says so,
//	                                 and an officer is to look
//
// Marks lead back to nobody, so what comes after one was lifted is a new record.
const (
	ruleSuppressed domain.Name = "suppressed"         // the row's person was erased
	ruleMarked     domain.Name = "suppressed_contact" // finding: somebody with this address or number was erased
)

// suppress marks the rows whose person was erased. A person who has a claim is
// there; only who would be new is asked about.
func (c *claimer) suppress(ctx context.Context, tasks []*task, found map[keyring.SourceKey]keyring.ImportClaim) error {
	n, err := c.Keys.CountMarks(ctx)
	if err != nil {
		return domain.Internal("counting marks", err)
	}
	c.contacts.Store(n.Contact > 0)
	if n.Source == 0 {
		return nil
	}
	var of []keyring.Identifier
	var asked []*task
	for _, t := range tasks {
		if _, there := found[t.person]; !there && t.row.Key != "" && t.row.LeftOut == "" && !t.duplicate {
			of, asked = append(of, keyring.Identifier{Source: t.person}), append(asked, t)
		}
	}
	marks, err := c.Keys.Suppressed(ctx, of)
	if err != nil {
		return domain.Internal("looking for marks", err)
	}
	for i := range marks {
		asked[i].suppressed = marks[i].Erased
	}
	return nil
}

// lookForMarks asks about the addresses and numbers of a person who is to be made.
func (s *sitting) lookForMarks(ctx context.Context) error {
	s.hits = nil
	if !s.contacts.Load() {
		return nil
	}
	var of []keyring.Identifier
	for i := range s.p.values {
		if v := &s.p.values[i]; v.field.Lookup == catalogue.LookupEmail || v.field.Lookup == catalogue.LookupPhone {
			of = append(of, keyring.Identifier{Kind: v.field.Lookup, Text: v.text})
		}
	}
	marks, err := s.Keys.Suppressed(ctx, of)
	if err != nil {
		return domain.Internal("looking for marks", err)
	}
	s.hits = ledger.Hits(marks)
	return nil
}

// heed keeps marketing off for a new person with an address or number of
// somebody who was erased.
func (s *sitting) heed() {
	if len(s.hits) == 0 {
		return
	}
	s.x.findings = append(s.x.findings, ruleMarked)
	if c, ok := ledger.Suppress(s.hits, s.source()); ok {
		s.commands = append(s.commands, c)
		s.did.denials++
	}
}

// heeded tells whether an objection was made by heed.
func (s *sitting) heeded(e *subject.Objected) bool {
	return e.By == subject.Controller && e.Scope == subject.ToMarketing && e.Source == s.source()
}
