package importer

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/subject"
	"lethe/internal/keyring"
)

// pairing counts in a dry run the links that would be proposed. Who would be
// created has no token and no row in the index, so the values themselves are
// kept, as long as the run lasts.
type pairing struct {
	seq   map[keyring.SourceKey]int // of people, by their first row
	where map[found][]sighting
}

type found struct {
	kind   catalogue.LookupKind
	normal string
}

type sighting struct {
	seq, table int
	token      domain.Token // "" for who would be created
}

func (p *pairing) see(b *book, table int, x *result) {
	if p.where == nil {
		p.seq, p.where = map[keyring.SourceKey]int{}, map[found][]sighting{}
	}
	seq, ok := p.seq[x.task.person]
	if !ok {
		seq = x.task.seq
		p.seq[x.task.person] = seq
	}
	for i := range x.lookups {
		v := &x.lookups[i]
		key := found{v.field.Lookup, b.Keys.Normalise(v.field.Lookup, v.text)}
		list := p.where[key]
		if key.normal == "" || len(list) > maxSharing || slices.ContainsFunc(list, func(s sighting) bool { return s.seq == seq }) {
			continue
		}
		p.where[key] = append(list, sighting{seq, table, x.task.token})
	}
}

func (p *pairing) has(kind catalogue.LookupKind, normal string) bool {
	return len(p.where[found{kind, normal}]) > 0
}

// close counts them: each newer record to the oldest that has the value, but
// for pairs that were proposed, accepted or undone before. It goes by what the
// rows say: a value that the record has and its row has not is left to the run.
func (p *pairing) close(ctx context.Context, b *book) error {
	made := map[[2]string]bool{}
	for key, list := range p.where {
		slices.SortFunc(list, func(a, b sighting) int { return a.seq - b.seq })
		holders, err := b.holders(ctx, key.kind, key.normal)
		if err != nil {
			return err
		}
		holders = slices.DeleteFunc(holders, func(s *subject.State) bool {
			return slices.ContainsFunc(list, func(x sighting) bool { return x.token == s.Token() })
		})
		if len(list)+len(holders) > maxSharing {
			tally(&b.tables[list[0].table].Findings, ruleShared, 1)
			continue
		}
		oldest, newer := list[0], list[1:]
		if len(holders) > 0 {
			oldest, newer = sighting{token: longest(holders)}, list
		}
		for _, s := range newer {
			at := [2]string{s.id(), oldest.id()}
			if made[at] {
				continue
			}
			made[at] = true
			before, err := b.linked(ctx, s.token, oldest.token)
			if err != nil {
				return err
			}
			if !before {
				b.tables[s.table].Linked++
			}
		}
	}
	return nil
}

// id tells people apart, those without a token by their first row.
func (s sighting) id() string {
	if s.token != "" {
		return string(s.token)
	}
	return strconv.Itoa(s.seq)
}

// longest is the one of several records that is there longest.
func longest(records []*subject.State) domain.Token {
	return slices.MinFunc(records, func(a, b *subject.State) int {
		return cmp.Or(a.Entries()[0].Recorded.Compare(b.Entries()[0].Recorded), cmp.Compare(a.Token(), b.Token()))
	}).Token()
}

// linked tells whether a link of two records stands or stood, from either side.
func (r *run) linked(ctx context.Context, a, b domain.Token) (bool, error) {
	if a == "" || b == "" {
		return false, nil
	}
	now := r.Ledger.Now()
	for _, side := range [][2]domain.Token{{a, b}, {b, a}} {
		s, err := r.Ledger.Subject(ctx, side[0])
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(s.At(now, now).Links, func(l subject.Link) bool { return l.Other == side[1] }) {
			return true, nil
		}
	}
	return false, nil
}
