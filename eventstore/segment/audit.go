package segment

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"lethe/eventstore"
)

// CheckOptions says what a Check looks at.
type CheckOptions struct {
	// Sections: every group and record of the log, the tables of offsets, and
	// that the space behind the groups is zero.
	Sections bool
	// Streams: that the index leads to every event by its stream and revision,
	// and to nothing else. It needs every section read, also those that Skip
	// names.
	Streams bool
	// Files: FORMAT, MANIFEST, and that nothing else lies in the directory.
	Files bool

	// Workers is how many sections are read at a time; 1 when 0.
	Workers int
	// Skip says which sections an earlier run found clean. May be nil.
	Skip func(eventstore.Section) bool
	// Visit is called for a section before it is read and gives what takes its
	// events, in order; nil for one whose events nobody wants. Sections are
	// visited by several goroutines at once. An error ends the Check. A visitor
	// finds events missing by their positions. May be nil.
	Visit func(eventstore.Section) func(*eventstore.Recorded) error
	// Checked is told of each section that was read to its end, and how many
	// faults were found in it. One call at a time. May be nil.
	Checked func(s eventstore.Section, faults int)
	// Progress is told now and then, one call at a time. May be nil.
	Progress func(CheckProgress)
}

// CheckProgress is how far a part has come, in events. The index, which is
// compared after the last section, is not counted.
type CheckProgress struct {
	Part  string // "sections"
	Done  uint64
	Total uint64
}

// Check reads what the options name from the disk, and compares all that it
// claims of itself. It reports each fault and goes on behind it where it can.
// Reports come one at a time. What is appended meanwhile is not checked.
//
// Memory is bounded by the workers (about 10 MB each), not by the log. The
// error says why the check is not complete: the context's, a visitor's,
// eventstore.ErrClosed or ErrFatal; faults are none.
func (s *Store) Check(ctx context.Context, o CheckOptions, report func(eventstore.Fault)) error {
	if err := s.readable(ctx, true); err != nil {
		return err
	}
	if err := s.failed(); err != nil {
		return err
	}
	a := &audit{st: s, o: o, report: report, limit: s.ordinal.Load(), seed: maphash.MakeSeed()}
	if o.Files {
		if err := a.files(); err != nil {
			return err
		}
	}
	if !o.Sections && !o.Streams {
		return nil
	}
	var x *indexView
	if o.Streams && s.opts.ReadOnly {
		if x = a.diskIndex(); x != nil {
			defer x.close()
		}
	}
	if err := a.sections(ctx); err != nil || !o.Streams {
		return err
	}
	return a.streams(ctx, x)
}

// Verify is Check of everything, as far as the first fault, which it gives as a
// *eventstore.CorruptError.
func (s *Store) Verify(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var first *eventstore.CorruptError
	err := s.Check(ctx, CheckOptions{Sections: true, Streams: true, Files: true}, func(f eventstore.Fault) {
		if first == nil {
			first = &eventstore.CorruptError{File: f.File, Offset: f.Offset, What: f.What}
			stop()
		}
	})
	if first != nil {
		return first
	}
	return err
}

// audit is one Check under way.
type audit struct {
	st     *Store
	o      CheckOptions
	report func(eventstore.Fault)
	limit  uint64 // ordinal up to which the index is compared with the log
	seed   maphash.Seed

	mu    sync.Mutex // one report at a time; guards what follows
	done  uint64
	total uint64

	log multiset // of the log's events up to limit
}

// multiset is the sum of the hashes of its elements, whatever their order: two
// that are equal had the same elements, but for one chance in 2^64. So a log
// and its index are compared without either in memory. The seed is new with
// every Check: nobody can make up elements that cancel each other out.
type multiset struct{ count, sum uint64 }

func (m *multiset) add(o multiset) {
	m.count += o.count
	m.sum += o.sum
}

// hasher hashes what a stream has at a place.
type hasher struct {
	seed maphash.Seed
	buf  []byte
}

func one[S string | []byte](h *hasher, stream S, at, value uint64) multiset {
	h.buf = le.AppendUint64(le.AppendUint64(h.buf[:0], at), value)
	h.buf = append(h.buf, stream...)
	return multiset{count: 1, sum: maphash.Bytes(h.seed, h.buf)}
}

func (a *audit) fault(f eventstore.Fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.report(f)
}

// faultOf describes an error: a corruption as such, anything else as a file
// that cannot be read.
func faultOf(err error, file string, off int64, means string) eventstore.Fault {
	var c *eventstore.CorruptError
	if errors.As(err, &c) {
		return eventstore.Fault{File: c.File, Offset: c.Offset, What: c.What, Means: means}
	}
	return eventstore.Fault{File: file, Offset: off, What: "it cannot be read: " + err.Error(), Means: means}
}

// sections reads them with the workers that were asked for.
func (a *audit) sections(ctx context.Context) error {
	todo := a.todo()
	a.progress("sections", 0)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, max(a.o.Workers, 1))
	for i := range errs {
		wg.Go(func() {
			for errs[i] == nil {
				n := int(next.Add(1)) - 1
				if n >= len(todo) {
					return
				}
				errs[i] = a.section(ctx, todo[n])
				todo[n].seg.release()
			}
			stop()
		})
	}
	wg.Wait()
	for n := int(next.Load()); n < len(todo); n++ {
		todo[n].seg.release()
	}
	return firstCause(errs)
}

// heldSection is one that is to be read, of a file that is held meanwhile.
type heldSection struct {
	eventstore.Section
	seg *segmentFile
}

// todo lists the sections to read. They are held, so that no Drop takes them
// away.
func (a *audit) todo() (todo []heldSection) {
	for _, seg := range a.st.holdAll() {
		sec := seg.section()
		if !a.o.Streams && a.o.Skip != nil && a.o.Skip(sec) {
			seg.release()
			continue
		}
		todo = append(todo, heldSection{sec, seg})
		a.total += sec.Count
	}
	return todo
}

// firstCause prefers the error that made the other workers stop.
func firstCause(errs []error) error {
	var first error
	for _, err := range errs {
		if first == nil || errors.Is(first, context.Canceled) && err != nil {
			first = err
		}
	}
	return first
}

// progress counts what was done since the last call.
func (a *audit) progress(part string, done uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done += done
	if a.o.Progress != nil {
		a.o.Progress(CheckProgress{Part: part, Done: a.done, Total: a.total})
	}
}
