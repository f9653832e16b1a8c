// Package civicrm reads a CiviCRM database dump as rows of a source.
//
// An individual is a person; an organisation is not, and a household is
// several, each with a contact of their own. E-mails, phones, addresses,
// websites and group history are rows that share their contact's fate. The
// privacy columns become objections; being put into a group by an
// administrator is no consent, and neither is a sign-up of which nobody kept
// what the person was told.
package civicrm

import (
	"context"
	"io"
	"iter"

	"lethe/domain"
	"lethe/internal/importer/record"
	"lethe/internal/importer/source"
)

// Tables in the order in which they are read.
const (
	contacts  domain.Name = "civicrm_contact"
	emails    domain.Name = "civicrm_email"
	phones    domain.Name = "civicrm_phone"
	addresses domain.Name = "civicrm_address"
	websites  domain.Name = "civicrm_website"
	history   domain.Name = "civicrm_subscription_history"
)

var tables = []domain.Name{contacts, emails, phones, addresses, websites, history}

// expected are the tables that every version creates, used or not.
var expected = []domain.Name{contacts, emails, phones, addresses, history}

// Source is an opened dump.
type Source struct {
	dump  *record.Dump
	codes codes
}

var (
	_ source.Source  = (*Source)(nil)
	_ source.Partial = (*Source)(nil)
)

// Open indexes the dump and reads its tables of codes. A file without
// CiviCRM's contacts is refused, as is one that was cut off.
func Open(ctx context.Context, r io.ReaderAt, size int64) (*Source, error) {
	dump, err := record.Open(ctx, r, size)
	if err != nil {
		return nil, err
	}
	s := &Source{dump: dump}
	if t := dump.Table(string(contacts)); t == nil {
		return nil, domain.Invalid("dump.system", "file", "this dump has no table civicrm_contact")
	}
	if err := s.readCodes(ctx); err != nil {
		return nil, err
	}
	dump.Ready(s.steps(nil))
	return s, nil
}

// System is "civicrm".
func (s *Source) System() domain.Name { return "civicrm" }

// Tables lists the tables that are read and in the file.
func (s *Source) Tables() []domain.Name {
	var out []domain.Name
	for _, name := range tables {
		if s.dump.Table(string(name)) != nil {
			out = append(out, name)
		}
	}
	return out
}

// Progress tells the bytes read of those that there are to read.
func (s *Source) Progress() (read, total int64) { return s.dump.Progress() }

// Gaps tells what speaks for a part of a dump.
func (s *Source) Gaps() []source.Gap { return s.dump.Gaps(s.steps(nil), expected) }

// Rows yields the rows.
func (s *Source) Rows(ctx context.Context, after source.Place) iter.Seq2[*source.Row, error] {
	m := &mapper{codes: &s.codes, parents: map[string]parent{}}
	return s.dump.Emit(ctx, s.steps(m), after, secret)
}

func (s *Source) steps(m *mapper) []record.Step {
	maps := map[domain.Name]func(*record.Record, *source.Row){
		contacts: m.contact, emails: m.email, phones: m.phone,
		addresses: m.address, websites: m.website, history: m.subscription,
	}
	steps := make([]record.Step, 0, len(tables))
	for _, name := range tables {
		steps = append(steps, record.Step{Stored: string(name), Name: name, Key: []string{"id"}, Map: maps[name]})
	}
	return steps
}

// secret tells the columns that no copy of a row may hold.
func secret(column string) bool { return column == "api_key" || column == "hash" }
