package keyring

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Parted is a compartment of which a key was destroyed while it lives on under
// a newer one: what was to stay of what the old one had sealed was sealed again.
// Gone names the values that were not to stay. It is complete when Known;
// otherwise the erasure journal does not tell, or not for each of the keys.
type Parted struct {
	Gone  []ValueRef
	Known bool
}

// Parted finds those of compartments that parted from a key and live, by what
// the key store and the erasure journal say. A log that is an older copy learns
// from it what it does not know.
func (k *Keyring) Parted(ctx context.Context, of []Compartment) (map[Compartment]Parted, error) {
	found := map[Compartment]Parted{}
	err := k.change(func(*changes) error {
		erased := map[KeyID]Compartment{} // keys of which nothing is known yet
		for _, c := range of {
			keys, err := k.partedKeys(ctx, c)
			if err != nil {
				return err
			}
			for _, id := range keys {
				erased[id] = c
				found[c] = Parted{Known: true}
			}
		}
		if len(erased) == 0 {
			return nil
		}
		return k.fromJournal(erased, found)
	})
	if err != nil {
		return nil, fmt.Errorf("looking for keys that others took the place of: %w", err)
	}
	return found, nil
}

// partedKeys are the destroyed keys of a compartment's newest lifecycle, when
// its newest key lives.
func (k *Keyring) partedKeys(ctx context.Context, c Compartment) (ids []KeyID, err error) {
	newest, err := k.newest(c)
	if errors.Is(err, sql.ErrNoRows) || err == nil && newest.fenced {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := k.Keys(ctx, c.Owner)
	if err != nil {
		return nil, err
	}
	for _, info := range all {
		if info.Compartment != c || !info.Fenced {
			continue
		}
		row, err := k.generation(c, info.Generation)
		if err != nil {
			return nil, err
		}
		if row.lifecycle == newest.lifecycle {
			ids = append(ids, info.ID)
		}
	}
	return ids, nil
}

// fromJournal notes what the erasure journal names of the values that keys had
// sealed. Entries that were made of fences name nobody.
func (k *Keyring) fromJournal(erased map[KeyID]Compartment, found map[Compartment]Parted) error {
	if k.journal != nil {
		got, err := k.journal.read(head{})
		if err != nil {
			return err
		}
		for i := range got.entries {
			e := &got.entries[i]
			for j := range e.keys {
				c, asked := erased[e.keys[j].key.ID]
				if !asked || e.person.token == "" {
					continue
				}
				p := found[c]
				p.Gone = append(p.Gone, e.person.values...)
				found[c] = p
				delete(erased, e.keys[j].key.ID)
			}
		}
	}
	for _, c := range erased {
		p := found[c]
		p.Known = false
		found[c] = p
	}
	return nil
}
