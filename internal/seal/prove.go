package seal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lethe/eventstore"
	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

// ErrNotSealed: the event is not under a published checkpoint yet; ask again
// in a moment. ErrNoLeaf: there is no such leaf. ErrStopped: sealing stopped.
var (
	ErrNotSealed = errors.New("it is not under a published checkpoint yet")
	ErrNoLeaf    = errors.New("the tree has no such leaf")
	ErrStopped   = errors.New("sealing stopped")
)

// Published is the newest published checkpoint; nil when there is none yet.
func (l *Log) Published() *Signed {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.published
}

// Origin is the log's present name.
func (l *Log) Origin() string { return l.origin }

// LeafIndex finds the leaf of an event that was sealed.
func (l *Log) LeafIndex(id eventstore.EventID) (uint64, bool) {
	n, ok, err := l.index.find(id)
	return n, ok && err == nil
}

// Entry gives a leaf's bytes.
func (l *Log) Entry(ctx context.Context, index uint64) ([]byte, error) {
	width := int(index%tileWidth) + 1
	b, err := l.tiles.ReadEntries(ctx, int64(index/tileWidth), width)
	if err != nil {
		return nil, fmt.Errorf("reading leaf %d: %w", index, err)
	}
	i := 0
	for entry, err := range leaf.Entries(b) {
		if err != nil {
			return nil, fmt.Errorf("reading leaf %d: %w", index, err)
		}
		if i++; i == width {
			return entry, nil
		}
	}
	return nil, fmt.Errorf("reading leaf %d: %w", index, ErrNoLeaf)
}

// Prove gives an event's proof under a checkpoint of this log; nil takes the
// newest published one. The proof's extra data is the leaf itself, so that the
// proof needs nothing beside it.
func (l *Log) Prove(ctx context.Context, id eventstore.EventID, under *Signed) (*tlog.Proof, error) {
	if under == nil {
		under = l.Published()
	}
	n, ok, err := l.index.find(id)
	if err != nil {
		return nil, err
	}
	if !ok || under == nil || n >= uint64(under.Size) {
		return nil, ErrNotSealed
	}
	entry, err := l.Entry(ctx, n)
	if err != nil {
		return nil, err
	}
	if got, _ := leaf.IDOf(entry); got != id {
		return nil, fmt.Errorf("proving an event: the index of leaves names leaf %d, which is another event", n)
	}
	path, err := l.Inclusion(ctx, under.Checkpoint, n)
	if err != nil {
		return nil, err
	}
	return &tlog.Proof{Extra: entry, Index: int64(n), Path: path, Checkpoint: under.Note}, nil
}

// Inclusion proves that the tree of a checkpoint has its index-th leaf.
func (l *Log) Inclusion(ctx context.Context, under tlog.Checkpoint, index uint64) ([]tlog.Hash, error) {
	path, err := tlog.Inclusion(ctx, l.tiles, under.Size, under.Root, int64(index))
	if err != nil {
		return nil, fmt.Errorf("proving leaf %d: %w", index, err)
	}
	return path, nil
}

// Consistency proves that the tree of size to extends that of size from. The
// sizes are at most the newest published one.
func (l *Log) Consistency(ctx context.Context, from, to int64) ([]tlog.Hash, error) {
	p := l.Published()
	if p == nil || to > p.Size {
		return nil, ErrNotSealed
	}
	root, err := l.RootAt(ctx, to)
	if err != nil {
		return nil, err
	}
	return tlog.Consistency(ctx, l.tiles, to, root, from)
}

// RootAt is the root that the tree had at a size up to the newest published one.
func (l *Log) RootAt(ctx context.Context, size int64) (tlog.Hash, error) {
	p := l.Published()
	if p == nil || size > p.Size {
		return tlog.Hash{}, ErrNotSealed
	}
	return tlog.RootAt(ctx, l.tiles, p.Size, p.Root, size)
}

// Tiles and Entries are the published files.
func (l *Log) Tiles() tlog.Tiles { return l.tiles }

// Entries reads entry bundles.
func (l *Log) Entries() tlog.Entries { return l.tiles }

// Dir is where the published files of the present origin lie.
func (l *Log) Dir() string { return l.tiles.dir }

// WaitFor returns when everything up to a position is under a published
// checkpoint, or with ctx's error, or ErrStopped.
func (l *Log) WaitFor(ctx context.Context, at eventstore.Position) error {
	for {
		l.mu.Lock()
		p, changed, failed := l.published, l.changed, l.failed
		l.mu.Unlock()
		if p != nil && p.Position >= at {
			return nil
		}
		if failed != nil {
			return fmt.Errorf("%w: %w", ErrStopped, failed)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Status is where the seal stands.
type Status struct {
	Origin    string              `json:"origin" doc:"The log's name in its checkpoints"`
	Size      int64               `json:"size" doc:"Events under a signed checkpoint"`
	Published int64               `json:"published" doc:"Events under a checkpoint that counts as published"`
	Position  eventstore.Position `json:"position" doc:"Of the last event under a signed checkpoint"`
	Lag       uint64              `json:"lag" doc:"Events that are not under a signed checkpoint yet"`
	Waiting   float64             `json:"waiting_seconds" doc:"How long the oldest of them waits"`
	Bound     float64             `json:"bound_seconds" doc:"How long one should wait at most"`
	Restarts  uint64              `json:"restarts,omitzero" doc:"Times that the log came back shorter than a checkpoint of it"`
	Failed    string              `json:"failed,omitempty" doc:"Why sealing stopped"`
	Witnesses []WitnessStatus     `json:"witnesses,omitempty"`
}

// Status tells.
func (l *Log) Status() Status {
	waiting, oldest := l.pending.waiting()
	now := l.opts.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	st := Status{Origin: l.origin, Restarts: l.restarts, Bound: l.opts.Bound.Seconds()}
	if l.newest != nil {
		st.Size, st.Position = l.newest.Size, l.newest.Position
	}
	if l.published != nil {
		st.Published = l.published.Size
	}
	st.Lag = uint64(waiting)
	if s, ok := l.opts.Store.(eventstore.Statser); ok {
		st.Lag = s.CountAfter(st.Position)
	}
	if !l.writing.IsZero() {
		oldest = l.writing
	}
	if st.Lag > 0 && !oldest.IsZero() {
		st.Waiting = max(now.Sub(oldest), time.Duration(0)).Seconds()
	}
	if l.failed != nil {
		st.Failed = l.failed.Error()
	}
	for _, w := range l.opts.Witnesses {
		st.Witnesses = append(st.Witnesses, *l.statusOf(w))
	}
	return st
}

// checkEntries compares a bundle with the hashes of its tile.
func checkEntries(bundle []byte, hashes []byte) error {
	for entry, err := range leaf.Entries(bundle) {
		if err != nil {
			return err
		}
		if h := leaf.Hash(entry); len(hashes) < hashSize || string(h[:]) != string(hashes[:hashSize]) {
			return errors.New("an entry is not that of its hash")
		}
		hashes = hashes[hashSize:]
	}
	return nil
}
