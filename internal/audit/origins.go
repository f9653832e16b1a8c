package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"lethe/domain/operations"
	"lethe/eventstore"
	"lethe/internal/tlog"
)

// Why a root is not known.
var (
	errBeyond = errors.New("it is larger than the log")
	errLost   = errors.New("what it covers was lost before")
)

// rootOf is the root that the log had after some restarts, at a size.
func (o *origins) rootOf(restarts, size uint64) (node, error) {
	if restarts == o.Seal.Restarts() {
		if size > o.tree.size {
			return node{}, errBeyond
		}
		return o.tree.rootAt(size)
	}
	if size <= min(o.common[restarts], o.tree.size) {
		return o.tree.rootAt(size)
	}
	if old := o.old[restarts]; old != nil && size <= old.size {
		return old.rootAt(size)
	}
	return node{}, errLost
}

// earlier checks what was published under earlier names of the log: each
// tree by itself, and that the present one begins with what they share.
func (o *origins) earlier(ctx context.Context) error {
	if o.Seal.Restarts() == 0 {
		return nil
	}
	if err := o.findCommon(ctx); err != nil {
		return err
	}
	for n := range o.Seal.Restarts() {
		if err := o.earlierTree(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// findCommon learns from the restarts that were recorded how many leaves each
// earlier origin has in common with the present one.
func (o *origins) findCommon(ctx context.Context) error {
	recorded := map[uint64]uint64{}
	for rec, err := range o.Store.ReadStream(ctx, operations.Stream, eventstore.StreamRange{}) {
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			break // the store says why
		}
		if rec.Type != (&operations.LogRestarted{}).EventType().Name {
			continue
		}
		e, err := o.Decoder.Decode(rec)
		if err != nil {
			break // as the events step says
		}
		if restarted, ok := e.Event.(*operations.LogRestarted); ok {
			recorded[restarted.Number] = restarted.Common
		}
	}
	common := o.tree.size
	for n := o.Seal.Restarts(); n > 0; n-- {
		of, ok := recorded[n]
		if !ok {
			o.report(Finding{
				Where: "log, stream " + operations.Stream, What: fmt.Sprintf("restart %d of the log is not recorded", n),
				Means: "what is lost of the history before it cannot be told: compare with the checkpoints that were signed before",
			})
		}
		common = min(common, of)
		o.common[n-1] = common
	}
	return nil
}

const meansEarlier = "what was published under the log's earlier name cannot be checked here any more: put the directory back from a mirror or a backup"

func (o *origins) earlierTree(ctx context.Context, n uint64) error {
	dir, label := o.Seal.DirOf(n), fmt.Sprintf("seal/log-%d", n)
	if _, err := os.Stat(dir); err != nil {
		o.report(Finding{Where: label, What: whyOf(err), Means: meansEarlier})
		return nil
	}
	if err := o.Seal.CheckKeyList(n); err != nil && !errors.Is(err, fs.ErrNotExist) {
		o.report(Finding{Where: label + "/log-keys", What: err.Error(), Means: meansEarlier})
	}
	var signed []byte
	err := readInto(filepath.Join(dir, "checkpoint"), tlog.MaxNote, &signed)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was published under that name
	}
	var c tlog.Checkpoint
	if err == nil {
		c, _, _, err = o.Seal.VerifySigned(n, signed)
	}
	if err != nil {
		o.report(Finding{Where: label + "/checkpoint", What: err.Error(), Means: meansEarlier})
		return nil
	}
	t := newTree(dir, label, uint64(c.Size))
	if err := o.wholeTree(ctx, t); err != nil {
		return err
	}
	o.old[n] = t
	o.judge(known{where: label + "/checkpoint", means: meansEarlier, note: signed, restarts: n, own: false})
	o.share(n, t)
	return nil
}

// wholeTree checks a tree by its own files: entries, hashes, tiles above.
func (o *origins) wholeTree(ctx context.Context, t *tree) error {
	const unit = tileWidth
	tiles := tilesAt(t.size, 0)
	err := o.each(ctx, (tiles+unit-1)/unit, func(ctx context.Context, i uint64) error {
		var below, other []byte
		for n := i * unit; n < min((i+1)*unit, tiles); n++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := t.tile(0, n, &below); err != nil {
				t.unread(0, n, err, o.report)
				t.fix(0, n, 0, nil)
				continue
			}
			t.checkEntries(n, &below, &other, o.report)
			if n < t.size/tileWidth {
				t.compareUp(0, n, &below, &other, o.report)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := t.upper(ctx, o.report); err != nil {
		return err
	}
	return t.partials(ctx, o.report)
}

// share compares an earlier tree with the present one where both have leaves.
func (o *origins) share(n uint64, t *tree) {
	size := min(o.common[n], t.size, o.tree.size)
	old, err := t.rootAt(size)
	now, err2 := o.tree.rootAt(size)
	if err != nil || err2 != nil {
		return // what is wrong with the files was reported
	}
	if old != now {
		o.report(Finding{
			Where: t.label, What: fmt.Sprintf("its first %d leaves are not those of the present log", size),
			Means: meansFork,
		})
	}
}

// notes says what is no finding.
func (o *origins) notes(s *Step) {
	if n := o.Seal.Restarts(); n > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("the log came back shorter than a checkpoint of it %d time(s) and goes on as %s; "+
			"it has its first %d events in common with what was signed before", n, o.Seal.Origin(), o.common[n-1]))
	}
	if o.lost > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("%d checkpoint(s) cover events that were lost then, and cannot be compared", o.lost))
	}
	if o.distrusted > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("%d checkpoint(s) by a distrusted key contradict the log and do not count", o.distrusted))
	}
	at := o.Seal.Status()
	if at.Waiting > at.Bound {
		s.Notes = append(s.Notes, fmt.Sprintf("events wait longer than %g s for their checkpoint", at.Bound))
	}
	if o.Seal.Policy() != nil && at.Published < at.Size {
		s.Notes = append(s.Notes, fmt.Sprintf("checkpoint %d is signed and not published: it waits for the witnesses' cosignatures", at.Size))
	}
	if o.Seal.Policy() == nil {
		s.Notes = append(s.Notes, "no witness policy is configured: nobody but the log itself vouches for its checkpoints")
	}
}
