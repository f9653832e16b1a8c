package keyring

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// ProvisionNext makes a new generation of each compartment's key and returns
// it; the first one where there is none. It stands above those of lost, which are
// keys that the key store should have and has not. From then on Provision gives the new
// key, here at once and in other processes within a second; what older ones
// sealed is read until they are destroyed. A *FencedError names compartments
// that were erased, and then no key was made at all.
//
// To be rid of old values: ProvisionNext, wait until two seconds after
// FencedAt when other processes write to the stream, load it, append every
// live value sealed again, and destroy the older generations.
func (k *Keyring) ProvisionNext(ctx context.Context, of []Compartment, lost ...KeyInfo) ([]*Key, error) {
	keys, err := k.advance(ctx, of, lost, 0, func(newest *keyRow) step {
		if newest.fenced {
			return refuse
		}
		return renew
	})
	if err != nil {
		return nil, fmt.Errorf("making new generations of keys: %w", err)
	}
	return keys, nil
}

// Reopen starts a lifecycle of compartments, for a person who came back:
// where the newest key was destroyed, a new one is made above its fence. What
// was erased stays erased. A live compartment keeps its key, and counts to
// the lifecycle from then on. Doing it again changes nothing. A *FencedError
// names compartments that were erased in this lifecycle or in a later one;
// then nothing was changed.
func (k *Keyring) Reopen(ctx context.Context, of []Compartment, lifecycle uint32) error {
	if lifecycle == 0 {
		return errors.New("reopening compartments: lifecycles count from 1")
	}
	_, err := k.advance(ctx, of, nil, lifecycle, func(newest *keyRow) step {
		live := newest.generation > 0 && !newest.fenced
		switch {
		case live && newest.lifecycle < lifecycle:
			return carry
		case live:
			return stay
		case newest.lifecycle >= lifecycle:
			return refuse
		}
		return renew
	})
	if err == nil {
		err = k.remember(ctx, of)
	}
	if err != nil {
		return fmt.Errorf("reopening compartments: %w", err)
	}
	return nil
}

// OpenAbove gives compartments that are not erased a key again where the newest
// one was destroyed, as after an older key store was restored. Others are left
// as they are. Doing it again changes nothing.
func (k *Keyring) OpenAbove(ctx context.Context, of []Compartment, lifecycle uint32) error {
	_, err := k.advance(ctx, of, nil, lifecycle, func(newest *keyRow) step {
		if newest.fenced {
			return renew
		}
		return stay
	})
	if err != nil {
		return fmt.Errorf("opening compartments above what was destroyed: %w", err)
	}
	return nil
}

// step is what becomes of a compartment.
type step uint8

const (
	refuse step = iota // it was erased
	renew              // it gets a key above the newest one
	carry              // its live key goes over to the lifecycle
	stay
)

var errRefused = errors.New("the compartment was erased")

// advance takes a step for each compartment, by its newest row, which is zero
// when there is none: all in one transaction, or none. A lifecycle of 0 is the
// compartment's own. New keys stand above those that are lost.
func (k *Keyring) advance(ctx context.Context, of []Compartment, lost []KeyInfo, lifecycle uint32, decide func(newest *keyRow) step) ([]*Key, error) {
	if len(of) > MaxProvision {
		return nil, fmt.Errorf("%d compartments are more than %d", len(of), MaxProvision)
	}
	for i, c := range of {
		if !c.Valid() {
			return nil, fmt.Errorf("compartment %d is malformed", i)
		}
	}
	if err := ctx.Err(); err != nil || len(of) == 0 {
		return nil, err
	}
	keys, above := make([]*Key, len(of)), map[Compartment]uint32{}
	for _, l := range lost {
		above[l.Compartment] = max(above[l.Compartment], l.Generation)
	}
	err := k.change(func(c *changes) error {
		made := map[Compartment]*Key{}
		var refused []Compartment
		for i := range of {
			key, again := made[of[i]]
			if !again {
				err := error(nil)
				if key, err = k.advanceOne(c, of[i], above[of[i]], lifecycle, decide); errors.Is(err, errRefused) {
					refused = append(refused, of[i])
				} else if err != nil {
					return err
				}
				made[of[i]] = key
			}
			keys[i] = key
		}
		if refused != nil {
			return &FencedError{Compartments: refused}
		}
		return nil
	})
	return keys, err
}

// advanceOne returns the new key, if there is one.
func (k *Keyring) advanceOne(c *changes, of Compartment, above, lifecycle uint32, decide func(*keyRow) step) (*Key, error) {
	newest, err := k.newest(of)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	switch decide(&newest) {
	case refuse:
		return nil, errRefused
	case renew:
		if lifecycle == 0 {
			lifecycle = max(newest.lifecycle, 1)
		}
		if above > 0 && newest.generation == 0 {
			c.gaps++
		}
		return k.insertNext(c, of, max(newest.generation, above)+1, lifecycle)
	case carry:
		old := newest.mac
		newest.lifecycle, c.written = lifecycle, true
		newest.mac = k.secrets.rowMAC(newest.message(nil))
		c.keys.replace(old, newest.mac)
		return nil, k.updateRow(&newest)
	case stay:
	}
	return nil, nil //nolint:nilnil // no new key
}

// insertNext inserts a new live key of a compartment whose newest row the
// caller has read in this transaction.
func (k *Keyring) insertNext(c *changes, of Compartment, generation, lifecycle uint32) (*Key, error) {
	keys, rows, err := k.drawKeys([]Compartment{of})
	if err != nil {
		return nil, err
	}
	key, row := keys[0], rows[0]
	key.generation, row.generation, row.lifecycle = generation, generation, lifecycle
	live := k.epochs.Load().live[bucketOf(of.Owner)]
	row.wrapped = wrap(nil, live.aead, row.context(nil, k.storeID), key.dek[:])
	if err := k.refuseFenced(keys); err != nil {
		return nil, err
	}
	c.renewed = append(c.renewed, of)
	return key, k.insertRow(c, &row)
}
