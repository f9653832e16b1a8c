package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"lethe/internal/durable"
	"lethe/internal/tlog"
)

// ErrInconsistent: the log does not contain what a known checkpoint of it
// covers: history was altered, or two logs share one name.
var ErrInconsistent = errors.New("the log contradicts a checkpoint that is known of it: nothing more is signed")

// resume signs what an earlier run had sealed and not signed.
func (l *Log) resume(ctx context.Context) {
	if l.state.Size == 0 {
		return
	}
	if err := l.sign(ctx); err != nil {
		if errors.Is(err, ErrInconsistent) {
			l.fail(err)
			return
		}
		l.log.ErrorContext(ctx, "signing what was sealed before failed; the next checkpoint covers it", "error", err)
	}
}

// sign makes a checkpoint of the present size, unless a known one was not
// reached yet. It checks the new tree against the last signed one as the files
// have it, pins the checkpoint, and only then lets it out.
func (l *Log) sign(ctx context.Context) error {
	size, root := int64(l.state.Size), l.state.root()
	if ready, err := l.meet(ctx, size, root); !ready || err != nil {
		return err
	}
	l.mu.Lock()
	last, signers := l.newest, l.keys.signing(l.origin)
	l.mu.Unlock()
	if last != nil {
		if last.Size >= size {
			return l.publishAgain(last, size)
		}
		if err := l.follows(ctx, size, root, last.Checkpoint); err != nil {
			return err
		}
	}
	c := tlog.Checkpoint{Origin: l.origin, Size: size, Root: root}
	signed, err := note.Sign(&note.Note{Text: c.Text()}, signers...)
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	now := l.opts.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	err = l.pins.pin(&Pin{Restarts: l.state.Restarts, Position: l.state.Position, Note: signed, Checkpoint: c}, now)
	if err != nil {
		return err
	}
	l.signed, l.newest = now, &Signed{Checkpoint: c, Note: signed, Position: l.state.Position}
	l.announce()
	if l.opts.Policy == nil {
		return l.publish(l.newest)
	}
	return nil
}

// follows proves from the files that the tree extends an earlier one.
func (l *Log) follows(ctx context.Context, size int64, root tlog.Hash, earlier tlog.Checkpoint) error {
	path, err := tlog.Consistency(ctx, l.tiles, size, root, earlier.Size)
	if err == nil {
		err = tlog.VerifyConsistency(path, earlier.Size, earlier.Root, size, root)
	}
	if err != nil {
		return fmt.Errorf("%w (size %d against %d: %w)", ErrInconsistent, earlier.Size, size, err)
	}
	return nil
}

// meet checks the known checkpoints that the tree has reached; false means
// that one is still ahead.
func (l *Log) meet(ctx context.Context, size int64, root tlog.Hash) (bool, error) {
	ahead := l.expect[:0:0]
	for _, c := range l.expect {
		if c.Size > size {
			ahead = append(ahead, c)
			continue
		}
		if err := l.follows(ctx, size, root, c); err != nil {
			return false, err
		}
	}
	l.expect = ahead
	return len(ahead) == 0, nil
}

// publish makes a checkpoint the log's public one. l.mu is held.
func (l *Log) publish(s *Signed) error {
	if err := l.tiles.writeCheckpoint(s.Note); err != nil {
		return err
	}
	l.published = s
	l.announce()
	return nil
}

// loadPublished takes up what was signed and published before.
func (l *Log) loadPublished() error {
	list := l.keys.list(l.origin)
	if p := l.pins.latest; p != nil && p.Restarts == l.state.Restarts {
		switch _, _, err := list.Open(p.Note); {
		case errors.Is(err, tlog.ErrDistrusted): // the key was distrusted before another one signed: the next checkpoint counts again
			l.log.Warn("the newest checkpoint is signed by a distrusted key only", "size", p.Size, "error", err)
		case err != nil:
			return fmt.Errorf("the newest known checkpoint is not signed by this log's keys: %w: "+
				"its directory belongs to another log, the signing keys were lost or are from a backup of before the present one was made, or %w",
				err, durable.ErrDamaged)
		}
		l.newest = &Signed{Checkpoint: p.Checkpoint, Note: p.Note, Position: p.Position}
	}
	b, err := l.tiles.read(checkpointName, maxNote)
	if durable.IsNotExist(err) {
		return nil
	}
	var c tlog.Checkpoint
	var n *note.Note
	if err == nil {
		c, n, err = list.Open(b)
	}
	if err == nil && l.opts.Policy != nil {
		err = l.opts.Policy.Quorum(n) // it may be from before there was a policy
	}
	if err != nil {
		l.survived("the published checkpoint cannot be used and is made again: " + err.Error())
		return nil
	}
	if l.newest != nil && c.Size <= l.newest.Size && uint64(c.Size) <= l.edge.size {
		l.published = &Signed{Checkpoint: c, Note: b}
		if c.Size == l.newest.Size {
			l.published.Position = l.newest.Position
		}
	}
	return nil
}

// publishAgain publishes what was signed before a crash came, or before the
// files were lost.
func (l *Log) publishAgain(last *Signed, size int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opts.Policy != nil || last.Size > size || l.published != nil && l.published.Size >= last.Size {
		return nil
	}
	return l.publish(last)
}

const (
	maxNote  = 1 << 20
	listName = "log-keys"
)

// publishKeys signs what the log says of its keys with all that sign.
// l.mu is held, or nobody else is there yet.
func (l *Log) publishKeys() error {
	list := l.keys.list(l.origin)
	signed, err := note.Sign(&note.Note{Text: list.Text()}, l.keys.signing(l.origin)...)
	if err != nil {
		return fmt.Errorf("signing the list of keys: %w", err)
	}
	there, err := l.tiles.read(listName, maxNote)
	if err == nil && bytes.Equal(there, signed) {
		l.keyList = signed
		return nil
	}
	if err == nil && l.keyList == nil { // at the opening, nobody changed a key
		l.survived("the published list of keys (" + listName + ") is not what the keys give, or a crash came before it was: it is made again")
	}
	if err := durable.ReplaceFile(l.fs, l.tiles.dir, listName, signed); err != nil {
		return err
	}
	l.keyList = signed
	return nil
}

// Keys lists the signing keys, those of earlier origins first.
func (l *Log) Keys() []Key {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keys.shown(l.origin)
}

// KeyList is the log's signed statement of which keys count at which sizes.
func (l *Log) KeyList() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.keyList)
}

// RotateKey adds a signing key that signs from the next checkpoint on, beside
// those that sign already, so that verifiers have time to learn it. A newest
// key that has not signed yet is given again: then nothing was made.
func (l *Log) RotateKey() (k Key, made bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if all := l.keys.shown(l.origin); len(all) > 1 {
		if k := all[len(all)-1]; k.Signs && uint64(k.From) >= l.nextSize() {
			return k, false, nil
		}
	}
	vkey, err := l.keys.add(l.origin, l.nextSize())
	if err != nil {
		return Key{}, false, err
	}
	k, err = l.changedKey(idOf(vkey))
	return k, true, err
}

// RetireKey ends a key's signing with the last checkpoint. What it signed
// goes on counting. Errors: ErrNoSuchKey, ErrLastKey.
func (l *Log) RetireKey(id string) (Key, error) {
	return l.alterKey(id, func(s *storedKey) {
		if s.Until < 0 {
			s.Until = int64(l.nextSize()) - 1
		}
	})
}

// DistrustKey says that a key's signatures do not count from a size on: it
// was, or may have been, in other hands. Errors: ErrNoSuchKey, ErrLastKey.
func (l *Log) DistrustKey(id string, from int64) (Key, error) {
	return l.alterKey(id, func(s *storedKey) {
		if s.Distrusted < 0 || from < s.Distrusted {
			s.Distrusted = from
		}
	})
}

func (l *Log) alterKey(id string, alter func(*storedKey)) (Key, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.keys.change(l.origin, id, alter); err != nil {
		return Key{}, err
	}
	return l.changedKey(id)
}

// nextSize is the size after the newest signed one. l.mu is held.
func (l *Log) nextSize() uint64 {
	if l.newest == nil {
		return 1
	}
	return uint64(l.newest.Size) + 1
}

func (l *Log) changedKey(id string) (Key, error) {
	if err := l.publishKeys(); err != nil {
		return Key{}, err
	}
	for _, k := range l.keys.shown(l.origin) {
		if k.ID == id && k.Origin == l.origin {
			return k, nil
		}
	}
	return Key{}, ErrNoSuchKey
}
