package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A change of the epoch keys is made under the key store's write lock, so that
// one process at a time makes one: the new state is written to every place,
// then the key store's transaction says that it counts. What a crash leaves is
// the old state, or a state that follows it, which the next one to hold the
// lock finishes.

func (k *Keyring) now() time.Time { return k.opts.Now().UTC().Truncate(time.Microsecond) }

// tell reports what is wrong with a directory, once for as long as it stays
// the same; "" when nothing is.
func (k *Keyring) tell(dir, what string) {
	if k.told[dir] != what {
		k.told[dir] = what
		if what != "" {
			k.opts.Report(dir + ": " + what)
		}
	}
}

// syncEpochs brings all places and this process to one state, in a write
// transaction, and notes it in st, which is then to be written. It fails when
// no place has the keys, and with a *DeadError when the key store needs keys
// that were deleted.
func (k *Keyring) syncEpochs(st *state) error {
	files, err := k.readPlaces()
	if err != nil {
		return err
	}
	committed := epochSequence(st.epochSeq)
	e, err := k.openChosen(files, committed)
	if err != nil {
		return err
	}
	if e.sequence != committed {
		if err := k.requireLive(e, committed); err != nil {
			return err
		}
	}
	return k.settle(st, e, files)
}

// openChosen opens the state to go on with. When no place has it any more, a
// process that does writes it there anew.
func (k *Keyring) openChosen(files []placeFile, committed epochSequence) (*epochs, error) {
	form := chosen(files, committed)
	if e := k.epochs.Load(); e != nil && e.sequence == committed && (form == nil || form.Previous != committed) {
		return e, nil
	}
	if form == nil {
		return nil, noEpochs(files)
	}
	if form.Store != k.storeID {
		return nil, errors.New("the epoch keys belong to another key store")
	}
	if form.Sequence != committed && form.Sequence.counter() <= committed.counter() {
		return nil, &BehindError{Found: form.Sequence.counter(), Want: committed.counter()}
	}
	return form.open(k.root)
}

// noEpochs says why no place has epoch keys.
func noEpochs(files []placeFile) error {
	var why []string
	for _, f := range files {
		if f.err != nil {
			why = append(why, f.err.Error())
		} else {
			why = append(why, "nothing is in "+f.dir)
		}
	}
	err := fmt.Errorf("%w (%s)", ErrEpochsMissing, strings.Join(why, "; "))
	if slices.ContainsFunc(files, func(f placeFile) bool { return errors.Is(f.err, errDamaged) }) {
		err = fmt.Errorf("%w: the file %w", err, errDamaged)
	}
	return err
}

// settle writes a state to every place that can be reached and has another
// one, then once more when places have confirmed by that what they deleted.
func (k *Keyring) settle(st *state, e *epochs, files []placeFile) error {
	l := &locating{k: k, e: e, here: map[PlaceID]bool{}, seen: map[PlaceID]bool{}}
	l.change = func() (err error) {
		if l.e == e {
			l.e, err = e.next(k.opts.Rand)
		}
		return err
	}
	if err := l.all(files); err != nil {
		return err
	}
	held, err := k.writePlaces(l.e, files, l.ids)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(l.e.gone, func(g goneEpoch) bool { return g.pending(held) }) {
		confirmed, err := l.e.next(k.opts.Rand)
		if err != nil {
			return err
		}
		confirmed.confirm(held, k.now())
		if _, err := k.writePlaces(confirmed, files, l.ids); err != nil {
			return err
		}
		l.e = confirmed
	}
	k.tellMissing(l.e, files, held)
	st.epochSeq = uint64(l.e.sequence)
	k.epochs.Store(l.e)
	k.held.Store(&held)
	return nil
}

// tellMissing reports the places that are in no directory that was named.
func (k *Keyring) tellMissing(e *epochs, files []placeFile, held map[PlaceID]epochSequence) {
	for _, p := range e.places {
		_, here := held[p.id]
		named := slices.ContainsFunc(files, func(f placeFile) bool { return f.dir == p.dir && f.err != nil })
		switch {
		case named: // told already
		case here || !p.forgotten.IsZero():
			k.tell("place "+p.id.String(), "")
		default:
			k.tell("place "+p.id.String(), "epoch keys that lay in "+p.dir+" are not there any more: is its disk mounted? Nothing is written there, and keys that "+
				"are retired do not count as destroyed, until that place is back and named with --epoch-replica, or is declared to exist no more: "+
				"lethe keys place forget "+p.id.String())
		}
	}
}

// changeEpochs makes the next state of the epoch keys, in a write transaction
// in which they were synced.
func (k *Keyring) changeEpochs(st *state, change func(*epochs) error) ([]placeFile, error) {
	files, err := k.readPlaces()
	if err != nil {
		return nil, err
	}
	e, err := k.openChosen(files, epochSequence(st.epochSeq))
	if err != nil {
		return nil, err
	}
	next, err := e.next(k.opts.Rand)
	if err != nil {
		return nil, err
	}
	if err := change(next); err != nil {
		return nil, err
	}
	return files, k.settle(st, next, files)
}

// pending reports whether a place that is here has deleted what is not noted
// yet.
func (g *goneEpoch) pending(held map[PlaceID]epochSequence) bool {
	return slices.ContainsFunc(g.copies, func(c epochCopy) bool {
		s, ok := held[c.place]
		return ok && c.at.IsZero() && s.counter() >= g.removed.counter()
	})
}

// writePlaces writes a state where it is not yet, and tells which places hold
// it. At least one must.
func (k *Keyring) writePlaces(e *epochs, files []placeFile, ids []PlaceID) (held map[PlaceID]epochSequence, err error) {
	held = map[PlaceID]epochSequence{}
	var failed error
	for i := range files {
		f := &files[i]
		if !f.reachable() || ids[i] == (PlaceID{}) {
			continue
		}
		if f.form == nil || f.pending || f.form.Sequence != e.sequence || f.form.Place != ids[i] {
			err := e.write(f.dir, epochFile, ids[i])
			k.opts.step()
			if err != nil {
				k.tell(f.dir, "epoch keys cannot be written there, and a change of them waits: "+err.Error())
				f.err, failed = err, errors.Join(failed, err)
				continue
			}
			f.form, f.pending, f.err = &epochForm{Store: e.storeID, Sequence: e.sequence, Previous: e.previous, Place: ids[i]}, false, nil
		}
		k.tell(f.dir, "")
		held[ids[i]] = e.sequence
	}
	if len(held) == 0 {
		return nil, errors.Join(noEpochs(files), failed)
	}
	return held, nil
}

// requireLive fails when keys of the key store were wrapped by epoch keys that
// were deleted since the key store was last used: it is an older copy.
func (k *Keyring) requireLive(e *epochs, committed epochSequence) error {
	since := func(g goneEpoch) bool { return g.removed.counter() > committed.counter() }
	if k.opts.AcceptDead || !slices.ContainsFunc(e.gone, since) {
		return nil
	}
	dead := &DeadError{}
	err := k.eachLive(func(bucket uint8, number uint32) {
		dead.Live++
		if g, ok := e.deleted(bucket, number); ok {
			dead.Keys++
			if dead.Since.IsZero() || g.retired.Before(dead.Since) {
				dead.Since = g.retired
			}
		}
	})
	if err != nil || dead.Keys == 0 {
		return err
	}
	return dead
}

// eachLive visits the bucket and epoch of every live key, in the transaction.
func (k *Keyring) eachLive(visit func(bucket uint8, number uint32)) error {
	stmt, err := k.writer.stmt("SELECT owner, epoch FROM keys WHERE fenced = 0")
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(context.Background())
	if err != nil {
		return fmt.Errorf("reading the epochs of keys: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read only
	for rows.Next() {
		var owner rowOwner
		var number uint32
		if err := rows.Scan(&owner, &number); err != nil {
			return fmt.Errorf("reading the epochs of keys: %w", err)
		}
		visit(bucketOf(string(owner)), number)
	}
	return rows.Err()
}

// followEpochs reads the epoch keys again when another process changed them,
// in a write transaction, and finishes a change that was cut. It reports
// whether st is to be written.
func (k *Keyring) followEpochs(st *state) (changed bool, err error) {
	before := st.epochSeq
	if uint64(k.epochs.Load().sequence) == before {
		return false, nil
	}
	err = k.syncEpochs(st)
	return st.epochSeq != before, err
}

// reloadEpochs reads the epoch keys again, outside a transaction and changing
// nothing.
func (k *Keyring) reloadEpochs(committed epochSequence) error {
	k.epochMu.Lock()
	defer k.epochMu.Unlock()
	now := k.epochs.Load()
	if now.sequence == committed {
		return nil
	}
	files, err := k.readPlaces()
	if err != nil {
		return err
	}
	form := chosen(files, committed)
	if form == nil {
		return noEpochs(files)
	}
	if form.Store != k.storeID || form.Sequence.counter() <= now.sequence.counter() {
		return nil
	}
	e, err := form.open(k.root)
	if err != nil {
		return err
	}
	k.epochs.CompareAndSwap(now, e)
	return nil
}

// SyncEpochs looks after the epoch keys: it writes them to places that are new
// or came back, deletes retired ones from a place that came back, follows other
// processes, and reports what it finds to Options.Report. Open does it too; a
// server does it every minute.
func (k *Keyring) SyncEpochs(ctx context.Context) error {
	err := k.withState(ctx, k.syncEpochs)
	if err != nil {
		return fmt.Errorf("looking after the epoch keys: %w", err)
	}
	return nil
}

// withState runs f in a write transaction, and writes the state when f has
// changed it.
func (k *Keyring) withState(ctx context.Context, f func(*state) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	k.writeMu.Lock()
	defer k.writeMu.Unlock()
	if k.writer == nil {
		return ErrClosed
	}
	defer k.opts.step()
	return k.writer.tx(func() error {
		st, err := readState(k.writer, &k.secrets)
		if err != nil {
			return err
		}
		before := k.secrets.rowMAC(st.message())
		if err := f(st); err != nil {
			return err
		}
		if equal(before, k.secrets.rowMAC(st.message())) {
			return nil
		}
		err = writeState(k.writer, &k.secrets, st)
		k.opts.step()
		return err
	})
}
