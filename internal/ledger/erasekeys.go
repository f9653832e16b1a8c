package ledger

import (
	"context"
	"fmt"
	"slices"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/eventstore"
	"lethe/internal/keyring"
)

// renew gives the groups a new key that are not ready.
func (l *Ledger) renew(ctx context.Context, token domain.Token, groups []domain.Name, ready *[]domain.Name) error {
	groups = slices.DeleteFunc(groups, func(g domain.Name) bool { return slices.Contains(*ready, g) })
	wanted, lost, err := l.parting(ctx, token, groups)
	if err != nil {
		return err
	}
	*ready = append(*ready, groups...)
	if wanted == nil {
		return nil
	}
	_, err = l.keys.ProvisionNext(ctx, wanted, lost...)
	return provisioning(err)
}

// parting lists the groups' compartments that have a key to part from, and those
// of their keys that are lost.
func (l *Ledger) parting(ctx context.Context, token domain.Token, groups []domain.Name) (of []keyring.Compartment, lost []keyring.KeyInfo, err error) {
	if len(groups) == 0 {
		return nil, nil, nil
	}
	have, err := l.undestroyed(ctx, token)
	if err != nil {
		return nil, nil, err
	}
	for _, k := range have {
		c := keyring.Compartment{Owner: token.Stream(), Group: k.Group}
		if !slices.Contains(groups, k.Group) {
			continue
		}
		if !slices.Contains(of, c) {
			of = append(of, c)
		}
		if k.Lost {
			lost = append(lost, KeyOf(token, k.KeyRef))
		}
	}
	return of, lost, nil
}

// undestroyed lists the record's keys that were not destroyed: those that the key
// store has, and those that only sealed values name, since it lost them or is an
// older copy.
func (l *Ledger) undestroyed(ctx context.Context, token domain.Token) ([]subject.LiveKey, error) {
	all, err := l.keys.Keys(ctx, token.Stream())
	if err != nil {
		return nil, unavailable(err)
	}
	newest := map[domain.Name]uint32{}
	there := map[keyring.KeyID]bool{}
	for _, k := range all {
		newest[k.Compartment.Group] = max(newest[k.Compartment.Group], k.Generation)
		there[k.ID] = true
	}
	var keys []subject.LiveKey
	for _, k := range all {
		if !k.Fenced {
			keys = append(keys, subject.LiveKey{KeyRef: RefOf(k), Newest: k.Generation == newest[k.Compartment.Group]})
		}
	}
	lost, err := l.lost(ctx, token, there)
	if err != nil {
		return nil, unavailable(err)
	}
	for _, k := range lost {
		keys = append(keys, subject.LiveKey{KeyRef: RefOf(k), Lost: true})
	}
	return keys, nil
}

// lost lists the keys that the record's sealed values name and the key store
// has neither as a row nor as a fence.
func (l *Ledger) lost(ctx context.Context, token domain.Token, there map[keyring.KeyID]bool) (lost []keyring.KeyInfo, err error) {
	var absent []keyring.KeyInfo
	seen := map[keyring.KeyID]bool{}
	for rec, err := range l.store.ReadStream(ctx, token.Stream(), eventstore.StreamRange{}) {
		if err != nil {
			return nil, fmt.Errorf("looking for the keys of stream %s: %w", token.Stream(), err)
		}
		for _, sealed := range rec.Sealed {
			info, ok := keyring.KeyOfPart(sealed)
			if ok && !there[info.ID] && !seen[info.ID] && info.Compartment.Owner == token.Stream() {
				seen[info.ID] = true
				absent = append(absent, info)
			}
		}
	}
	if absent == nil {
		return nil, nil
	}
	states, err := l.keys.KeyStates(ctx, absent)
	if err != nil {
		return nil, fmt.Errorf("looking for the keys of stream %s: %w", token.Stream(), err)
	}
	for i, state := range states {
		if state == keyring.KeyLost {
			lost = append(lost, absent[i])
		}
	}
	return lost, nil
}
