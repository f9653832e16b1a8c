package app

import (
	"context"
	"fmt"

	"lethe/domain/operations"
	"lethe/internal/ledger"
	"lethe/internal/rootkey"
)

// ChangeRootKey brings the key store under another root key, and records that
// it was done and by which kind of key, not which. same: it is the key of before.
func (a *App) ChangeRootKey(ctx context.Context, name, passphraseFile string) (same bool, err error) {
	if same, err = a.Keys.RewrapRoot(ctx, name, passphraseFile); err != nil {
		return false, err
	}
	changed := operations.RootKeyChanged{Kind: operations.RootKind(rootkey.Scheme(name))}
	req := ledger.Request{Principal: Local}
	if _, err := a.Ledger.Operate(ctx, req, operations.ChangeRootKey{RootKeyChanged: changed}); err != nil {
		return same, fmt.Errorf("the root key was changed, and recording it failed: %w", err)
	}
	return same, nil
}
