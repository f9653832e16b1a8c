// Package dolibarr reads a Dolibarr database dump, versions 3.0 to 22, as
// rows of a source.
//
// What becomes of a row is decided by the file alone, by the rules written at
// the function of its table. In short: contacts and physical members are
// people; a third party is one only if the file says so; users, logins and
// agenda entries are read and left out; opt-outs become objections; the
// consent flag of the data-policy module is one flag and one date without
// purpose, text or channel, so it is reported and never a consent.
//
// Columns were renamed over the versions (3.0 has cp, ville, tel, nom, prenom,
// civilite, note): every name is tried. The table prefix may be any; reports
// say llx_.
package dolibarr

import (
	"context"
	"io"
	"iter"
	"strings"

	"lethe/domain"
	"lethe/internal/importer/record"
	"lethe/internal/importer/source"
)

// Tables in the order in which they are read: people first, then what refers
// to them.
const (
	thirdParties domain.Name = "llx_societe"
	contacts     domain.Name = "llx_socpeople"
	members      domain.Name = "llx_adherent"
	thirdExtra   domain.Name = "llx_societe_extrafields"
	contactExtra domain.Name = "llx_socpeople_extrafields"
	memberExtra  domain.Name = "llx_adherent_extrafields"
	unsubscribed domain.Name = "llx_mailing_unsubscribe"
	targets      domain.Name = "llx_mailing_cibles"
	agenda       domain.Name = "llx_actioncomm"
	logins       domain.Name = "llx_events"
	users        domain.Name = "llx_user"
)

var tables = []domain.Name{
	thirdParties, contacts, members, thirdExtra, contactExtra, memberExtra,
	unsubscribed, targets, agenda, logins, users,
}

// expected are the tables that every version creates, used or not.
var expected = []domain.Name{thirdParties, contacts, members, targets}

// Source is an opened dump.
type Source struct {
	dump   *record.Dump
	prefix string
	codes  codes
}

var (
	_ source.Source  = (*Source)(nil)
	_ source.Partial = (*Source)(nil)
)

// Open indexes the dump and reads its tables of codes. A file that has none
// of Dolibarr's tables is refused, as is one that was cut off.
func Open(ctx context.Context, r io.ReaderAt, size int64) (*Source, error) {
	dump, err := record.Open(ctx, r, size)
	if err != nil {
		return nil, err
	}
	s := &Source{dump: dump}
	if s.prefix = findPrefix(dump.Tables()); s.prefix == "" {
		return nil, domain.Invalid("dump.system", "file", "this dump has none of Dolibarr's tables")
	}
	if err := s.readCodes(ctx); err != nil {
		return nil, err
	}
	dump.Ready(s.steps(nil))
	return s, nil
}

// System is "dolibarr".
func (s *Source) System() domain.Name { return "dolibarr" }

// Tables lists the tables that are read and in the file.
func (s *Source) Tables() []domain.Name {
	var out []domain.Name
	for _, step := range s.steps(nil) {
		if s.dump.Table(step.Stored) != nil {
			out = append(out, step.Name)
		}
	}
	return out
}

// Progress tells the bytes read of those that there are to read.
func (s *Source) Progress() (read, total int64) { return s.dump.Progress() }

// Whole reports whether the file ends as mysqldump ends a whole one.
func (s *Source) Whole() bool { return s.dump.Ended() }

// Gaps tells what speaks for a part of a dump.
func (s *Source) Gaps() []source.Gap { return s.dump.Gaps(s.steps(nil), expected) }

// Rows yields the rows.
func (s *Source) Rows(ctx context.Context, after source.Place) iter.Seq2[*source.Row, error] {
	m := &mapper{codes: &s.codes, parents: map[source.Key]domain.Name{}, companies: map[string]string{}}
	return s.dump.Emit(ctx, s.steps(m), after, secret)
}

// steps lists the tables with what maps them.
func (s *Source) steps(m *mapper) []record.Step {
	maps := map[domain.Name]func(*record.Record, *source.Row){
		thirdParties: m.thirdParty, contacts: m.contact, members: m.member,
		thirdExtra: m.extra(thirdParties), contactExtra: m.extra(contacts), memberExtra: m.extra(members),
		unsubscribed: m.unsubscribed, targets: m.target,
		agenda: m.agendaEntry, logins: m.login, users: m.user,
	}
	steps := make([]record.Step, 0, len(tables))
	for _, name := range tables {
		steps = append(steps, record.Step{
			Stored: s.stored(name), Name: name, Key: []string{"rowid", "id"}, Map: maps[name],
		})
	}
	return steps
}

func (s *Source) stored(name domain.Name) string {
	return s.prefix + strings.TrimPrefix(string(name), "llx_")
}

// findPrefix takes the prefix under which the file has most of the tables.
func findPrefix(names []string) string {
	found := map[string]int{}
	best := ""
	for _, name := range names {
		for _, t := range tables {
			prefix, ok := strings.CutSuffix(name, strings.TrimPrefix(string(t), "llx"))
			if !ok || prefix == "" {
				continue
			}
			prefix += "_"
			if found[prefix]++; found[prefix] > found[best] {
				best = prefix
			}
		}
	}
	return best
}

// secret tells the columns that no copy of a row may hold.
func secret(column string) bool {
	return strings.HasPrefix(column, "pass") || strings.HasSuffix(column, "_pass") ||
		strings.HasSuffix(column, "_key") && column != "import_key"
}
