package seal

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"lethe/internal/tlog"
)

// ErrNewer: the log's keys signed a checkpoint that is larger than the log.
var ErrNewer = errors.New("the checkpoint is larger than the log")

// Recognise takes a checkpoint that somebody brings so that something is
// proven under it. Its note is kept as it came. Errors: ErrNotOurs, also when
// only a distrusted key signed it; ErrNewer; ErrInconsistent; ErrNotSealed when
// it is signed and not published yet.
func (l *Log) Recognise(ctx context.Context, signed []byte) (*Signed, error) {
	l.mu.Lock()
	list, newest, published := l.keys.list(l.origin), l.newest, l.published
	l.mu.Unlock()
	c, _, err := list.Open(signed)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrNotOurs, err)
	case newest == nil || c.Size > newest.Size:
		return nil, ErrNewer
	case published == nil || c.Size > published.Size:
		return nil, ErrNotSealed
	}
	root, err := l.RootAt(ctx, c.Size)
	if err != nil {
		return nil, err
	}
	if root != c.Root {
		return nil, ErrInconsistent
	}
	return &Signed{Checkpoint: c, Note: signed}, nil
}

// KeyListAt is what the log says of its keys for its checkpoint of a size. It
// leaves out keys that signed later only, and what ended later, and is signed
// by the keys that count at the size. So it stays the same, to the byte,
// however often keys are rotated and retired afterwards; only a distrust that
// reaches back to the size changes it. ErrNotOurs: no key counts.
func (l *Log) KeyListAt(size int64) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := tlog.KeyList{Origin: l.origin}
	var signers []note.Signer
	for _, k := range l.keys.list(l.origin).Keys {
		if k.From > size {
			continue
		}
		if k.Until >= size {
			k.Until = tlog.Unbounded
		}
		if k.Distrusted > size {
			k.Distrusted = tlog.Unbounded
		}
		at.Keys = append(at.Keys, k)
		if k.Counts(size) {
			signers = append(signers, l.keys.signers[k.VKey])
		}
	}
	if len(signers) == 0 {
		return nil, ErrNotOurs
	}
	signed, err := note.Sign(&note.Note{Text: at.Text()}, signers...)
	if err != nil {
		return nil, fmt.Errorf("signing the list of keys: %w", err)
	}
	return signed, nil
}
