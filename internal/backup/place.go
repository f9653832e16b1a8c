package backup

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/internal/durable"
)

const (
	lockName      = "LOCK"
	partialSuffix = ".partial"
)

// ErrBusy: somebody else is making a backup in the place.
var ErrBusy = errors.New("another backup is being made there")

// Entry is one backup of a place, or what is wrong with it.
type Entry struct {
	Place    string
	Dir      string
	Manifest *Manifest // nil when it cannot be read
	Err      error
	Dead     time.Time // since when the epoch keys of a backup of keys are gone; zero: they are not, or nobody knows
}

// Name is that of the backup's directory.
func (e *Entry) Name() string { return vfs.Default.PathBase(e.Dir) }

// List shows the complete backups of a place, the oldest first. One that is
// under way or was stopped is none. A place that is not there has none.
func List(fs vfs.FS, place string) ([]Entry, error) {
	names, err := fs.List(place)
	if durable.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the backups in %s: %w", place, err)
	}
	slices.Sort(names)
	var out []Entry
	for _, name := range names {
		if _, err := time.Parse(nameLayout, name); err != nil {
			continue
		}
		e := Entry{Place: place, Dir: fs.PathJoin(place, name)}
		if e.Manifest, e.Err = ReadManifest(fs, e.Dir); e.Err == nil && e.Manifest.Name != name {
			e.Manifest, e.Err = nil, fmt.Errorf("reading the backup in %s: %w: its MANIFEST is of another one", e.Dir, durable.ErrDamaged)
		}
		out = append(out, e)
	}
	return out, nil
}

// Find gives the directory of a backup: dir itself when it is one, else the
// newest in the place dir. It must be of the kind; "" takes any. Errors:
// ErrNoBackup, durable.ErrDamaged.
func Find(fs vfs.FS, dir string, kind Kind) (string, *Manifest, error) {
	m, err := ReadManifest(fs, dir)
	if errors.Is(err, ErrNoBackup) {
		all, lerr := List(fs, dir)
		switch n := len(all); {
		case lerr != nil:
			return "", nil, lerr
		case n > 0 && all[n-1].Err != nil:
			return "", nil, fmt.Errorf("%w: to take an older one, name its own directory", all[n-1].Err)
		case n > 0:
			dir, m, err = all[n-1].Dir, all[n-1].Manifest, nil
		}
	}
	if err != nil {
		return "", nil, err
	}
	if kind != "" && m.Kind != kind {
		return "", nil, fmt.Errorf("the backup in %s is of the %s, and one of the %s is needed", dir, m.Kind, kind)
	}
	return dir, m, nil
}

// place is a directory of backups that is locked for making one.
type place struct {
	fs   vfs.FS
	dir  string
	lock io.Closer
	last *Entry   // the newest that can be read; nil = none
	left []string // directories of what was stopped
}

func openPlace(fs vfs.FS, dir string, kind Kind) (_ *place, err error) {
	if err := durable.MakeDirs(fs, dir); err != nil {
		return nil, fmt.Errorf("making the place for backups: %w", err)
	}
	p := &place{fs: fs, dir: dir}
	if p.lock, err = fs.Lock(fs.PathJoin(dir, lockName)); err != nil {
		if file := (*iofs.PathError)(nil); errors.As(err, &file) {
			return nil, fmt.Errorf("locking the place for backups: %w", err)
		}
		return nil, fmt.Errorf("%w: wait for it, or stop it", ErrBusy)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	all, err := List(fs, dir)
	if err != nil {
		return nil, err
	}
	for i := range all {
		switch e := &all[i]; {
		case e.Err != nil: // told by whoever lists
		case e.Manifest.Kind != kind:
			return nil, fmt.Errorf("%s has backups of the %s: name another place for the %s, since they are kept apart and for different times",
				dir, e.Manifest.Kind, kind)
		default:
			p.last = e
		}
	}
	names, err := fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", dir, err)
	}
	for _, name := range names {
		base, ok := strings.CutSuffix(name, partialSuffix)
		if _, err := time.Parse(nameLayout, base); ok && err == nil {
			p.left = append(p.left, fs.PathJoin(dir, name))
		}
	}
	return p, nil
}

func (p *place) close() error { return p.lock.Close() }

// name gives the backup that is taken now a time that none has.
func (p *place) name(now time.Time) (string, time.Time) {
	now = now.UTC().Truncate(time.Microsecond)
	if p.last != nil && !now.After(p.last.Manifest.Time) {
		now = p.last.Manifest.Time.Add(time.Microsecond)
	}
	for {
		name := now.Format(nameLayout)
		_, err := p.fs.Stat(p.fs.PathJoin(p.dir, name))
		_, err2 := p.fs.Stat(p.fs.PathJoin(p.dir, name+partialSuffix))
		if err != nil && err2 != nil {
			return name, now
		}
		now = now.Add(time.Microsecond)
	}
}

// clear removes what was stopped, once it is of no more use.
func (p *place) clear() error {
	for _, dir := range p.left {
		if err := p.fs.RemoveAll(dir); err != nil {
			return fmt.Errorf("removing a backup that was stopped: %w", err)
		}
	}
	if len(p.left) > 0 {
		return durable.SyncDir(p.fs, p.dir)
	}
	return nil
}

// Separate refuses places that one backup, or one theft, would take together:
// none may be the same as, or lie inside, another or one of the directories of
// the ledger itself. Paths are cleaned and absolute; "" names none.
func Separate(ledgerTo, keysTo string, live ...string) error {
	if ledgerTo != "" && keysTo != "" && (within(ledgerTo, keysTo) || within(keysTo, ledgerTo)) {
		return fmt.Errorf("%s and %s: the backups of ledger and keys belong in places apart, since together they are readable: "+
			"name two that do not lie one inside the other", ledgerTo, keysTo)
	}
	for _, to := range []string{ledgerTo, keysTo} {
		for _, dir := range live {
			if to != "" && dir != "" && (within(to, dir) || within(dir, to)) {
				return fmt.Errorf("%s lies together with %s, a directory of the ledger: name a place on another disk", to, dir)
			}
		}
	}
	return nil
}

// within reports whether a path is dir or lies inside it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
