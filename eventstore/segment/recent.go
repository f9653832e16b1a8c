package segment

import "lethe/eventstore"

// recentIDs remembers where the last event IDs were appended, so that a
// repeated append that expects no revision is recognised. Two generations of
// half the bound: forgetting costs nothing. The committer's alone.
type recentIDs struct {
	half      int
	cur, prev map[eventstore.EventID]place
}

type place struct {
	stream   string
	revision uint64
	position eventstore.Position
	recorded int64
}

func newRecentIDs(limit int) *recentIDs {
	return &recentIDs{half: max(limit/2, 1), cur: make(map[eventstore.EventID]place), prev: nil}
}

func (r *recentIDs) add(id eventstore.EventID, p place) {
	if len(r.cur) >= r.half {
		old := r.prev
		clear(old)
		if old == nil {
			old = make(map[eventstore.EventID]place, r.half)
		}
		r.prev, r.cur = r.cur, old
	}
	r.cur[id] = p
}

func (r *recentIDs) get(id eventstore.EventID) (place, bool) {
	p, ok := r.cur[id]
	if !ok {
		p, ok = r.prev[id]
	}
	return p, ok
}

func (r *recentIDs) remove(id eventstore.EventID) {
	delete(r.cur, id)
	delete(r.prev, id)
}
