package importer

import (
	"context"
	"slices"

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

// close counts them: each newer record to the oldest that has the value.
func (p *pairing) close(ctx context.Context, b *book) error {
	made := map[[2]int]bool{}
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
		oldest, newer := -1, list
		if len(holders) == 0 {
			oldest, newer = list[0].seq, list[1:]
		}
		for _, s := range newer {
			if at := [2]int{s.seq, oldest}; !made[at] {
				made[at] = true
				b.tables[s.table].Linked++
			}
		}
	}
	return nil
}
