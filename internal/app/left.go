package app

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/keyring"
	"lethe/internal/ledger"
)

// note records with each person which erasures were carried out again and, when
// the log is an older copy, what became of what they had left.
func (a *App) note(ctx context.Context, again map[erasedAgain][]subject.KeyRef, copied bool) error {
	var lost lostValues
	if copied {
		var err error
		if lost.parted, err = a.Keys.Parted(ctx, compartmentsOf(again)); err != nil {
			return fmt.Errorf("looking for what erasures had left: %w", err)
		}
	}
	order := slices.SortedFunc(maps.Keys(again), func(x, y erasedAgain) int {
		return cmp.Or(cmp.Compare(x.token, y.token), slices.Compare(x.erasure[:], y.erasure[:]))
	})
	keys := 0
	for _, of := range order {
		e := subject.ErasureReapplied{Erasure: of.erasure, Keys: again[of]}
		if err := a.missing(ctx, of.token, &e, &lost); err != nil {
			return err
		}
		_, err := a.Ledger.On(ctx, ledger.Request{Principal: System}, of.token, subject.Env{}, subject.NoteReapplied{Reapplied: e})
		if err != nil {
			return fmt.Errorf("noting that an erasure was carried out again: %w", err)
		}
		keys += len(e.Keys)
	}
	if len(again) > 0 {
		a.report(fmt.Sprintf("%d erasures that what was restored did not know of were carried out again: %d keys", len(again), keys))
	}
	for _, text := range lost.told() {
		a.report(text)
	}
	return nil
}

// lostValues is what erasures of single values had left, and what is lost of it.
type lostValues struct {
	parted  map[keyring.Compartment]keyring.Parted
	values  int
	people  map[domain.Token]bool // who lost values
	others  int                   // groups of which something had stayed that is no value, or cannot be told
	erasing map[domain.Token]bool // whose groups these are
}

func compartmentsOf(again map[erasedAgain][]subject.KeyRef) []keyring.Compartment {
	all := map[keyring.Compartment]bool{}
	for of, refs := range again {
		for _, r := range refs {
			all[keyring.Compartment{Owner: of.token.Stream(), Group: r.Group}] = true
		}
	}
	return slices.Collect(maps.Keys(all))
}

// missing says of the groups that an erasure had not taken whole what became of
// what it left: the events that sealed it again are lost, and the key of what the
// log has is destroyed. Each group is told of once.
func (a *App) missing(ctx context.Context, token domain.Token, e *subject.ErasureReapplied, lost *lostValues) error {
	for _, k := range e.Keys {
		c := keyring.Compartment{Owner: token.Stream(), Group: k.Group}
		parted, ok := lost.parted[c]
		if !ok {
			continue
		}
		delete(lost.parted, c)
		e.Left = append(e.Left, k.Group)
		before := len(e.Lost)
		if err := a.sortOut(ctx, token, k.Group, parted, e); err != nil {
			return err
		}
		lost.add(token, len(e.Lost)-before, parted.Known)
	}
	return nil
}

// sortOut tells the values of a group that the log has, and that cannot be read any
// more, by whether they were to go. When nobody knows they count as erased.
func (a *App) sortOut(ctx context.Context, token domain.Token, group domain.Name, parted keyring.Parted, e *subject.ErasureReapplied) error {
	s, err := a.Ledger.Subject(ctx, token)
	if err != nil {
		return err
	}
	for _, f := range s.At(time.Time{}, time.Time{}).Fields {
		if f.Group != group || f.Lost {
			continue
		}
		erased, err := a.Ledger.Erased(ctx, f.Value)
		if err != nil {
			return err
		}
		if !erased {
			continue
		}
		if parted.Known && !slices.Contains(parted.Gone, keyring.ValueRef{Field: f.Field, Slot: f.Slot}) {
			e.Lost = append(e.Lost, f.Ref())
		} else {
			e.Erased = append(e.Erased, f.Ref())
		}
	}
	return nil
}

func (l *lostValues) add(token domain.Token, values int, known bool) {
	if l.people == nil {
		l.people, l.erasing = map[domain.Token]bool{}, map[domain.Token]bool{}
	}
	if values > 0 {
		l.values += values
		l.people[token] = true
	}
	if values == 0 || !known {
		l.others++
		l.erasing[token] = true
	}
}

func (l *lostValues) told() (lines []string) {
	if l.values > 0 {
		lines = append(lines, fmt.Sprintf("%d values of %d people that were to stay when others were erased are lost with the lost events: "+
			"they are not erased. Bring them in again from their source; `lethe audit verify` counts them", l.values, len(l.people)))
	}
	if l.others > 0 {
		lines = append(lines, fmt.Sprintf("of %d groups of %d people something was to stay when the rest was erased, such as evidence: "+
			"what it was is lost with the lost events, and `lethe audit verify` counts it", l.others, len(l.erasing)))
	}
	return lines
}
