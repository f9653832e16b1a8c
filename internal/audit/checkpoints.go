package audit

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sync/errgroup"

	"lethe/eventstore"
	"lethe/internal/seal"
	"lethe/internal/tlog"
)

// pinned is what is known of the tree, as it was when the log step began.
type pinned struct {
	listBytes int64 // of the list of known checkpoints
	latest    *seal.Pin
	published []byte
	standing  seal.Standing
	stateless bool // STATE could not be read
}

// largest is the size of the newest of them that the log signed under its
// present name.
func (p *pinned) largest(log *seal.Log) uint64 {
	size := int64(0)
	see := func(note []byte) {
		if c, _, _, err := log.VerifySigned(log.Restarts(), note); err == nil {
			size = max(size, c.Size)
		}
	}
	see(p.published)
	if p.latest != nil {
		see(p.latest.Note)
	}
	return uint64(size)
}

const (
	meansPin = "it cannot be compared with the log any more: put it back from another copy of the known checkpoints, " +
		"or remove it after making sure that the log was not restored from a backup"
	meansPublished = "auditors and witnesses cannot use it: the next event makes a new one; until then take the newest known checkpoint"
	meansFork      = "the log is not the one that was signed: history was changed, or two histories were shown. Keep this checkpoint and a copy " +
		"of the directory as evidence, and compare with witnesses, mirrors and backups"
	meansShort = "events that were sealed are gone: the log was cut, or restored from an older copy. Stop and start the program, which goes on " +
		"under a new name and records what is lost; or restore the newest backup"
)

// readPinned reads what is known of the tree before STATE is read: it never
// goes further than that.
func (l *logStep) readPinned() (p pinned, err error) {
	if p.listBytes, err = l.Seal.PinnedBytes(); err != nil {
		return p, err
	}
	report := l.reporter(StepCheckpoints)
	if p.latest, err = l.Seal.LatestPin(); err != nil {
		report(Finding{Where: "pins/latest", What: err.Error(), Means: meansPin})
	}
	err = readInto(filepath.Join(l.Seal.DirOf(l.Seal.Restarts()), "checkpoint"), tlog.MaxNote, &p.published)
	missing := errors.Is(err, fs.ErrNotExist)
	if missing && (l.Seal.Policy() != nil || l.Seal.Published() == nil) {
		return p, nil // none was published yet
	}
	if err != nil {
		p.published = nil
		report(Finding{Where: l.publishedFile(l.Seal.Restarts()), What: whyOf(err), Means: meansPublished})
	}
	return p, nil
}

func (r *run) publishedFile(restarts uint64) string {
	return fmt.Sprintf("seal/log-%d/checkpoint", restarts)
}

// known is a checkpoint that is to be compared with the tree.
type known struct {
	where    string
	at       uint64
	means    string // when it cannot be used at all
	note     []byte
	restarts uint64              // of the log that should have signed it
	position eventstore.Position // of its last event; 0 = not known
	own      bool                // it holds no signatures but the log's, and the witnesses' that the policy names
	public   bool                // it is the published one
}

// origins is the tree under all its names, and what is known of it.
type origins struct {
	*run
	report func(Finding)
	keys   map[uint64][]note.Verifier // by restarts
	old    map[uint64]*tree           // of earlier origins
	common map[uint64]uint64          // leaves that an earlier origin has in common with the present one

	mu         sync.Mutex
	checked    uint64
	lost       int // checkpoints of what was lost
	distrusted int
	best       *Checkpoint
}

// checkpoints compares every known checkpoint with the tree, and checks who
// signed it.
func (r *run) checkpoints(ctx context.Context, s *Step) error {
	o := &origins{
		run: r, report: r.reporter(StepCheckpoints),
		keys: map[uint64][]note.Verifier{}, old: map[uint64]*tree{}, common: map[uint64]uint64{},
	}
	for n := range r.Seal.Restarts() + 1 {
		var err error
		if o.keys[n], err = r.Seal.VerifiersOf(n); err != nil {
			return err
		}
	}
	o.standing()
	if err := o.earlier(ctx); err != nil {
		return err
	}
	if err := o.all(ctx); err != nil {
		return err
	}
	s.Checked, r.verified = o.checked, o.best
	o.notes(s)
	return nil
}

// standing checks STATE, the list of keys, and whether sealing goes on.
func (o *origins) standing() {
	at := o.pins.standing
	if !o.pins.stateless {
		root, err := o.tree.rootAt(at.Size)
		switch {
		case err != nil:
			o.report(Finding{Where: "seal/STATE", What: "its root cannot be compared: " + err.Error(), Means: meansTile})
		case tlog.Hash(root) != at.Root:
			o.report(Finding{Where: "seal/STATE", What: fmt.Sprintf("its root at size %d is not that of the tree", at.Size), Means: meansFork})
		case at.Size > 0 && !o.isEvent(at.Position, at.Size):
			o.report(Finding{
				Where: "seal/STATE", What: fmt.Sprintf("position %s is not that of event %d", at.Position, at.Size),
				Means: "events could be sealed twice or not at all: stop, remove the file, and start, which makes it again from the log",
			})
		}
	}
	if err := o.Seal.CheckKeyList(o.Seal.Restarts()); err != nil {
		o.report(Finding{
			Where: fmt.Sprintf("seal/log-%d/log-keys", o.Seal.Restarts()), What: err.Error(),
			Means: "verifiers could be given another list of keys by a plain web server; the next start writes it again",
		})
	}
	if failed := o.Seal.Status().Failed; failed != "" {
		o.report(Finding{
			Where: "seal", What: "sealing stopped: " + failed,
			Means: "events since then are not sealed, and nothing proves them: see to the cause, then stop and start the program",
		})
	}
}

// isEvent reports whether a position is that of the n-th event.
func (r *run) isEvent(p eventstore.Position, n uint64) bool {
	for p > 0 {
		events := r.Store.Stats().Events
		after, from := r.Store.CountAfter(p), r.Store.CountAfter(p-1)
		if r.Store.Stats().Events == events { // nothing was appended in between
			return from == after+1 && events-after == n
		}
	}
	return false
}

// all judges every known checkpoint.
func (o *origins) all(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(o.Workers)
	judge := func(k known) {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			o.judge(k)
			return nil
		})
	}
	restarts := o.Seal.Restarts()
	if o.pins.published != nil {
		judge(known{where: o.publishedFile(restarts), means: meansPublished, note: o.pins.published, restarts: restarts, own: true, public: true})
	}
	if p := o.pins.latest; p != nil {
		judge(known{where: "pins/latest", means: meansPin, note: p.Note, restarts: p.Restarts, position: p.Position, own: p.Position != 0})
	}
	err := o.Seal.EachPin(o.pins.listBytes, func(line int, p *seal.Pin, err error) error {
		where := fmt.Sprintf("pins/checkpoints, line %d", line)
		if err != nil {
			o.report(Finding{
				Where: where, What: err.Error(), at: uint64(line),
				Means: "the line was changed, or cut when the machine stopped: the checkpoint that it held is not compared with the log. " +
					"Look for it among the witnesses and in other copies, then remove the line",
			})
			return ctx.Err()
		}
		judge(known{where: where, at: uint64(line), means: meansPin, note: p.Note, restarts: p.Restarts, position: p.Position, own: p.Position != 0})
		return ctx.Err()
	})
	if waited := g.Wait(); err == nil {
		err = waited
	}
	if errors.Is(err, seal.ErrListDamaged) {
		o.report(Finding{Where: "pins/checkpoints", What: err.Error(), Means: meansPin})
		return ctx.Err()
	}
	return err
}

// judge checks one checkpoint: signatures, then the root.
func (o *origins) judge(k known) {
	o.mu.Lock()
	o.checked++
	o.mu.Unlock()
	finding := func(means, format string, args ...any) {
		o.report(Finding{Where: k.where, at: k.at, What: fmt.Sprintf(format, args...), Means: means})
	}
	c, n, distrusted, err := o.Seal.VerifySigned(k.restarts, k.note)
	if err != nil {
		finding(k.means, "%v", err)
		return
	}
	if unknown := o.unknownSigners(k, n); unknown != "" {
		finding(k.means, "it bears a signature that no known key made: %s", unknown)
	}
	if k.public {
		o.quorum(n, finding)
		if distrusted {
			finding("it does not count for anybody who knows that: the next event makes a new one", "only a distrusted key signed it")
		}
	}
	if !o.compareRoot(k, c, distrusted, finding) {
		return
	}
	if k.position != 0 && !o.isEvent(k.position, uint64(c.Size)) {
		finding(meansPin, "position %s is not that of event %d", k.position, c.Size)
		return
	}
	if !distrusted && o.tree.isWhole() && k.restarts == o.Seal.Restarts() && (k.public || o.Seal.Policy() == nil) {
		o.remember(k, c, n)
	}
}

// compareRoot compares a checkpoint with the tree of its origin. false ends
// the judgement.
func (o *origins) compareRoot(k known, c tlog.Checkpoint, distrusted bool, finding func(means, format string, args ...any)) bool {
	root, err := o.rootOf(k.restarts, uint64(c.Size))
	switch {
	case errors.Is(err, errBeyond):
		finding(meansShort, "it covers %d events, and %d are sealed", c.Size, o.tree.size)
	case errors.Is(err, errLost):
		o.mu.Lock()
		o.lost++
		o.mu.Unlock()
	case err != nil:
		finding(meansTile, "its root cannot be compared: %v", err)
	case tlog.Hash(root) != c.Root && distrusted && !k.own:
		o.mu.Lock()
		o.distrusted++ // made with a key that was in other hands
		o.mu.Unlock()
	case tlog.Hash(root) != c.Root:
		finding(meansFork, "its root at size %d is not that of the log", c.Size)
	default:
		return true
	}
	return false
}

// remember keeps the newest checkpoint that fits; of one size the published one.
func (o *origins) remember(k known, c tlog.Checkpoint, n *note.Note) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if b := o.best; b != nil && (b.Size > uint64(c.Size) || b.Size == uint64(c.Size) && b.Published) {
		return
	}
	o.best = &Checkpoint{
		Origin: c.Origin, Size: uint64(c.Size), Root: base64.StdEncoding.EncodeToString(c.Root[:]), Published: k.public,
	}
	for _, s := range n.Sigs {
		o.best.Signers = append(o.best.Signers, fmt.Sprintf("%s+%08x", s.Name, s.Hash))
	}
}
