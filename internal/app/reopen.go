package app

import (
	"context"
	"slices"

	"lethe/domain"
	"lethe/internal/keyring"
)

// reopenAll gives groups that the log says are not erased a key again, where
// those that an older key store had are destroyed by now and the one that
// followed them is lost: part of a group went, or a new lifecycle opened it. The
// log is known to be no older copy. It is about people whose erasures were looked
// at, and those whose keys the journal destroyed again.
func (a *App) reopenAll(ctx context.Context, whose []domain.Token) error {
	for _, d := range a.Keys.Reapplied() {
		if token, _, ok := refOf(d.Key); ok {
			whose = append(whose, token)
		}
	}
	slices.Sort(whose)
	for _, token := range slices.Compact(whose) {
		if err := a.reopenOne(ctx, token); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) reopenOne(ctx context.Context, token domain.Token) error {
	s, err := a.Ledger.Subject(ctx, token)
	if err != nil || s == nil {
		return err
	}
	fenced, err := a.Keys.Fenced(ctx, token.Stream())
	if err != nil {
		return err
	}
	gone := s.Gone()
	var of []keyring.Compartment
	for group, shut := range fenced {
		if shut && !gone[group] {
			of = append(of, keyring.Compartment{Owner: token.Stream(), Group: group})
		}
	}
	if of == nil {
		return nil
	}
	if err := a.Keys.OpenAbove(ctx, of, s.Lifecycle()); err != nil {
		return err
	}
	opened := s.NewestLifecycle()
	if opened == nil || slices.ContainsFunc(opened.Groups, func(g domain.Name) bool { return gone[g] }) {
		return nil
	}
	return a.Ledger.Reopen(ctx, token) // so that the person is found again
}
