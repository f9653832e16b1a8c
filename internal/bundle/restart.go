package bundle

import (
	"encoding/hex"
	"encoding/json"
	"fmt"

	"lethe/internal/tlog"
)

// restarted is what an event LogRestarted says: the log had come back with
// fewer events than its newest known checkpoint covers, and went on under
// another name.
type restarted struct {
	Number uint64 `json:"number"`
	Size   int64  `json:"size"`   // of that checkpoint
	Root   string `json:"root"`   // its root, in hex
	Common int64  `json:"common"` // events that were left
	event  *event
}

// restarts lists what the proven events say of restarts.
func (c *content) restarts() []restarted {
	var out []restarted
	for i := range c.events {
		e := &c.events[i]
		r := restarted{event: e}
		if e.leaf.Stream == streamOperations && e.leaf.Type == "LogRestarted" && json.Unmarshal(e.Facts, &r) == nil {
			out = append(out, r)
		}
	}
	return out
}

// otherName notes what a checkpoint of another name says of the tree: that an
// event of it names it, or nothing.
func otherName(tr tree, other tlog.Checkpoint, r *Report) {
	if how, linked := links(tr.restarts, other); linked {
		r.close(CheckNewer, "%s", how)
		return
	}
	r.undone(CheckNewer, "it is of the log %q, this tree of %q: they are of two logs and cannot be compared. If one is the later name of the other, "+
		"a bundle of the later one holds the event LogRestarted that names the earlier checkpoint", other.Origin, tr.cp.Origin)
}

// links reports whether a checkpoint of another name is one that this log says
// it goes on from, and in which words.
func links(restarts []restarted, other tlog.Checkpoint) (string, bool) {
	for _, r := range restarts {
		if r.Size == other.Size && r.Root == hex.EncodeToString(other.Root[:]) {
			return fmt.Sprintf("it is of the log's earlier name %s, which event %s names: the log came back with %d of its %s and goes on "+
				"from there; what lay beyond is lost. That the %d are the same is for who has the earlier log's tiles to compare",
				other.Origin, r.event.leaf.EventID, r.Common, number(int(r.Size), "event", "events"), r.Common), true
		}
	}
	return "", false
}
