package keyring

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// placeFile is what lies in one of the directories that were named as places.
type placeFile struct {
	dir  string
	form *epochForm // nil: no file, or none that can be used
	err  error      // why not; nil with no form: there is no file
	// pending: the file is of a creation that no key store has confirmed.
	pending bool
}

// reachable reports whether something can be written there.
func (f *placeFile) reachable() bool { return f.err == nil || errors.Is(f.err, errDamaged) }

// epochDirs are the directories of all places, each once.
func (o *Options) epochDirs() ([]string, error) {
	var dirs []string
	for _, dir := range append([]string{o.EpochDir}, o.EpochReplicas...) {
		abs, err := filepath.Abs(dir)
		if err != nil || dir == "" {
			return nil, fmt.Errorf("naming a place of epoch keys: %q is no directory", dir)
		}
		if slices.Contains(dirs, abs) {
			return nil, fmt.Errorf("%s is named twice as a place of epoch keys: a second place is another directory, on another disk", abs)
		}
		dirs = append(dirs, abs)
	}
	return dirs, nil
}

// readPlaces reads the files of all places. The error is for what nothing may
// go on with: a file of a newer program, or of another key store.
func (k *Keyring) readPlaces() ([]placeFile, error) {
	dirs, err := k.opts.epochDirs()
	if err != nil {
		return nil, err
	}
	files := make([]placeFile, len(dirs))
	var store *hexID
	for i, dir := range dirs {
		files[i] = readPlace(dir)
		if errors.Is(files[i].err, ErrNewer) {
			return nil, fmt.Errorf("%s: %w", dir, ErrNewer)
		}
		form := files[i].form
		if form == nil {
			continue
		}
		if store != nil && *store != form.Store {
			return nil, fmt.Errorf("the epoch keys in %s belong to another key store than those in %s: name the right directory", dir, dirs[0])
		}
		store = &form.Store
	}
	return files, nil
}

func readPlace(dir string) placeFile {
	f := placeFile{dir: dir}
	f.form, f.err = readEpochFile(filepath.Join(dir, epochFile))
	if errors.Is(f.err, fs.ErrNotExist) {
		f.form, f.err = readEpochFile(filepath.Join(dir, epochPending))
		f.pending = !errors.Is(f.err, fs.ErrNotExist)
	}
	if errors.Is(f.err, fs.ErrNotExist) {
		f.err = nil
	}
	return f
}

// readEpochFile reads once more what looks damaged: another process may have
// replaced the file, and overwritten the old one, while it was read.
func readEpochFile(path string) (form *epochForm, err error) {
	for range 3 {
		var b []byte
		if b, err = readBounded(path); err != nil {
			return nil, fmt.Errorf("reading epoch keys: %w", err)
		}
		if form, err = parseEpochs(b); err == nil {
			return form, nil
		}
	}
	return nil, fmt.Errorf("%s %w", path, err)
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // a file of ours
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	return io.ReadAll(io.LimitReader(f, maxEpochFile))
}

// anySequence is what no state has.
const anySequence = ^epochSequence(0)

// chosen is the file to go on with. The one that the key store was last used
// with counts, or one that follows it: a change that a crash cut, which is
// finished. Without either the key store is another copy of itself, and the
// newest file counts. nil: there is none.
func chosen(files []placeFile, committed epochSequence) *epochForm {
	var newest, same, following *epochForm
	for _, f := range files {
		switch form := f.form; {
		case form == nil:
		case form.Previous == committed:
			following = form
		case form.Sequence == committed:
			same = form
		case newest == nil || form.Sequence.counter() > newest.Sequence.counter():
			newest = form
		}
	}
	switch {
	case following != nil:
		return following
	case same != nil:
		return same
	}
	return newest
}

// locating finds each file's place in a state: the one whose ID it has, a new
// one otherwise. Where the state must change for that, change is called first,
// which makes it the next one.
//
// A directory that a place lay in and that is empty is left alone: its disk may
// only not be mounted, and what is written below the mount point lies on a disk
// of which backups are made. Only when there is no other place left are the
// keys written there, from this process's memory.
type locating struct {
	k      *Keyring
	e      *epochs
	here   map[PlaceID]bool // what lies somewhere
	seen   map[PlaceID]bool // what was found already
	ids    []PlaceID        // of files, zero: nothing is written there
	anew   bool             // write where a place was lost
	change func() error
}

func (l *locating) all(files []placeFile) error {
	for _, f := range files {
		if f.form != nil {
			l.here[f.form.Place] = true
		}
	}
	l.anew = !slices.ContainsFunc(files, func(f placeFile) bool { return f.reachable() && !l.lost(&f) })
	for i := range files {
		id, err := l.one(&files[i])
		if err != nil {
			return err
		}
		l.ids = append(l.ids, id)
		l.seen[id] = true
	}
	return nil
}

// lost reports whether a place lay in a directory that has nothing now.
func (l *locating) lost(f *placeFile) bool {
	return f.form == nil && f.err == nil && l.lostAt(f.dir) != nil
}

func (l *locating) one(f *placeFile) (id PlaceID, err error) {
	switch {
	case !f.reachable():
		l.k.tell(f.dir, "a place of epoch keys cannot be reached, and keys do not lie there: "+f.err.Error())
		return PlaceID{}, nil
	case l.lost(f) && !l.anew: // tellMissing tells of it
		return PlaceID{}, nil
	case f.form != nil && !l.seen[f.form.Place]:
		id = f.form.Place
		if p := l.e.place(id); p != nil && p.dir == f.dir && p.forgotten.IsZero() {
			return id, nil
		}
	case f.form == nil && f.err != nil: // damaged: what lies there is that place's
		for _, p := range l.e.places {
			if p.dir == f.dir && !l.here[p.id] && p.forgotten.IsZero() {
				return p.id, nil
			}
		}
	}
	if err := l.change(); err != nil {
		return id, err
	}
	now := l.k.now()
	if p := l.e.place(id); id != (PlaceID{}) && p != nil {
		if !p.forgotten.IsZero() {
			l.e.remembered(p)
			l.k.opts.Report("the epoch keys in " + f.dir + " were declared to exist no more, and are there: their retired keys are deleted now")
		}
		p.dir = f.dir
		return id, nil
	}
	if id == (PlaceID{}) {
		if _, err := io.ReadFull(l.k.opts.Rand, id[:]); err != nil {
			return id, fmt.Errorf("drawing an ID: %w", err)
		}
	}
	if old := l.lostAt(f.dir); old != nil {
		l.k.opts.Report("the epoch keys in " + f.dir + " were gone at every place and were written there anew from memory. While what lay there may come " +
			"back, retired keys do not count as destroyed; when it was destroyed, say so: lethe keys place forget " + old.id.String())
	}
	l.e.places = append(l.e.places, epochPlace{id: id, dir: f.dir, added: now})
	return id, nil
}

// lostAt is the place that lay in a directory and does not any more.
func (l *locating) lostAt(dir string) *epochPlace {
	for i := range l.e.places {
		if p := &l.e.places[i]; p.dir == dir && !l.here[p.id] && p.forgotten.IsZero() {
			return p
		}
	}
	return nil
}

// remembered takes a declaration back: the place exists.
func (e *epochs) remembered(p *epochPlace) {
	for i := range e.gone {
		for j := range e.gone[i].copies {
			if c := &e.gone[i].copies[j]; c.place == p.id && c.at.Equal(p.forgotten) {
				c.at = time.Time{}
			}
		}
	}
	p.forgotten = time.Time{}
}

// confirm notes which places hold a state without the keys that were retired
// before.
func (e *epochs) confirm(held map[PlaceID]epochSequence, now time.Time) {
	for i := range e.gone {
		g := &e.gone[i]
		for j := range g.copies {
			c := &g.copies[j]
			if s, ok := held[c.place]; ok && c.at.IsZero() && s.counter() >= g.removed.counter() {
				c.at = now
			}
		}
	}
}

// write writes a state to one place, durably.
func (e *epochs) write(dir, name string, at PlaceID) error {
	content, err := e.encode(at)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making a place for epoch keys: %w", err)
	}
	if err := writeFile(filepath.Join(dir, name), content); err != nil || name == epochPending {
		return err
	}
	if err := os.Remove(filepath.Join(dir, epochPending)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing pending epoch keys: %w", err)
	}
	return nil
}
