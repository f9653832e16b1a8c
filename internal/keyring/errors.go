package keyring

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"lethe/domain"
	"lethe/internal/rootkey"
)

// Errors of opening a keyring. Nothing was changed when one is returned.
var (
	// ErrRootMissing: there is a key store but not the root key that opens it.
	ErrRootMissing = rootkey.ErrMissing
	// ErrRootWrong: the root key does not open this key store.
	ErrRootWrong = rootkey.ErrWrong
	// ErrRootExposed: others may read the root key file.
	ErrRootExposed = rootkey.ErrExposed
	// ErrEpochsMissing: the epoch keys are not where they should be.
	ErrEpochsMissing = errors.New("the epoch keys are missing: without them no key can be read")
	// ErrStoreMissing: there are epoch keys, or a log with events, but no key store.
	ErrStoreMissing = errors.New("the key store is missing: mount its disk, name the right directory with --keys, or restore it with `lethe restore --keys-from`")
	// ErrJournalMissing: keys were destroyed that this key store may have again.
	ErrJournalMissing = errors.New("the erasure journal is missing or older than what is known of it, and the key store may hold keys that were destroyed: " +
		"put the journal back where --journal says; if it is gone for good, see lethe restore journal --help")
	// ErrOlderKeys: the key store was declared to be no older copy, and is one.
	ErrOlderKeys = errors.New("the key store is an older copy")
	// ErrNewer: a newer program wrote the store.
	ErrNewer = errors.New("the key store was written by a newer program")
	// ErrClosed: the keyring was closed.
	ErrClosed = errors.New("the keyring is closed")
	// ErrDestroyed: the key was destroyed while its holder kept it.
	ErrDestroyed = errors.New("the key was destroyed")
)

// errDead: a row is wrapped by an epoch key that was deleted. Either it was
// read before its key was rewrapped, or the key is lost.
var errDead = errors.New("the epoch key of the key was deleted")

// DeadError says that the key store is an older copy: epoch keys that it needs
// were deleted after it was made, so that these keys open nothing any more,
// those of erased people among them. Nothing was changed.
type DeadError struct {
	Keys, Live uint64    // of Live keys, Keys are dead
	Since      time.Time // since when the first of them are
}

func (e *DeadError) Error() string {
	return fmt.Sprintf("this copy of the key store is older than the epoch keys: %d of its %d keys are dead, the first since %s. "+
		"Restore a copy that was made later; without one, what these keys sealed is lost", e.Keys, e.Live, e.Since.Format(time.RFC3339))
}

// BehindError says that only old epoch keys were found: the newest are at a
// place that is not there. Nothing was changed.
type BehindError struct{ Found, Want uint64 } // changes of the epoch keys

func (e *BehindError) Error() string {
	return fmt.Sprintf("the epoch keys that were found are of change %d, and the key store was last used with those of %d: "+
		"bring back the place that has them; without it, keys that were wrapped since are lost", e.Found, e.Want)
}

// Unwrap is ErrEpochsMissing.
func (e *BehindError) Unwrap() error { return ErrEpochsMissing }

// FencedError says that compartments were erased and get no key any more. It
// is a *domain.Error of KindGone to errors.As.
type FencedError struct{ Compartments []Compartment }

func (e *FencedError) Error() string {
	names := make([]string, len(e.Compartments))
	for i, c := range e.Compartments {
		names[i] = c.Owner + "/" + string(c.Group)
	}
	return "erased, no new key is made: " + strings.Join(names, ", ")
}

// Unwrap gives the refusal that a user sees.
func (e *FencedError) Unwrap() error {
	return &domain.Error{
		Kind: domain.KindGone, Code: "erased", Field: "group", Source: "GDPR 17",
		Message: "the data of this retention group was erased; nothing new can be stored under it",
	}
}

// IntegrityError is an alarm: a table of the key store is not what was
// written. Rows were lost, put back or changed outside the program.
type IntegrityError struct {
	Table       string
	Row         string // what is wrong with which row; "" when rows are gone
	Want, Found uint64 // rows
}

func (e *IntegrityError) Error() string {
	if e.Row != "" {
		return fmt.Sprintf("key store: table %s: %s", e.Table, e.Row)
	}
	return fmt.Sprintf("key store: table %s has %d rows that do not make up the %d that were written", e.Table, e.Found, e.Want)
}

// IncompleteError says that keys were destroyed, fences stand, but rows of the
// lookup file, or old bytes in the files, may be there still. Destroying again
// finishes it.
type IncompleteError struct{ Err error }

func (e *IncompleteError) Error() string {
	return "keys were destroyed, but clearing what names or held them is incomplete: " + e.Err.Error()
}

func (e *IncompleteError) Unwrap() error { return e.Err }
