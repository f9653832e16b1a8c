package keyring

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Guarantee is what destruction means where a key lay.
type Guarantee string

// Guarantees. The weakest of all places counts.
const (
	GuaranteeDestroyed      Guarantee = "destroyed"       // overwritten and deleted
	GuaranteePurgeScheduled Guarantee = "purge_scheduled" // deleted, and what lies below keeps it for a known time
	GuaranteeUnknown        Guarantee = "unknown"         // deleted, and nobody knows what lies below
)

// Guarantee tells what the destruction of a key means in this key store: what
// its disks, and those of the epoch keys, do with what was deleted.
func (k *Keyring) Guarantee() Guarantee {
	switch d := k.opts.PurgeAfter; {
	case d < 0:
		return GuaranteeUnknown
	case d > 0:
		return GuaranteePurgeScheduled
	}
	return GuaranteeDestroyed
}

// Place is a place that holds, or held, the epoch keys.
type Place struct {
	ID        PlaceID
	Dir       string // where it was seen last
	Added     time.Time
	Here      bool      // it was there when the keys were looked after last
	Forgotten time.Time // when it was declared to exist no more; zero: it was not
}

// Places lists them in the order in which they came.
func (k *Keyring) Places() []Place {
	var out []Place
	held := k.held.Load()
	for _, p := range k.epochs.Load().places {
		_, here := (*held)[p.id]
		out = append(out, Place{ID: p.id, Dir: p.dir, Added: p.added, Here: here, Forgotten: p.forgotten})
	}
	return out
}

// Errors of ForgetPlace.
var (
	ErrNoPlace   = errors.New("there is no such place of epoch keys")
	ErrPlaceHere = errors.New("this place of epoch keys is there: take it out of the settings first")
)

// ForgetPlace declares that a place exists no more: its disk was destroyed.
// What it held counts as destroyed from now on.
func (k *Keyring) ForgetPlace(ctx context.Context, id PlaceID) error {
	err := k.withState(ctx, func(st *state) error {
		if err := k.syncEpochs(st); err != nil {
			return err
		}
		p := k.epochs.Load().place(id)
		if p == nil {
			return ErrNoPlace
		}
		if _, here := (*k.held.Load())[id]; here {
			return ErrPlaceHere
		}
		if !p.forgotten.IsZero() {
			return nil
		}
		_, err := k.changeEpochs(st, func(next *epochs) error {
			now := k.now()
			next.place(id).forgotten = now
			next.confirm(map[PlaceID]epochSequence{id: next.sequence}, now)
			return nil
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("forgetting a place of epoch keys: %w", err)
	}
	return nil
}

// EpochInfo is the epoch keys of one number that share a fate.
type EpochInfo struct {
	Number  uint32
	Buckets []uint8
	Made    time.Time
	Retired time.Time // zero: it wraps keys
	// Destroyed is when the last copy was deleted; zero: not at every place yet.
	Destroyed time.Time
	// Dead is from when no copy of the key store opens by these keys: Destroyed,
	// and the time for which deleted data is kept below. It may lie ahead; zero:
	// not known.
	Dead   time.Time
	Copies []EpochCopy // of retired keys: a place each that held them
}

// EpochCopy is a place that held retired keys.
type EpochCopy struct {
	Place    PlaceID
	At       time.Time // when they were deleted there; zero: not known to be
	Declared bool      // by somebody, who said that the place exists no more
}

// Epochs tells of all epoch keys there are and were, by number and then by
// when they were retired, live ones last.
func (k *Keyring) Epochs() []EpochInfo {
	e := k.epochs.Load()
	var out []EpochInfo
	for i := range e.gone {
		out = append(out, k.infoOf(e, &e.gone[i]))
	}
	live := map[uint32]*bucketSet{}
	made := map[uint32]time.Time{}
	for _, x := range e.all {
		if live[x.number] == nil {
			live[x.number] = &bucketSet{}
		}
		live[x.number].add(x.bucket)
		made[x.number] = x.made
	}
	for number, s := range live {
		out = append(out, EpochInfo{Number: number, Buckets: s.list(), Made: made[number]})
	}
	end := func(i EpochInfo) time.Time {
		if i.Retired.IsZero() {
			return k.now()
		}
		return i.Retired
	}
	slices.SortFunc(out, func(a, b EpochInfo) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), end(a).Compare(end(b)))
	})
	return out
}

func (k *Keyring) infoOf(e *epochs, g *goneEpoch) EpochInfo {
	info := EpochInfo{Number: g.number, Buckets: g.buckets.list(), Made: g.made, Retired: g.retired}
	for _, c := range g.copies {
		p := e.place(c.place)
		declared := p != nil && !p.forgotten.IsZero() && c.at.Equal(p.forgotten)
		info.Copies = append(info.Copies, EpochCopy{Place: c.place, At: c.at, Declared: declared})
	}
	var ok bool
	if info.Destroyed, ok = g.destroyed(); ok && k.opts.PurgeAfter >= 0 {
		info.Dead = info.Destroyed.Add(k.opts.PurgeAfter)
	}
	return info
}

// destroyed is when the last copy was deleted.
func (g *goneEpoch) destroyed() (last time.Time, ok bool) {
	for _, c := range g.copies {
		if c.at.IsZero() {
			return time.Time{}, false
		}
		if c.at.After(last) {
			last = c.at
		}
	}
	return last, true
}

// DeadFrom tells from when no copy of the key store can revive what was
// destroyed of an owner by now: from the end of the epoch key that wraps the
// owner's keys. While that key is live it is known only when this process
// rotates as scheduled and every place that holds epoch keys is there.
func (k *Keyring) DeadFrom(owner string) (at time.Time, scheduled bool) {
	return k.Dead(owner, k.now())
}

// Dead is DeadFrom for what was destroyed by some time before. A time that
// has passed says that it is so since then.
func (k *Keyring) Dead(owner string, destroyed time.Time) (at time.Time, scheduled bool) {
	if k.opts.PurgeAfter < 0 {
		return time.Time{}, false
	}
	e, bucket := k.epochs.Load(), bucketOf(owner)
	for i := range e.gone {
		g := &e.gone[i]
		if !g.buckets.has(bucket) || g.made.After(destroyed) {
			continue
		}
		last, ok := g.destroyed()
		if !ok {
			return time.Time{}, false
		}
		at = later(at, last)
	}
	for _, x := range e.all {
		if x.bucket != bucket || x.made.After(destroyed) {
			continue
		}
		if k.opts.RotateEvery <= 0 || !k.scheduled.Load() || !k.allHere(e) {
			return time.Time{}, false
		}
		// Late is at the next occasion, not in the past.
		at = later(at, later(x.made.Add(k.opts.RotateEvery), k.now()))
	}
	if at.IsZero() { // before there was an epoch key
		at = destroyed
	}
	return at.Add(k.opts.PurgeAfter), true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// allHere reports whether every place that counts was there.
func (k *Keyring) allHere(e *epochs) bool {
	held := *k.held.Load()
	return !slices.ContainsFunc(e.places, func(p epochPlace) bool {
		_, here := held[p.id]
		return !here && p.forgotten.IsZero()
	})
}

// KeepSchedule says that this process rotates from now on when RotationDue
// says so. Before, nothing promises that an epoch ends.
func (k *Keyring) KeepSchedule() { k.scheduled.Store(true) }

// KeepsSchedule reports whether this process looks after the epoch keys, so
// that Dead knows all that can be known.
func (k *Keyring) KeepsSchedule() bool { return k.scheduled.Load() }

// RotationDue is when the next scheduled rotation should begin: a twentieth
// before RotateEvery has passed since the oldest epoch key was made, so that it
// is done when DeadFrom says; at once when one was cut. false: none is
// scheduled.
func (k *Keyring) RotationDue() (at time.Time, scheduled bool) {
	if k.opts.RotateEvery <= 0 {
		return time.Time{}, false
	}
	e := k.epochs.Load()
	if !e.unfinished().empty() {
		return k.now(), true
	}
	for _, x := range e.live {
		if due := x.made.Add(k.opts.RotateEvery - k.opts.RotateEvery/20); at.IsZero() || due.Before(at) {
			at = due
		}
	}
	return at, true
}

// EpochState is how far the destruction of epoch keys is.
type EpochState string

// Epoch states.
const (
	EpochLive           EpochState = "live"
	EpochRetired        EpochState = "retired"         // a place that held them has not confirmed that they are deleted
	EpochPurgeScheduled EpochState = "purge_scheduled" // deleted everywhere; what lies below still keeps them
	EpochDestroyed      EpochState = "destroyed"
	EpochUnknown        EpochState = "unknown" // deleted everywhere; nobody knows what lies below
)

// State is how far the destruction is at a time.
func (i *EpochInfo) State(now time.Time) EpochState {
	switch {
	case i.Retired.IsZero():
		return EpochLive
	case i.Destroyed.IsZero():
		return EpochRetired
	case i.Dead.IsZero():
		return EpochUnknown
	case now.Before(i.Dead):
		return EpochPurgeScheduled
	}
	return EpochDestroyed
}
