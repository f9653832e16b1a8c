package segment

import (
	"slices"
	"sort"
	"sync"

	"lethe/eventstore"
)

// maxTails bounds how many streams' ends are remembered; the others' are read
// from the index when they are written again.
const maxTails = 1 << 17

// tail is the end of one stream.
type tail struct {
	stream string
	// next is the revision of the stream's next event, with those of the group
	// under way counted. The committer's alone.
	next uint64
	// touched is the number of the last group that wrote to the stream. The
	// committer's alone.
	touched uint64
	// runs are durable but not in the index yet, rising. Guarded by tails.mu.
	runs []run
	// length and batch are the indexer's notes.
	length uint64
	batch  uint64
}

// tails joins the committer, which appends to streams, with readers, which
// must see what was acknowledged before the index has it, and the indexer.
type tails struct {
	mu sync.RWMutex
	m  map[string]*tail // changed by the committer alone, under mu
}

func newTails() *tails { return &tails{m: make(map[string]*tail)} }

// get needs no lock: only the committer calls it, and only it changes the map.
func (t *tails) get(stream string) *tail { return t.m[stream] }

func (t *tails) put(stream string, next uint64) *tail {
	tl := &tail{stream: stream, next: next}
	t.mu.Lock()
	t.m[stream] = tl
	t.mu.Unlock()
	return tl
}

// publish makes a durable group's runs readable.
func (t *tails) publish(entries []indexEntry) {
	t.mu.Lock()
	for i := range entries {
		e := &entries[i]
		e.tail.runs = append(e.tail.runs, e.run)
	}
	t.mu.Unlock()
}

// indexed takes away runs that readers now find in the index, some at a time:
// the committer and the readers want the lock too.
func (t *tails) indexed(entries []indexEntry) {
	for chunk := range slices.Chunk(entries, 1024) {
		t.mu.Lock()
		for i := range chunk {
			tl := chunk[i].tail
			if len(tl.runs) == 1 {
				tl.runs = tl.runs[:0]
			} else {
				tl.runs = tl.runs[1:]
			}
		}
		t.mu.Unlock()
	}
}

// trim forgets some of the streams that the index has in full. The committer
// calls it between groups.
func (t *tails) trim(limit int) {
	if len(t.m) <= limit {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	excess := len(t.m) - limit + limit/8
	for stream, tl := range t.m {
		if excess == 0 {
			return
		}
		if len(tl.runs) == 0 {
			delete(t.m, stream)
			excess--
		}
	}
}

// pending appends at most limit runs of the stream that the index may not have
// yet, in direction, beginning with the one that holds from. floor is the
// first revision among all of them; ok is false when there are none.
func (t *tails) pending(out []run, stream string, from uint64, dir eventstore.Direction, limit int) (_ []run, floor uint64, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	tl := t.m[stream]
	if tl == nil || len(tl.runs) == 0 {
		return out, 0, false
	}
	runs := tl.runs
	floor = runs[0].revision
	if from < floor {
		return out, floor, true
	}
	at := sort.Search(len(runs), func(i int) bool { return runs[i].revision > from }) - 1
	for ; limit > 0 && at >= 0 && at < len(runs); limit-- {
		out = append(out, runs[at])
		if dir == eventstore.Forward {
			at++
		} else {
			at--
		}
	}
	return out, floor, true
}
