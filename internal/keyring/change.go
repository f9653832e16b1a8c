package keyring

import (
	"context"
	"fmt"
	"time"
)

// changes is a transaction of the key store that other processes must know
// of. Its state is written at the end.
type changes struct {
	*state
	written bool          // something is to be committed
	gone    []KeyID       // keys that were destroyed
	renewed []Compartment // compartments that got another live key
}

// change runs f in such a transaction: fence_seq is raised, so that other
// processes empty their caches within a second, and this one's is put right
// at once. When f wrote nothing, nothing is committed.
func (k *Keyring) change(f func(*changes) error) error {
	k.writeMu.Lock()
	defer k.writeMu.Unlock()
	if k.writer == nil {
		return ErrClosed
	}
	var c changes
	err := k.writer.tx(func() error {
		st, err := readState(k.writer, &k.secrets)
		if err != nil {
			return err
		}
		c = changes{state: st}
		if c.written, err = k.followEpochs(st); err != nil {
			return err
		}
		if err := f(&c); err != nil || !c.written {
			return err
		}
		st.fenceSeq++
		return writeState(k.writer, &k.secrets, st)
	})
	if err != nil || !c.written {
		return err
	}
	k.cache.change(c.gone, c.renewed)
	now := k.opts.Now()
	k.fencedAt.Store(&now)
	// Own changes are known; one by another process in between is not.
	k.known.CompareAndSwap(c.fenceSeq-1, c.fenceSeq)
	return nil
}

// passed is called after each step of a destruction.
func (k *Keyring) passed(step string) error {
	if k.opts.crash == nil {
		return nil
	}
	return k.opts.crash(step)
}

// FencedAt is when this process last destroyed keys or made new generations
// of them; zero: never. Two seconds later no process uses what was live
// before.
func (k *Keyring) FencedAt() time.Time {
	if at := k.fencedAt.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// clearLog cuts the key store's write-ahead log, so that no old page is left
// in it.
func (k *Keyring) clearLog() error {
	k.writeMu.Lock()
	defer k.writeMu.Unlock()
	if k.writer == nil {
		return ErrClosed
	}
	return k.writer.truncate()
}

// LogMark is the position of the log up to which its erasures were applied to
// this key store, as far as this process knows.
func (k *Keyring) LogMark() uint64 { return k.logMark.Load() }

// SetLogMark remembers that position, durably.
func (k *Keyring) SetLogMark(ctx context.Context, position uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	k.writeMu.Lock()
	defer k.writeMu.Unlock()
	if k.writer == nil {
		return ErrClosed
	}
	err := k.writer.tx(func() error {
		st, err := readState(k.writer, &k.secrets)
		if err != nil {
			return err
		}
		st.logMark = position
		return writeState(k.writer, &k.secrets, st)
	})
	if err != nil {
		return fmt.Errorf("remembering the log's position: %w", err)
	}
	k.logMark.Store(position)
	return nil
}
