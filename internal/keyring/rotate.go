package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// rotatePage is how many rows are read, and at most rewrapped, at a time: a
// writer waits for a page's transaction, some 20 ms.
const rotatePage = 1024

// RotateOptions say what to rotate.
type RotateOptions struct {
	Buckets  []uint8                  // none: all
	Progress func(done, total uint64) // rows of the key store, read twice; may be nil
}

// Rotation is what a rotation did.
type Rotation struct {
	Epoch     uint32  // the number of the new epoch keys
	Buckets   []uint8 // whose epoch keys are new
	Made      time.Time
	Rewrapped uint64      // keys
	Resumed   bool        // a rotation that was cut was finished, and no other was needed
	Gone      []EpochInfo // what was retired
	Pending   []Place     // where retired keys are not known to be deleted: empty when all is destroyed
}

// ErrPlaceUnreachable: new epoch keys must lie at every place before they are
// used.
var ErrPlaceUnreachable = errors.New("a place of epoch keys cannot be reached: bring it back, or name the places without it")

// Rotate makes new epoch keys, wraps every live data key under them, and
// deletes the old ones, so that copies of the key store that were made before
// open nothing that was destroyed by now. Erased keys are left as they are.
//
// It takes place beside everything else, page by page, and beside other
// processes. What a crash or an end of ctx cuts, the next Rotate goes on with,
// and begins another rotation only for other buckets, or when keys were
// destroyed since the first began.
//
// Errors: ErrPlaceUnreachable, and *IntegrityError when a row does not unwrap:
// then the old epoch keys stay.
func (k *Keyring) Rotate(ctx context.Context, o RotateOptions) (Rotation, error) {
	k.rotateMu.Lock()
	defer k.rotateMu.Unlock()
	r := &rotating{k: k, of: setOf(o.Buckets), progress: o.Progress}
	if err := r.run(ctx); err != nil {
		return Rotation{}, fmt.Errorf("rotating epoch keys: %w", err)
	}
	return r.result(), nil
}

type rotating struct {
	k        *Keyring
	of       bucketSet
	progress func(done, total uint64)

	resumed   bool
	rewrapped uint64
	retired   []epochSequence
}

func (r *rotating) run(ctx context.Context) error {
	if err := r.k.SyncEpochs(ctx); err != nil {
		return err
	}
	if cut := r.k.epochs.Load().unfinished(); !cut.empty() {
		if err := r.finish(ctx, cut); err != nil {
			return err
		}
		if r.of.within(cut) {
			again, err := r.destroyedSince(ctx)
			if err != nil || !again {
				r.resumed = true
				return err
			}
		}
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	return r.finish(ctx, r.of)
}

// destroyedSince reports whether a key was destroyed after the epoch keys were
// made, so that they may have wrapped it.
func (r *rotating) destroyedSince(ctx context.Context) (bool, error) {
	oldest := r.k.now()
	e := r.k.epochs.Load()
	for b := range r.of.each() {
		if made := e.live[b].made; made.Before(oldest) {
			oldest = made
		}
	}
	var n int
	err := r.k.reads.QueryRowContext(ctx, "SELECT count(*) FROM fences WHERE at >= ?", oldest.UnixMicro()).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("reading fences: %w", err)
	}
	return n > 0, nil
}

// begin makes the new keys. They count once every place has them.
func (r *rotating) begin(ctx context.Context) error {
	k := r.k
	return k.withState(ctx, func(st *state) error {
		files, err := k.changeEpochs(st, func(next *epochs) error {
			if err := k.allReachable(); err != nil {
				return err
			}
			return next.draw(k.root, r.of, k.now(), k.opts.Rand)
		})
		if err != nil {
			return err
		}
		return unreachable(files)
	})
}

func (k *Keyring) allReachable() error {
	files, err := k.readPlaces()
	if err != nil {
		return err
	}
	return unreachable(files)
}

func unreachable(files []placeFile) error {
	for _, f := range files {
		if !f.reachable() {
			return fmt.Errorf("%w: %w", ErrPlaceUnreachable, f.err)
		}
	}
	return nil
}

// finish wraps all keys of some buckets under their newest epoch keys, reads
// them back, and deletes the older ones.
func (r *rotating) finish(ctx context.Context, of bucketSet) error {
	k := r.k
	var below [buckets]uint32
	for b := range of.each() {
		below[b] = k.epochs.Load().live[b].number
	}
	st, err := scanState(&k.secrets, k.read.state.QueryRowContext(ctx).Scan)
	if err != nil {
		return err
	}
	total := 2 * st.keys.count * uint64(of.count()) / buckets //nolint:gosec // about, when it is some of them
	done := uint64(0)
	report := func(rows int) {
		if done += uint64(rows); r.progress != nil { //nolint:gosec // a length
			r.progress(min(done, total), total)
		}
	}
	err = k.eachPage(ctx, of, func(page []keyRow) error {
		err := r.rewrap(ctx, page, &below)
		report(len(page))
		return err
	})
	if err != nil {
		return err
	}
	if err := k.eachPage(ctx, of, func(page []keyRow) error {
		report(len(page))
		return k.readBack(page, &below)
	}); err != nil {
		return err
	}
	return r.retire(ctx, &below)
}

// eachPage reads the rows of some buckets in their order, and holds no snapshot
// of the key store between two pages.
func (k *Keyring) eachPage(ctx context.Context, of bucketSet, visit func([]keyRow) error) error {
	for first, last := range of.ranges() {
		end := "g" // behind every bucket
		if last < buckets-1 {
			end = bucketPrefix(last + 1)
		}
		if err := k.eachPageOf(ctx, bucketPrefix(first), end, visit); err != nil {
			return err
		}
	}
	return nil
}

func (k *Keyring) eachPageOf(ctx context.Context, from, end string, visit func([]keyRow) error) error {
	at := []any{from, "", int64(0), end, rotatePage}
	for {
		rows, err := k.read.page.QueryContext(ctx, at...)
		if err != nil {
			return fmt.Errorf("reading keys: %w", err)
		}
		page, err := scanKeys(rows)
		if err != nil {
			return fmt.Errorf("reading keys: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		last := page[len(page)-1]
		at[0], at[1], at[2] = rowOwner(last.c.Owner), string(last.c.Group), int64(last.generation)
		if err := visit(page); err != nil {
			return err
		}
	}
}

// rewrap wraps what is older of a page, in one transaction. The transaction
// follows the epoch keys, so that it wraps under the newest whoever made them,
// and leaves rows alone that have changed since they were read.
func (r *rotating) rewrap(ctx context.Context, page []keyRow, below *[buckets]uint32) error {
	page = slices.DeleteFunc(page, func(row keyRow) bool { return row.fenced || row.epoch >= below[bucketOf(row.c.Owner)] })
	if len(page) == 0 {
		return ctx.Err()
	}
	k, n := r.k, uint64(0)
	err := k.withState(ctx, func(st *state) error {
		if _, err := k.followEpochs(st); err != nil {
			return err
		}
		for i := range page {
			moved, err := k.rewrapRow(st, &page[i])
			if err != nil {
				return err
			}
			if moved {
				n++
			}
		}
		return nil
	})
	if err == nil {
		r.rewrapped += n
	}
	return err
}

func (k *Keyring) rewrapRow(st *state, row *keyRow) (bool, error) {
	key, err := k.unwrapLocal(row)
	if errors.Is(err, errDead) {
		return false, nil // moved on since it was read, or lost with an older epoch key
	}
	if err != nil {
		return false, err
	}
	defer key.wipe()
	next, live := *row, k.epochs.Load().live[bucketOf(row.c.Owner)]
	next.epoch = live.number
	next.wrapped = wrap(nil, live.aead, next.context(nil, k.storeID), key.dek[:])
	next.mac = k.secrets.rowMAC(next.message(nil))
	n, err := k.writer.exec(`UPDATE keys SET epoch = ?, wrapped = ?, mac = ? WHERE owner = ? AND grp = ? AND generation = ?
		AND key_id = ? AND epoch = ? AND fenced = 0 AND mac = ?`,
		int64(next.epoch), next.wrapped, next.mac, rowOwner(row.c.Owner), string(row.c.Group), int64(row.generation),
		row.id[:], int64(row.epoch), row.mac)
	if err != nil {
		return false, fmt.Errorf("rewrapping a key: %w", err)
	}
	if n != 1 {
		return false, nil // destroyed, or rewrapped by another process
	}
	st.keys.replace(row.mac, next.mac)
	return true, nil
}

// readBack makes sure that nothing is left under the keys that are about to be
// deleted, and that what replaced it opens.
func (k *Keyring) readBack(page []keyRow, below *[buckets]uint32) error {
	for i := range page {
		row := &page[i]
		least := below[bucketOf(row.c.Owner)]
		if row.fenced || least == 0 {
			continue
		}
		key, err := k.unwrapLocal(row)
		if errors.Is(err, errDead) {
			continue // moved on since, or lost before
		}
		if err != nil {
			return err
		}
		key.wipe()
		if row.epoch < least {
			return fmt.Errorf("key %s is still wrapped by epoch key %d: nothing was deleted, rotate again", row.id, row.epoch)
		}
	}
	return nil
}

// retire deletes the old keys at every place.
func (r *rotating) retire(ctx context.Context, below *[buckets]uint32) error {
	k := r.k
	err := k.withState(ctx, func(st *state) error {
		if err := k.syncEpochs(st); err != nil {
			return err
		}
		if !k.epochs.Load().older(below) {
			return nil // another process was faster
		}
		_, err := k.changeEpochs(st, func(next *epochs) error {
			next.retire(below, k.now())
			r.retired = append(r.retired, next.sequence)
			return nil
		})
		return err
	})
	if err != nil {
		return err
	}
	// What the file's pages and log keep of the old rows opens with nothing any
	// more; a reader that holds this up does no harm.
	k.writeMu.Lock()
	defer k.writeMu.Unlock()
	if k.writer != nil {
		_ = k.writer.truncate()
	}
	return nil
}

func (r *rotating) result() Rotation {
	e := r.k.epochs.Load()
	out := Rotation{Buckets: r.of.list(), Rewrapped: r.rewrapped, Resumed: r.resumed}
	for b := range r.of.each() {
		if live := e.live[b]; live.number > out.Epoch {
			out.Epoch, out.Made = live.number, live.made
		}
	}
	pending := map[PlaceID]bool{}
	for _, g := range e.gone {
		if !slices.Contains(r.retired, g.removed) {
			continue
		}
		out.Gone = append(out.Gone, r.k.infoOf(e, &g))
		for _, c := range g.copies {
			pending[c.place] = pending[c.place] || c.at.IsZero()
		}
	}
	out.Pending = slices.DeleteFunc(r.k.Places(), func(p Place) bool { return !pending[p.ID] })
	return out
}
