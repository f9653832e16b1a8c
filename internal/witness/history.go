package witness

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/mod/sumdb/note"

	"lethe/internal/durable"
	"lethe/internal/tlog"
)

// history is what the witness knows of one log: the latest checkpoint that it
// cosigned. The file that keeps it is that checkpoint's note, with the log's
// signatures that were verified and the witness's cosignatures:
//
//	<dir>/<hex SHA-256 of the origin>
type history struct {
	fs     vfs.FS
	dir    string
	file   string // name in dir
	origin string
	keys   note.Verifiers // the log's
	known  note.Verifiers // the log's and the witness's
	sign   []note.Signer
	now    func() time.Time

	mu     sync.Mutex // held from the check to the end of the write
	latest *cosigned  // nil: none yet
	unsure bool       // a write failed: the file may hold the old note or the new one
}

// cosigned is a checkpoint that was cosigned.
type cosigned struct {
	checkpoint tlog.Checkpoint
	note       []byte
	at         time.Time // the latest time of its cosignatures
}

func newHistory(o Options, origin string, logKeys, ownKeys []string) (*history, error) {
	h := &history{fs: o.FS, dir: o.Dir, file: originHash(origin), origin: origin, now: o.Now}
	var err error
	if h.keys, err = verifiersOf(logKeys...); err != nil {
		return nil, err
	}
	if h.known, err = verifiersOf(slices.Concat(logKeys, ownKeys)...); err != nil {
		return nil, err
	}
	if h.sign, _, err = o.Key.cosigners(o.Name, o.MLDSA, h.clock); err != nil {
		return nil, err
	}
	// What cannot be cosigned is told now and not at the first checkpoint.
	if _, err := note.Sign(&note.Note{Text: tlog.Checkpoint{Origin: origin, Root: tlog.EmptyRoot()}.Text()}, h.sign...); err != nil {
		return nil, fmt.Errorf("the log %s: %w", origin, err)
	}
	return h, nil
}

// clock is the time of a cosignature. It does not run backwards: each says
// that its checkpoint is the largest that was seen by then.
func (h *history) clock() time.Time {
	t := h.now()
	if h.latest != nil && t.Before(h.latest.at) {
		return h.latest.at
	}
	return t
}

// load reads the file. One that is not there means that nothing was cosigned.
func (h *history) load() error {
	b, err := durable.ReadFile(h.fs, h.fs.PathJoin(h.dir, h.file), tlog.MaxNote)
	if durable.IsNotExist(err) {
		h.latest, h.unsure = nil, false
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading what was cosigned of %s: %w", h.origin, err)
	}
	n, err := tlog.OpenNote(b, h.known)
	if err != nil {
		return fmt.Errorf("reading what was cosigned of %s: the file %s is damaged, or made with other keys: %w", h.origin, h.file, err)
	}
	c, err := tlog.ParseCheckpoint(n.Text)
	if err != nil {
		return fmt.Errorf("reading what was cosigned of %s: %w", h.origin, err)
	}
	if c.Origin != h.origin {
		return fmt.Errorf("reading what was cosigned of %s: the file %s is of %s", h.origin, h.file, c.Origin)
	}
	h.latest, h.unsure = &cosigned{checkpoint: c, note: b, at: latestTime(n.Sigs)}, false
	return nil
}

func latestTime(sigs []note.Signature) (latest time.Time) {
	for _, sig := range sigs {
		if at, ok := tlog.SignatureTime(sig); ok && at.After(latest) {
			latest = at
		}
	}
	return latest
}

// refusal is an answer other than 200.
type refusal struct {
	code int
	text string
	size int64 // with a 409
}

func (r *refusal) Error() string { return r.text }

func refuse(code int, format string, args ...any) error {
	return &refusal{code: code, text: fmt.Sprintf(format, args...)}
}

// add checks a checkpoint in the order of the specification, cosigns it, and
// keeps it. It returns the cosignature lines once they are kept. Errors:
// *refusal; any other is the witness's own failure.
func (h *history) add(r *request) ([]byte, error) {
	n, err := tlog.OpenNote(r.signed, h.keys)
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &unverified):
		return nil, refuse(http.StatusForbidden, "no key that is known of the log signed the checkpoint")
	case errors.As(err, &invalid):
		return nil, refuse(http.StatusForbidden, "the signature of the key %s+%08x is not valid", invalid.Name, invalid.Hash)
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "%v", err)
	case r.old > r.checkpoint.Size:
		return nil, refuse(http.StatusBadRequest, "the old size %d is larger than the checkpoint's %d", r.old, r.checkpoint.Size)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.unsure {
		if err := h.load(); err != nil {
			return nil, err
		}
	}
	if err := h.check(r); err != nil {
		return nil, err
	}
	return h.cosign(r.checkpoint, n)
}

// check holds a checkpoint against the latest one.
func (h *history) check(r *request) error {
	latest := tlog.Checkpoint{Root: tlog.EmptyRoot()}
	if h.latest != nil {
		latest = h.latest.checkpoint
	}
	if r.old != latest.Size {
		return &refusal{code: http.StatusConflict, text: "the latest checkpoint has size " + strconv.FormatInt(latest.Size, 10), size: latest.Size}
	}
	if err := r.checkpoint.Check(); err != nil {
		return refuse(http.StatusUnprocessableEntity, "%v", err)
	}
	if err := tlog.VerifyConsistency(r.proof, r.old, latest.Root, r.checkpoint.Size, r.checkpoint.Root); err != nil {
		return refuse(http.StatusUnprocessableEntity, "%v", err)
	}
	return nil
}

// cosign signs and keeps a checkpoint that was checked. A signature does not
// leave before it is kept.
func (h *history) cosign(c tlog.Checkpoint, n *note.Note) ([]byte, error) {
	at := h.clock()
	if at.Unix() <= 0 {
		return nil, errors.New("cosigning: the clock is not set")
	}
	signed, err := note.Sign(&note.Note{Text: n.Text, Sigs: n.Sigs}, h.sign...)
	if err != nil {
		return nil, fmt.Errorf("cosigning: %w", err)
	}
	_, sigs, err := tlog.SplitNote(signed)
	if err != nil {
		return nil, fmt.Errorf("cosigning: %w", err)
	}
	sigs = sigs[len(sigs)-len(h.sign):] // the new ones are last
	h.unsure = true
	if err := durable.ReplaceFile(h.fs, h.dir, h.file, signed); err != nil {
		return nil, fmt.Errorf("keeping a cosigned checkpoint: %w", err)
	}
	h.latest, h.unsure = &cosigned{checkpoint: c, note: signed, at: latestTime(sigs)}, false
	var lines []byte
	for _, sig := range sigs {
		lines = append(lines, tlog.FormatSignature(sig)...)
	}
	return lines, nil
}

// note is the latest checkpoint with its signatures; nil when there is none.
func (h *history) note() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.latest == nil {
		return nil
	}
	return h.latest.note
}
