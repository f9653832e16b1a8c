package keyring

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"lethe/domain"
	"lethe/internal/part"
)

// KeyState is how the key of a sealed part is.
type KeyState uint8

// Key states. They are the outcomes of opening as far as the key decides.
const (
	KeyLive    KeyState = iota + 1
	KeyFenced           // destroyed on purpose: what it sealed is erased
	KeyLost             // no key and no fence: an alarm, and never "erased"
	KeyDamaged          // its row was changed outside the program, or does not unwrap: an alarm
)

var keyStateNames = [...]string{"unknown", "live", "fenced", "missing", "damaged"}

func (s KeyState) String() string { return keyStateNames[min(int(s), len(keyStateNames)-1)] }

// KeyOf is the key that a part names: compartment, generation and ID.
func KeyOf(h *part.Header) KeyInfo {
	return KeyInfo{Compartment: compartmentOf(h), Generation: h.Generation, ID: h.KeyID}
}

// KeyOfPart is the key that a sealed part names; false when it is no part.
func KeyOfPart(sealed []byte) (KeyInfo, bool) {
	h, err := part.Parse(sealed)
	return KeyOf(&h), err == nil
}

// KeyStates tells how each of the keys is, in their order, as opening a part
// that names it would find it; Fenced in what is asked for is not looked at.
// It goes by owner, so that keys of one owner are best asked for together,
// and by nothing that is cached. For an audit: it raises no alarm.
func (k *Keyring) KeyStates(ctx context.Context, of []KeyInfo) ([]KeyState, error) {
	states := make([]KeyState, len(of))
	order := make([]int, len(of)) // by owner
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(of[a].Compartment.Owner, of[b].Compartment.Owner) })
	owner := func(i int) string { return of[order[i]].Compartment.Owner }
	for start := 0; start < len(order); {
		owners, end := []any{}, start
		for ; end < len(order); end++ {
			if end > start && owner(end) == owner(end-1) {
				continue
			}
			if len(owners) == chunkRows {
				break
			}
			owners = append(owners, rowOwner(owner(end)))
		}
		if err := k.statesOf(ctx, owners, of, states, order[start:end]); err != nil {
			return nil, fmt.Errorf("reading the states of keys: %w", err)
		}
		start = end
	}
	return states, nil
}

// place is what names a row of keys, and the key that it should have.
type place struct {
	c          Compartment
	generation uint32
	id         KeyID
}

// statesOf fills in the states of the keys at some indexes, whose owners are
// at most chunkRows.
func (k *Keyring) statesOf(ctx context.Context, owners []any, of []KeyInfo, states []KeyState, at []int) error {
	for len(owners) < chunkRows { // one shape of statement
		owners = append(owners, owners[0])
	}
	rows, err := k.read.owners.QueryContext(ctx, owners...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // read only
	found := map[place]KeyState{}
	for rows.Next() {
		var row keyRow
		var fence bool
		if err := row.scan(func(dest ...any) error { return rows.Scan(append(dest, &fence)...) }); err != nil {
			return err
		}
		found[place{row.c, row.generation, row.id}] = k.rowState(&row, fence)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, i := range at {
		state, ok := found[place{of[i].Compartment, of[i].Generation, of[i].ID}]
		if !ok || state == KeyFenced {
			if state, err = k.fencedState(ctx, of[i].ID); err != nil {
				return err
			}
		}
		states[i] = state
	}
	return nil
}

// rowState is decided by fences: a row that says fenced erases nothing, and
// one that was put back revives nothing.
func (k *Keyring) rowState(row *keyRow, fence bool) KeyState {
	switch {
	case k.checkRow(row) != nil:
		return KeyDamaged
	case fence:
		return KeyFenced
	case row.fenced:
		return KeyLost
	}
	if _, err := k.epochOf(row); errors.Is(err, errDead) {
		return k.stateNow(row)
	} else if err != nil {
		return KeyDamaged
	}
	return KeyLive
}

// stateNow is of a row whose epoch key was deleted: it was rewrapped since it
// was read, or it is lost.
func (k *Keyring) stateNow(row *keyRow) KeyState {
	switch key, err := k.rowNow(row); {
	case err != nil:
		return KeyDamaged
	case key == nil:
		return KeyFenced
	default:
		key.wipe()
		return KeyLive
	}
}

func (k *Keyring) fencedState(ctx context.Context, id KeyID) (KeyState, error) {
	fence, err := k.fenceOf(ctx, id, nil)
	switch integrity := (*IntegrityError)(nil); {
	case errors.As(err, &integrity):
		return KeyDamaged, nil
	case err != nil:
		return 0, err
	case fence != nil:
		return KeyFenced, nil
	}
	return KeyLost, nil
}

// Fence says that a key was destroyed, why and when.
type Fence struct {
	Key         KeyInfo
	Fingerprint [32]byte // zero when the key was lost before
	Erasure     domain.ID
	Cause       domain.Name
	At          time.Time
}

var errStop = errors.New("enough")

// Fences goes over all fences, so that they can be compared with what the log
// ordered. It ends with an error, an *IntegrityError when a fence is not what
// was written.
func (k *Keyring) Fences(ctx context.Context) iter.Seq2[Fence, error] {
	return func(yield func(Fence, error) bool) {
		err := eachRow(ctx, k.reads, "SELECT "+fenceColumns+" FROM fences", func(scan func(...any) error) error {
			var f fenceRow
			if err := f.scan(scan); err != nil {
				return err
			}
			if k.wrongMAC(f.mac, f.message(), macSize) != "" {
				return &IntegrityError{Table: "fences", Row: "the MAC of the fence of key " + f.id.String() + " is wrong"}
			}
			d := f.destroyed()
			if !yield(Fence{Key: d.Key, Fingerprint: d.Fingerprint, Erasure: d.Erasure, Cause: f.cause, At: d.At}, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(Fence{}, fmt.Errorf("reading fences: %w", err))
		}
	}
}
