package keyring

import (
	"context"
	"fmt"
)

// ForgetLookup empties the lookup and the claims, because the log that they
// are about lost events: what was done there would be taken for done, and
// people found who are not there any more. Until Rebuild has returned nil
// LookupLost tells why.
func (k *Keyring) ForgetLookup(ctx context.Context, why string) error {
	k.lookups.lost.Store(&why)
	err := k.lookups.submit(ctx, 1, func(w *writer) error {
		_, err := w.exec("UPDATE meta SET value = ? WHERE name = 'state'", []byte("rebuilding"))
		for _, table := range []string{"DELETE FROM lookup", "DELETE FROM creations", "DELETE FROM imports", "DELETE FROM files"} {
			if err == nil {
				_, err = w.exec(table)
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("emptying the lookup: %w", err)
	}
	return nil
}
