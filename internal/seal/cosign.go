package seal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"lethe/internal/tlog"
	"lethe/internal/witness"
)

// Witness cosigns checkpoints by the C2SP tlog-witness protocol. A
// *witness.ConflictError says which size it knows; witness.ErrNone that it
// knows none.
type Witness interface {
	Name() string
	AddCheckpoint(ctx context.Context, old int64, proof []tlog.Hash, signedNote []byte) (signatures []byte, err error)
	Latest(ctx context.Context, origin string) (signedNote []byte, err error)
}

// WitnessStatus is how a witness last answered.
type WitnessStatus struct {
	Name  string    `json:"name"`
	Size  int64     `json:"size" doc:"Of the newest checkpoint that it cosigned for us"`
	At    time.Time `json:"at,omitzero" doc:"When it last cosigned"`
	Error string    `json:"error,omitempty" doc:"Why it did not, the last time"`
}

const (
	witnessTimeout = 5 * time.Second
	witnessRetry   = time.Second
)

// ErrAhead: a witness holds a checkpoint that this log signed and does not
// reach.
var ErrAhead = errors.New("a witness holds a checkpoint of this log that is newer than the log itself: " +
	"it was restored from an older copy. Stop and start the program: it goes on under a new origin")

// askWitnesses looks, before anything is signed, whether a witness knows more
// of this log than it holds. One that does not answer is not waited for.
func (l *Log) askWitnesses(ctx context.Context) error {
	for _, w := range l.opts.Witnesses {
		asked, cancel := context.WithTimeout(ctx, witnessTimeout)
		err := l.compare(asked, w)
		cancel()
		if errors.Is(err, ErrAhead) || errors.Is(err, ErrInconsistent) {
			return err
		}
		if err != nil && !errors.Is(err, witness.ErrNone) {
			l.log.WarnContext(ctx, "a witness could not be asked what it knows of the log", "witness", w.Name(), "error", err)
		}
	}
	return nil
}

// compare holds a witness's newest checkpoint against the log. It counts only
// when one of the log's own keys signed it.
func (l *Log) compare(ctx context.Context, w Witness) error {
	signed, err := w.Latest(ctx, l.origin)
	if err != nil {
		return err
	}
	l.mu.Lock()
	list := l.keys.list(l.origin)
	l.mu.Unlock()
	c, _, err := list.Open(signed)
	if err != nil {
		return fmt.Errorf("it shows a checkpoint that this log did not sign: %w", err)
	}
	if uint64(c.Size) <= l.sealedSize() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if st := l.statusOf(w); st.Size < c.Size {
			st.Size = c.Size
		}
		return nil
	}
	if uint64(c.Size) <= l.events() { // sealing has not come so far: it must match then
		l.expect = append(l.expect, c)
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.pins.pin(&Pin{Restarts: l.state.Restarts, Note: signed, Checkpoint: c}, l.opts.Now()); err != nil {
		return err
	}
	return ErrAhead
}

func (l *Log) sealedSize() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.newest == nil {
		return 0
	}
	return uint64(l.newest.Size)
}

func (l *Log) statusOf(w Witness) *WitnessStatus {
	st := l.witnesses[w.Name()]
	if st == nil {
		st = &WitnessStatus{Name: w.Name()}
		l.witnesses[w.Name()] = st
	}
	return st
}

// cosign asks the witnesses to cosign the newest checkpoint, again and again,
// and publishes it when the policy is met.
func (l *Log) cosign(ctx context.Context) {
	var done int64
	for ctx.Err() == nil {
		cur := l.awaitNewer(ctx, done)
		if cur == nil {
			return
		}
		signed := slices.Clone(cur.Note)
		for lines := range l.ask(ctx, cur) {
			signed = append(signed, lines...)
		}
		err := l.publishCosigned(cur, signed)
		if err == nil {
			done = cur.Size
			continue
		}
		if ctx.Err() == nil {
			l.log.WarnContext(ctx, "a checkpoint is not published yet: the policy is not met", "size", cur.Size, "error", err)
		}
		select {
		case <-time.After(witnessRetry):
		case <-ctx.Done():
		}
	}
}

// awaitNewer gives the newest signed checkpoint once it is larger; nil at the end.
func (l *Log) awaitNewer(ctx context.Context, than int64) *Signed {
	for {
		l.mu.Lock()
		newest, changed, failed := l.newest, l.changed, l.failed
		l.mu.Unlock()
		if failed != nil {
			return nil
		}
		if newest != nil && newest.Size > than {
			return newest
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// ask sends a checkpoint to all witnesses at once and yields what they sign.
func (l *Log) ask(ctx context.Context, cur *Signed) func(yield func([]byte) bool) {
	answers := make(chan []byte, len(l.opts.Witnesses))
	for _, w := range l.opts.Witnesses {
		go func() {
			asked, cancel := context.WithTimeout(ctx, witnessTimeout)
			defer cancel()
			lines, err := l.askOne(asked, w, cur)
			l.noteAnswer(ctx, w, cur, err)
			answers <- lines
		}()
	}
	return func(yield func([]byte) bool) {
		for range l.opts.Witnesses {
			if lines := <-answers; len(lines) > 0 && !yield(lines) {
				return
			}
		}
	}
}

// askOne proves the checkpoint to one witness from the size that it knows.
func (l *Log) askOne(ctx context.Context, w Witness, cur *Signed) ([]byte, error) {
	l.mu.Lock()
	old := l.statusOf(w).Size
	l.mu.Unlock()
	for range 3 {
		if old > cur.Size {
			return nil, l.ahead(ctx, w, old)
		}
		path, err := tlog.Consistency(ctx, l.tiles, cur.Size, cur.Root, old)
		if err != nil {
			return nil, err
		}
		lines, err := w.AddCheckpoint(ctx, old, path, cur.Note)
		var conflict *witness.ConflictError
		if !errors.As(err, &conflict) {
			return lines, err
		}
		old = conflict.Size
	}
	return nil, errors.New("it names another size each time")
}

// ahead deals with a witness that names a larger size. Only a checkpoint that
// this log signed shows that it is right; a bare number is told, and no
// checkpoint of ours is cosigned by it.
func (l *Log) ahead(ctx context.Context, w Witness, size int64) error {
	err := l.compare(ctx, w)
	if errors.Is(err, ErrAhead) || errors.Is(err, ErrInconsistent) {
		return err
	}
	l.log.ErrorContext(ctx, "ALARM: a witness says that it cosigned more of this log than there is, and does not show it: "+
		"was the log restored from an older copy?", "witness", w.Name(), "size", size)
	return fmt.Errorf("it says that it cosigned size %d, which this log does not reach: %w", size, errors.Join(err, errNotShown))
}

var errNotShown = errors.New("it does not show that checkpoint")

func (l *Log) noteAnswer(ctx context.Context, w Witness, cur *Signed, err error) {
	if errors.Is(err, ErrAhead) {
		l.fail(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	st := l.statusOf(w)
	if err == nil {
		st.Size, st.At, st.Error = cur.Size, l.opts.Now().UTC(), ""
		return
	}
	var refused *witness.StatusError
	if errors.As(err, &refused) && refused.Contradicts() && ctx.Err() == nil {
		l.log.ErrorContext(ctx, "ALARM: a witness says that this checkpoint does not go on from one that it cosigned: "+
			"two histories bear this log's name", "witness", w.Name(), "size", cur.Size, "error", err)
	} else if st.Error == "" && ctx.Err() == nil {
		l.log.WarnContext(ctx, "a witness did not cosign", "witness", w.Name(), "error", err)
	}
	st.Error = err.Error()
}

func (l *Log) publishCosigned(cur *Signed, signed []byte) error {
	verifiers, err := l.verifiers()
	if err != nil {
		return err
	}
	n, err := note.Open(signed, note.VerifierList(verifiers...))
	if err != nil {
		return fmt.Errorf("reading the cosignatures: %w", err)
	}
	if err := l.opts.Policy.Quorum(n); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.published != nil && l.published.Size >= cur.Size {
		return nil
	}
	return l.publish(&Signed{Checkpoint: cur.Checkpoint, Note: signed, Position: cur.Position})
}

// verifiers are those of the policy's witnesses and the log's own.
func (l *Log) verifiers() ([]note.Verifier, error) {
	var out []note.Verifier
	for _, w := range l.opts.Policy.Witnesses {
		out = append(out, w.Verifier())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range l.keys.list(l.origin).Keys {
		v, err := tlog.NewVerifier(k.VKey)
		if err != nil {
			return nil, fmt.Errorf("reading a signing key of the log: %w", err)
		}
		out = append(out, v)
	}
	return out, nil
}
