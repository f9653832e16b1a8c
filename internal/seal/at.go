package seal

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
	list, signers := l.keysAt(size)
	return signAt(list.Text(), signers)
}

// Attest signs a statement that is no checkpoint by the keys that count at the
// size of one, in the order of KeyListAt. The statement begins with "lethe ",
// which no origin does, so that the note can never be taken for a checkpoint,
// and is no key list. ErrNotOurs: no key counts.
func (l *Log) Attest(size int64, statement string) ([]byte, error) {
	if !strings.HasPrefix(statement, "lethe ") || strings.HasPrefix(statement, tlog.KeyListHeader) {
		return nil, errors.New("signing a statement: it could be taken for what the log says of itself")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, signers := l.keysAt(size)
	return signAt(statement, signers)
}

// keysAt is the log's key list as of a size, and the keys that count at it.
func (l *Log) keysAt(size int64) (at tlog.KeyList, signers []note.Signer) {
	at.Origin = l.origin
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
	return at, signers
}

func signAt(text string, signers []note.Signer) ([]byte, error) {
	if len(signers) == 0 {
		return nil, ErrNotOurs
	}
	signed, err := note.Sign(&note.Note{Text: text}, signers...)
	if err != nil {
		return nil, fmt.Errorf("signing what the log says: %w", err)
	}
	return signed, nil
}
