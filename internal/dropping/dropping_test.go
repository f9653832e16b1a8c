package dropping_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/operations"
	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/internal/dropping"
	"lethe/internal/keyring"
	"lethe/internal/part"
)

var (
	now    = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	system = domain.ID{1}
)

const month = 30 * 24 * time.Hour

// world is a log of people with two values each, whose keys a test destroys.
type world struct {
	t      *testing.T
	fs     vfs.FS
	store  *segment.Store
	fenced map[part.KeyID]time.Time
	live   map[part.KeyID]bool // have a fence and are called live all the same
	sealed eventstore.Position
	said   []operations.PayloadsDropped
	record func() error // asked before an event is recorded; may be nil
	seed   uint64
}

func newWorld(t *testing.T, people int) *world {
	t.Helper()
	w := &world{t: t, fs: vfs.NewMem(), fenced: map[part.KeyID]time.Time{}, live: map[part.KeyID]bool{}, sealed: 1 << 60}
	w.open()
	for n := range people {
		e := eventstore.Event{
			ID: eventstore.EventID{1, byte(n >> 8), byte(n)}, Type: "Tested", Version: 1, Facts: fmt.Appendf(nil, `{"n":%d}`, n),
			Sealed: [][]byte{sealedPart(n, 0), sealedPart(n, 1)}, Metadata: []byte("{}"),
		}
		_, err := w.store.Append(t.Context(), owner(n), eventstore.Any(), []eventstore.Event{e})
		require.NoError(t, err)
	}
	require.Greater(t, len(w.store.Sections()), 3)
	return w
}

func (w *world) open() {
	w.t.Helper()
	s, err := segment.Open("log", segment.Options{FS: w.fs, SegmentBytes: 8 << 10, Report: func(err error) { w.t.Error(err) }})
	require.NoError(w.t, err)
	w.store = s
}

func (w *world) reopen() {
	w.t.Helper()
	require.NoError(w.t, w.store.Close())
	w.open()
}

func owner(n int) string { return fmt.Sprintf("subject-%d", n) }

// keyOf is the key of a person's value in a group: the groups are 0 and 1.
func keyOf(n, group int) part.KeyID { return part.KeyID{9, byte(n >> 8), byte(n), byte(group)} }

func sealedPart(n, group int) []byte {
	h := part.Header{
		Version: 1, KeyID: keyOf(n, group), Owner: owner(n), Group: fmt.Sprintf("group%d", group), Generation: 1, Field: "name",
	}
	body := sha256.Sum256(fmt.Appendf(nil, "%d.%d", n, group))
	return append(h.Append(nil), bytes.Repeat(body[:], 3)...)
}

// destroy fences keys as of a time before now.
func (w *world) destroy(ago time.Duration, keys ...part.KeyID) {
	for _, k := range keys {
		w.fenced[k] = now.Add(-ago)
	}
}

// Fences implements dropping.Keys.
func (w *world) Fences(context.Context) iter.Seq2[keyring.Fence, error] {
	return func(yield func(keyring.Fence, error) bool) {
		for id, at := range w.fenced {
			if !yield(keyring.Fence{Key: keyring.KeyInfo{ID: id}, At: at}, nil) {
				return
			}
		}
	}
}

// KeyStates implements dropping.Keys.
func (w *world) KeyStates(_ context.Context, of []keyring.KeyInfo) ([]keyring.KeyState, error) {
	states := make([]keyring.KeyState, len(of))
	for i, info := range of {
		_, fenced := w.fenced[info.ID]
		states[i] = keyring.KeyLive
		if fenced && !w.live[info.ID] {
			states[i] = keyring.KeyFenced
		}
		require.NotEmpty(w.t, info.Compartment.Owner)
		require.EqualValues(w.t, 1, info.Generation)
	}
	return states, nil
}

func (w *world) job(after time.Duration) *dropping.Job {
	w.seed++
	return dropping.New(dropping.Options{
		Store: w.store, Keys: w, After: after, Now: func() time.Time { return now }, Rand: chance{rand.New(rand.NewPCG(w.seed, 1))},
		Sealed: func() eventstore.Position { return w.sealed },
		Record: func(ctx context.Context, by domain.ID, e operations.PayloadsDropped) error {
			require.Equal(w.t, system, by)
			if w.record != nil {
				if err := w.record(); err != nil {
					return err
				}
			}
			w.said = append(w.said, e)
			event := eventstore.Event{ID: eventstore.EventID{7, byte(len(w.said))}, Type: "Said", Version: 1}
			_, err := w.store.Append(ctx, "operations", eventstore.Any(), []eventstore.Event{event})
			return err
		},
	})
}

type chance struct{ *rand.Rand }

func (c chance) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(c.Uint32())
	}
	return len(b), nil
}

func (w *world) run(req dropping.Request) dropping.Report {
	w.t.Helper()
	req.By = system
	r, err := w.job(month).Run(w.t.Context(), req)
	require.NoError(w.t, err)
	return r
}

// gone are the keys of the parts that the log lacks; it requires that exactly
// those of events that were recorded are, and that the log is whole.
func (w *world) gone() map[part.KeyID]bool {
	w.t.Helper()
	gone := map[part.KeyID]bool{}
	lists := map[eventstore.DropID]*eventstore.DropList{}
	for rec, err := range w.store.ReadAll(w.t.Context(), 0) {
		require.NoError(w.t, err)
		for i := range rec.Dropped {
			d := &rec.Dropped[i]
			h, err := part.ParseHead(d.Head)
			require.NoError(w.t, err)
			require.Equal(w.t, rec.Stream, h.Owner)
			require.Equal(w.t, "name", h.Field)
			gone[h.KeyID] = true
			if lists[d.By] == nil {
				lists[d.By] = &eventstore.DropList{}
			}
			lists[d.By].Add(rec.Position, d)
		}
	}
	said := 0
	for _, e := range w.said {
		l := lists[eventstore.DropID(e.Drop)]
		if l == nil {
			continue // it was given up
		}
		said++
		require.Equal(w.t, domain.Digest(l.Sum()), e.List)
		require.Equal(w.t, [2]uint64{l.Parts, l.Bytes}, [2]uint64{e.Parts, e.Bytes})
		require.Equal(w.t, now.Add(-month), e.Before)
		require.LessOrEqual(w.t, e.First, e.Last)
	}
	require.Len(w.t, lists, said, "every part that is gone is named by an event")
	require.NoError(w.t, w.store.Verify(w.t.Context()))
	return gone
}

func set(keys ...part.KeyID) map[part.KeyID]bool {
	m := map[part.KeyID]bool{}
	for _, k := range keys {
		m[k] = true
	}
	return m
}

func TestDropsWhatWasErasedLongAgo(t *testing.T) {
	w := newWorld(t, 120)
	old := []part.KeyID{keyOf(0, 0), keyOf(1, 0), keyOf(1, 1), keyOf(60, 1)}
	w.destroy(month+time.Second, old...)
	w.destroy(month-time.Second, keyOf(2, 0))
	w.destroy(2*month, keyOf(119, 0)) // in the segment that is being written
	w.destroy(2*month, part.KeyID{77})

	dry := w.run(dropping.Request{DryRun: true})
	require.Empty(t, w.gone())
	require.Empty(t, w.said)
	var steps []dropping.Progress
	did := w.run(dropping.Request{Progress: func(p dropping.Progress) { steps = append(steps, p) }})
	require.Equal(t, set(old...), w.gone())
	require.True(t, dry.DryRun)
	dry.DryRun = false
	require.Equal(t, dry, did, "a dry run says what will be")
	require.EqualValues(t, 4, did.Values)
	require.Equal(t, 2, did.Replaced)
	require.EqualValues(t, 6, did.Keys)
	require.Len(t, w.said, 2)
	require.Equal(t, steps[len(steps)-1].Total, steps[len(steps)-1].Done)
	require.EqualValues(t, 4, steps[len(steps)-1].Values)

	again := w.run(dropping.Request{})
	require.Zero(t, again.Values)
	require.Zero(t, again.Replaced)
	require.Len(t, w.said, 2, "nothing is recorded when nothing goes")
	w.reopen()
	require.Equal(t, set(old...), w.gone())

	w.destroy(3*month, keyOf(0, 1), keyOf(2, 0)) // later ones go from the same files
	w.run(dropping.Request{})
	require.Equal(t, set(append(old, keyOf(0, 1), keyOf(2, 0))...), w.gone())
	require.Len(t, w.said, 3)
}

func TestWhatIsNotCertainStays(t *testing.T) {
	w := newWorld(t, 120)
	w.destroy(2*month, keyOf(0, 0), keyOf(1, 0), keyOf(60, 0))
	w.live[keyOf(0, 0)] = true // the key store does not agree with its fence
	w.sealed = eventstore.Position(w.store.Sections()[1].First)
	r := w.run(dropping.Request{})
	require.Equal(t, set(keyOf(1, 0)), w.gone())
	require.Equal(t, 1, r.Unsealed, "no checkpoint covers that section yet")
	w.sealed = 1 << 60
	w.run(dropping.Request{})
	require.Equal(t, set(keyOf(1, 0), keyOf(60, 0)), w.gone())
}

func TestRefusals(t *testing.T) {
	w := newWorld(t, 120)
	w.destroy(2*month, keyOf(0, 0))
	_, err := w.job(0).Run(t.Context(), dropping.Request{By: system})
	require.ErrorIs(t, err, dropping.ErrOff)
	_, err = w.job(0).Run(t.Context(), dropping.Request{By: system, After: time.Minute})
	require.ErrorIs(t, err, dropping.ErrTooSoon)
	_, err = w.job(0).Run(t.Context(), dropping.Request{By: system, After: time.Minute, DryRun: true})
	require.NoError(t, err, "counting is no danger")
	j := w.job(month)
	w.record = func() error {
		_, err := j.Run(t.Context(), dropping.Request{By: system})
		require.ErrorIs(t, err, dropping.ErrBusy)
		return nil
	}
	_, err = j.Run(t.Context(), dropping.Request{By: system})
	require.NoError(t, err)
	require.Equal(t, set(keyOf(0, 0)), w.gone())
}

// Whatever ends a run, the next one finishes it, and an event names all that
// is gone at any moment.
func TestARunGoesOn(t *testing.T) {
	w := newWorld(t, 120)
	due := []part.KeyID{keyOf(0, 0), keyOf(60, 0), keyOf(90, 1)}
	w.destroy(2*month, due...)
	refused := errors.New("refused")
	w.record = func() error { return refused }
	_, err := w.job(month).Run(t.Context(), dropping.Request{By: system})
	require.ErrorIs(t, err, refused)
	require.Empty(t, w.gone())

	calls := 0
	ctx, cancel := context.WithCancel(t.Context())
	w.record = func() error {
		if calls++; calls == 2 {
			cancel()
			return ctx.Err()
		}
		return nil
	}
	r, err := w.job(month).Run(ctx, dropping.Request{By: system})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, set(keyOf(0, 0)), w.gone())
	require.EqualValues(t, 1, r.Values, "what was done is told")

	// The store stops between the event and the exchange.
	w.record = func() error { return nil }
	j := w.job(month)
	stopped := w.store
	w.record = func() error {
		go func() { _ = stopped.Close() }()
		return nil
	}
	_, err = j.Run(t.Context(), dropping.Request{By: system})
	require.Error(t, err)
	require.NoError(t, stopped.Close())
	w.open()
	w.record = nil
	w.gone()
	w.run(dropping.Request{})
	require.Equal(t, set(due...), w.gone())
	w.reopen()
	require.Equal(t, set(due...), w.gone())
}

func TestADamagedSectionIsLeft(t *testing.T) {
	w := newWorld(t, 120)
	w.destroy(2*month, keyOf(0, 0), keyOf(60, 0))
	mem, ok := w.fs.(*vfs.MemFS)
	require.True(t, ok)
	data, err := mem.UnsafeGetFileDataBuffer("log/00000001.000.seg")
	require.NoError(t, err)
	data[300] ^= 1
	r := w.run(dropping.Request{})
	require.Equal(t, []string{"00000001.000.seg"}, r.Damaged)
	require.EqualValues(t, 1, r.Values)
	data[300] ^= 1
	require.Equal(t, set(keyOf(60, 0)), w.gone())
}
