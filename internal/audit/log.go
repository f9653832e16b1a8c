package audit

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/internal/seal"
)

// logStep reads the whole log and compares it with the sealed tree.
type logStep struct {
	*run
	report   func(Finding)
	tree     *tree
	drops    drops
	compared atomic.Uint64
	free     sync.Pool // of *leafCheck

	mu   sync.Mutex
	open map[string]*leafCheck // sections under way
	seen map[uint64]bool       // sections that were begun, by their first event
}

// log is the first step, on which the others rest: the segments' checksums
// and structure, each event's leaf against tiles and entries, every tile
// above them, and the index of leaves. With the store step it also compares
// the store's index, since the log is read once for both.
func (r *run) log(ctx context.Context, s *Step) error {
	l := &logStep{run: r, report: r.reporter(StepLog), open: map[string]*leafCheck{}, seen: map[uint64]bool{}}
	if err := l.begin(ctx); err != nil {
		return err
	}
	sections := r.Store.Sections()
	if err := l.read(ctx); err != nil {
		return err
	}
	l.account(sections)
	l.drops.compare(s, l.report)
	s.Checked, s.Seconds = r.total, -l.indexing.Seconds()
	if err := r.tree.upper(ctx, l.report); err != nil {
		return err
	}
	if err := r.tree.partials(ctx, l.report); err != nil {
		return err
	}
	return l.index(ctx)
}

// patience is how long sealing may take to reach what the log holds at the
// beginning, beyond what was signed already.
const patience = 5 * time.Second

// settle waits for what was signed before to be sealed again, where the
// seal's files are being made anew, and a moment for what was appended since.
func (l *logStep) settle(ctx context.Context) error {
	now := l.Store.Stats()
	signed := min(l.pins.largest(l.Seal), now.Events)
	over := time.NewTimer(patience)
	defer over.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	waited := false
	for {
		at, indexed := l.Seal.Status(), l.Seal.Indexed()
		if at.Failed != "" || indexed >= now.Events && at.Position >= now.Head || waited && indexed >= signed {
			return nil
		}
		select {
		case <-tick.C:
		case <-over.C:
			waited = true
		case <-ctx.Done():
			return ctx.Err()
		}
		if indexed < signed {
			l.progress(StepLog, 0, now.Events)
		}
	}
}

// begin takes the marks of what is compared: first what is known of the tree,
// then the state, which never lies before it unless sealing failed.
func (l *logStep) begin(ctx context.Context) error {
	var err error
	if l.pins, err = l.readPinned(); err != nil {
		return err
	}
	if err := l.settle(ctx); err != nil {
		return err
	}
	at, err := l.Seal.Standing()
	if err != nil {
		l.reporter(StepCheckpoints)(Finding{
			Where: "seal/STATE", What: err.Error(),
			Means: "the next start refuses to open: remove the file, and the start makes the seal's files again from the log and compares them with those that are there",
		})
		l.pins.stateless = true
	}
	l.pins.standing = at
	size := max(at.Size, min(l.pins.largest(l.Seal), l.Store.Stats().Events))
	l.tree = newTree(l.Seal.DirOf(l.Seal.Restarts()), fmt.Sprintf("seal/log-%d", l.Seal.Restarts()), size)
	l.run.tree = l.tree
	return nil
}

// read goes through every section.
func (l *logStep) read(ctx context.Context) error {
	full := !l.req.LogOnly
	read := l.Now()
	err := l.Store.Check(ctx, segment.CheckOptions{
		Sections: true, Streams: full, Files: full, Workers: l.Workers, Visit: l.visit, Checked: l.checked,
		Progress: func(p segment.CheckProgress) {
			read = l.Now()
			l.progress(StepLog, p.Done, p.Total)
		},
	}, l.fault)
	l.indexing = l.Now().Sub(read) // what came after the last section
	return err
}

func (l *logStep) visit(sec eventstore.Section) func(*eventstore.Recorded) error {
	c, _ := l.free.Get().(*leafCheck)
	if c == nil {
		c = &leafCheck{l: l}
	}
	c.begin(sec)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[sec.Name], l.seen[sec.First] = c, true
	l.total = max(l.total, sec.First-1+sec.Count)
	return c.event
}

// checked notes a section that was read to its end.
func (l *logStep) checked(sec eventstore.Section, faults int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if faults > 0 {
		l.damaged[sec.Name] = struct{}{}
	}
	c := l.open[sec.Name]
	if c == nil || c.next < c.end || len(c.hashes) > 0 {
		return // account finishes it
	}
	delete(l.open, sec.Name)
	l.drops.take(&c.gone, faults == 0)
	if l.req.Known != nil && sec.Full && faults == 0 && c.whole && c.end <= l.tree.size && sec.Count > 0 {
		l.digests[sec.Name] = Unit{Section: sec.Name, First: sec.First, Count: sec.Count, Digest: c.digest.Sum(nil)}
	}
	l.free.Put(c)
}

// account finishes what damage has cut short, so that no leaf is passed over.
func (l *logStep) account(sections []eventstore.Section) {
	for _, c := range l.open {
		c.finish()
		l.drops.take(&c.gone, false)
	}
	for _, sec := range sections {
		if !l.seen[sec.First] {
			l.tree.doubt(sec.First-1, sec.First-1+sec.Count)
		}
	}
	if l.compared.Load() < l.tree.size {
		l.tree.breakUp()
	}
	if l.total < l.tree.size {
		l.report(Finding{
			Where: "log", What: fmt.Sprintf("it has %d events, and %d were sealed", l.total, l.tree.size),
			Means: "events were lost: stop, and restore the newest backup",
		})
		l.tree.doubt(l.total, l.tree.size)
	}
}

// fault sorts what the store finds: its segments are the log, the rest of it
// belongs to the store step.
func (l *logStep) fault(f eventstore.Fault) {
	if !strings.HasSuffix(f.File, ".seg") || strings.HasPrefix(f.What, "MANIFEST") {
		l.faults = append(l.faults, f)
		return
	}
	l.report(ofStore(f))
}

func ofStore(f eventstore.Fault) Finding {
	where := logFile(f.File)
	if f.Offset > 0 {
		where = fmt.Sprintf("%s, offset %d", where, f.Offset)
	}
	return Finding{Where: where, What: f.What, Means: f.Means, Mended: f.Mended, at: uint64(f.Offset)}
}

// indexOf is the leaf of the event at a position: how many come before it.
func (l *logStep) indexOf(at eventstore.Position) uint64 {
	for {
		before := l.Store.Stats().Events
		after := l.Store.CountAfter(at)
		if l.Store.Stats().Events == before { // nothing was appended in between
			return before - after - 1
		}
	}
}

// index compares the index of leaves with the entries, where those fit.
func (l *logStep) index(ctx context.Context) error {
	runs := min(l.Seal.IndexRuns(), l.tree.size/seal.RunLeaves)
	const means = "proofs of these events are refused or not found, by their IDs; no event is concerned. " +
		"Stop, remove the file, and start: it is made again from the entries"
	err := l.each(ctx, runs, func(ctx context.Context, n uint64) error {
		if l.tree.isSpoiled(n*seal.RunLeaves, (n+1)*seal.RunLeaves) {
			return nil // the entries that it leads to are wrong, and were reported
		}
		if err := l.Seal.CheckIndexRun(ctx, n); err != nil && ctx.Err() == nil {
			l.report(Finding{Where: "seal/" + l.Seal.IndexRunName(n), What: err.Error(), Means: means, at: n})
		}
		return nil
	})
	if err != nil || l.Seal.Status().Failed != "" || l.tree.isSpoiled(l.tree.size/seal.RunLeaves*seal.RunLeaves, l.tree.size) {
		return err
	}
	leaf, wrong, err := l.Seal.CheckIndexTail(ctx, l.tree.size)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		l.report(Finding{Where: "seal", What: "the newest entries cannot be read: " + err.Error(), Means: meansTile})
	case wrong:
		l.report(Finding{
			Where: "seal", What: fmt.Sprintf("leaf %d is not found by its event's ID", leaf),
			Means: "the index of leaves in memory is not that of the entries: start the program again",
		})
	}
	return nil
}
