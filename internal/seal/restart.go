package seal

import (
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
	"lethe/internal/durable"
	"lethe/internal/tlog"
)

// baseOf is a name without the restarts in it.
func baseOf(origin string, restarts uint64) string {
	return strings.TrimSuffix(origin, (&state{Restarts: restarts}).origin())
}

// restartsIn is after how many restarts a log has this name.
func (s *state) restartsIn(origin string) (uint64, bool) {
	if origin == s.Base {
		return 0, true
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(origin, s.Base+"/restart-"), 10, 32)
	return n, err == nil && (&state{Base: s.Base, Restarts: n}).origin() == origin
}

// WriteCopy writes the STATE of a copy of a sealed log that is being put in
// place: at is where the seal stood when the copy was taken and newest the
// newest checkpoint that was signed by then, or nil. The first opening of the
// copy begins a new origin, however many events it has: nobody can tell from
// a copy alone what was signed after it.
func WriteCopy(fs vfs.FS, dir string, at Standing, newest []byte) error {
	s := &state{
		Base: baseOf(at.Origin, at.Restarts), Restarts: at.Restarts, Size: at.Size, Position: at.Position, Root: at.Root[:],
		Copied: true, Newest: newest,
	}
	if err := durable.MakeDirs(fs, dir); err != nil {
		return err
	}
	return s.write(fs, dir)
}

// known is what was promised of the log before a restart.
type known struct {
	restarts uint64              // the origin that promised it
	size     uint64              // events
	position eventstore.Position // that was given; 0 = not known
	note     []byte              // the checkpoint of this size; nil = not known
}

// CameBack reports whether a log of this many events, with its seal in dir, is
// seen to have come back from an older copy, so that opening the seal would
// begin a new origin, or has begun one that is not recorded yet. It changes
// nothing. Where the pins are lost, or were put back with the copy, only the
// seal's own files tell.
func CameBack(dir, pinDir string, events uint64) (bool, error) {
	s, err := readState(vfs.Default, dir)
	if err != nil {
		return false, err
	}
	pin, err := readLatest(vfs.Default, pinDir)
	if err != nil {
		return false, err
	}
	switch {
	case s == nil && pin == nil:
		return false, nil
	case s == nil:
		s = &state{Restarts: pin.Restarts}
	}
	begun := s.Restart != nil && !s.Restart.Recorded
	return begun || s.Copied || pin != nil && pin.Restarts > s.Restarts || events < s.known(pin).size, nil
}

// known finds what was promised last: by the pins, or by the state itself.
func (s *state) known(pin *Pin) known {
	k := known{restarts: s.Restarts, size: s.Size, position: s.Position}
	if c, err := tlog.CheckpointOf(s.Newest); err == nil && uint64(c.Size) >= k.size {
		k.size, k.note = uint64(c.Size), s.Newest
	}
	switch {
	case pin == nil || pin.Restarts < s.Restarts:
	case pin.Restarts > s.Restarts:
		k = known{restarts: pin.Restarts, size: uint64(pin.Size), position: max(k.position, pin.Position), note: pin.Note}
	case uint64(pin.Size) >= k.size:
		k.size, k.position, k.note = uint64(pin.Size), max(k.position, pin.Position), pin.Note
	}
	return k
}

// restart begins a new origin when the log is shorter than what is known, or
// a copy.
func (l *Log) restart(pin *Pin) error {
	s, k, events := l.state, l.state.known(pin), l.events()
	if !s.Copied && events >= k.size {
		return nil
	}
	earlier, err := l.pins.restarts()
	if err != nil {
		return err
	}
	r := &Restart{
		Number: k.restarts + 1, Checkpoint: k.note, Position: k.position, Size: k.size,
		Common: common(earlier, s.Restarts, k.restarts, events), Earlier: reached(earlier, k.restarts),
		From: s.Restarts, Left: events,
	}
	if r.Common > r.Size { // only where the seal lagged behind the log that was copied
		r.Size, r.Checkpoint = r.Common, nil
	}
	next := &state{Base: s.Base, Restarts: r.Number, Root: emptyRoot(), Restart: r}
	if err := l.pins.restarted(append(r.Earlier[:len(r.Earlier):len(r.Earlier)], r.Common)); err != nil {
		return err
	}
	for n := range next.Restarts { // the files of former names that are gone say nothing any more
		if err := durable.MakeDirs(l.fs, l.fs.PathJoin(l.opts.Dir, (&state{Restarts: n}).tiles())); err != nil {
			return err
		}
	}
	if err := next.write(l.fs, l.opts.Dir); err != nil {
		return err
	}
	l.log.Error("ALARM: the log may hold fewer events than a checkpoint of it covers: it was restored from an older copy, or cut. "+
		"It goes on under a new origin", "events", events, "known", k.size, "origin", next.origin())
	l.state = next
	return nil
}

// reached gives the earlier restarts as far as number; what is not known is 0.
func reached(earlier []uint64, number uint64) []uint64 {
	out := make([]uint64, number)
	copy(out, earlier)
	return out
}

// common is how many leaves the log has in common with a later or earlier
// origin of it: a log of events leaves that was one of the origin from, and
// another origin to. What is not known of the restarts between is none.
func common(earlier []uint64, from, to, events uint64) uint64 {
	for n := min(from, to); n < max(from, to); n++ {
		if n >= uint64(len(earlier)) {
			return 0
		}
		events = min(events, earlier[n])
	}
	return events
}

// expectCommon makes every known checkpoint of what is left a condition of
// signing: a copy that was altered is not a copy. The log has no more of
// another origin than what that had in common with its own.
func (l *Log) expectCommon(r *Restart) error {
	all, _, err := l.pins.all()
	if err != nil {
		return err
	}
	for i := range all {
		of, ours := l.state.restartsIn(all[i].Origin)
		if ours && all[i].Size > 0 && uint64(all[i].Size) <= common(r.Earlier, r.From, of, r.Left) {
			l.expect = append(l.expect, all[i].Checkpoint)
		}
	}
	return nil
}
