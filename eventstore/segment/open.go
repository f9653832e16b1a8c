package segment

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
)

// Open opens the store in dir, creating it if there is none (unless ReadOnly).
// After an unclean stop it first makes the valid part of the log durable. It
// gives eventstore.ErrLocked when another process has dir open, ErrNoSpace when
// there is no room for that repair, and a *eventstore.CorruptError, changing
// nothing, when the log lost what something durable refers to.
func Open(dir string, opts Options) (*Store, error) {
	o := opts.withDefaults()
	dir, err := canonical(o.FS, dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		opts: o, fs: o.FS, dir: dir, log: o.Logger,
		tails: newTails(), queue: newQueue(), closed: make(chan struct{}), committerDone: make(chan struct{}),
		pool: &filePool{maxFiles: 256, maxOffsets: int(o.OffsetCacheBytes / footerEntrySize)},
	}
	s.requests.New = newRequest
	s.segs.Store(&[]*segmentFile{})
	if err := s.open(); err != nil {
		s.abandon()
		return nil, fmt.Errorf("opening the event log: %w", err)
	}
	return s, nil
}

// canonical gives one name to one directory: the lock within a process goes by
// name.
func canonical(fs vfs.FS, dir string) (string, error) {
	if fs != vfs.Default {
		return dir, nil
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("finding the data directory: %w", err)
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real, nil
	}
	return abs, nil // it does not exist yet
}

func (s *Store) open() error {
	if err := s.prepareDir(); err != nil {
		return err
	}
	if err := s.readManifest(); err != nil {
		return err
	}
	s.id = decodeLogID(s.manifest)
	s.eras.Store(&s.manifest.Eras)
	if s.opts.sectionsOnly {
		_, _, err := s.recover(checkpoint{log: s.id})
		return err
	}
	at, err := s.openIndex()
	if err != nil {
		return err
	}
	w, last, err := s.recover(at)
	if err != nil {
		return err
	}
	s.streams.Store(at.streams)
	ids, err := s.replay(&at)
	if err != nil {
		return err
	}
	if s.opts.ReadOnly {
		return nil
	}
	if s.manifest.Clean != nil { // create and rewrite leave no mark
		s.manifest.Clean = nil
		if err := s.manifest.store(s.fs, s.dir); err != nil {
			return err
		}
	}
	s.indexer = newIndexer(s.index, s.tails, at, s.fs, s.dir, s.opts.IndexReserve, s.fail)
	s.comm = &committer{
		st: s, w: w, stamp: newStamper(&s.opts, last, s.report), ids: ids,
		era: s.manifest.era(), ordinal: s.ordinal.Load(), needMarker: s.ordinal.Load() > 0,
	}
	go s.indexer.run()
	go s.comm.run()
	return nil
}

// abandon gives back what a failed Open holds.
func (s *Store) abandon() {
	if s.index != nil {
		_ = s.index.close()
	}
	s.closeFiles()
	if s.lock != nil {
		_ = s.lock.Close()
	}
}

// prepareDir creates and locks the directory.
func (s *Store) prepareDir() error {
	switch {
	case s.opts.sectionsOnly:
		return nil
	case s.opts.ReadOnly:
		return s.lockReadOnly()
	}
	if err := makeDirs(s.fs, s.dir); err != nil {
		return err
	}
	lock, err := s.fs.Lock(s.fs.PathJoin(s.dir, lockName))
	if err != nil {
		return s.lockError(err)
	}
	s.lock = lock
	return s.removeLeftovers()
}

// lockReadOnly takes the lock if it can: a medium on which no lock file can be
// made has no writer either.
func (s *Store) lockReadOnly() error {
	if _, err := s.fs.Stat(s.dir); err != nil {
		return fmt.Errorf("looking for the data directory: %w", err)
	}
	lock, err := s.fs.Lock(s.fs.PathJoin(s.dir, lockName))
	switch {
	case err == nil:
		s.lock = lock
	case !errors.Is(s.lockError(err), eventstore.ErrLocked):
	default:
		return s.lockError(err)
	}
	return nil
}

// lockError tells a held lock from a lock file that cannot be made.
func (s *Store) lockError(err error) error {
	var path *os.PathError
	if errors.As(err, &path) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("locking the data directory: %w", mediumError(err))
	}
	return fmt.Errorf("%w: %s: stop that process, or go through its API", eventstore.ErrLocked, s.dir)
}

// removeLeftovers removes temporary files of a process that was stopped.
func (s *Store) removeLeftovers() error {
	names, err := s.fs.List(s.dir)
	if err != nil {
		return fmt.Errorf("listing the data directory: %w", err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, tmpSuffix) {
			if err := s.fs.Remove(s.fs.PathJoin(s.dir, name)); err != nil {
				return fmt.Errorf("removing a leftover: %w", mediumError(err))
			}
		}
	}
	return nil
}

// readManifest reads FORMAT and MANIFEST, or makes a new log.
func (s *Store) readManifest() error {
	b, err := readFile(s.fs, s.fs.PathJoin(s.dir, manifestName), maxManifestBytes)
	if isNotExist(err) {
		return s.create()
	}
	if err != nil {
		return fmt.Errorf("reading MANIFEST: %w", err)
	}
	f, err := readFile(s.fs, s.fs.PathJoin(s.dir, formatName), maxFormatBytes)
	if isNotExist(err) {
		return &eventstore.CorruptError{File: formatName, What: "the file is missing"}
	}
	if err != nil {
		return fmt.Errorf("reading FORMAT: %w", err)
	}
	if s.format, err = parseFormat(f); err != nil {
		return err
	}
	if s.manifest, err = parseManifest(b); err != nil {
		return err
	}
	return s.refuseLater()
}

// create makes an empty log: FORMAT and the first segment, made durable
// together by the segment's directory sync, then MANIFEST that names it.
func (s *Store) create() error {
	if s.opts.ReadOnly {
		return fmt.Errorf("there is no event log in %s", s.dir)
	}
	if err := s.refuseStrangers(); err != nil {
		return err
	}
	// Also when the directory was there: whoever made it may have been stopped
	// before syncing its parent.
	if err := syncDir(s.fs, s.fs.PathDir(s.dir)); err != nil {
		return err
	}
	if err := s.writeFormat(); err != nil {
		return err
	}
	var id [16]byte
	if _, err := io.ReadFull(s.opts.Rand, id[:]); err != nil {
		return fmt.Errorf("making the log's ID: %w", err)
	}
	w, err := s.newSegment(1, s.opts.SegmentBytes, nil)
	if err != nil {
		return err
	}
	if err := w.file.Close(); err != nil {
		return fmt.Errorf("closing the first segment: %w", err)
	}
	s.manifest = &manifest{
		Log:      hex.EncodeToString(id[:]),
		Eras:     []eraEntry{{Era: 0, First: 1}},
		Segments: []segmentEntry{{Number: 1, First: 1, FirstGroup: 1}},
	}
	s.fresh = true
	return s.manifest.store(s.fs, s.dir)
}

// writeFormat leaves the directory to the caller to sync.
func (s *Store) writeFormat() error {
	b, err := ownFormat.encode()
	if err != nil {
		return err
	}
	s.format = ownFormat
	return writeFile(s.fs, s.dir, formatName, b)
}

// refuseStrangers keeps a lost MANIFEST from looking like an empty log: only
// what a first Open that was cut short leaves may be there, and that has no
// group in it.
func (s *Store) refuseStrangers() error {
	names, err := s.fs.List(s.dir)
	if err != nil {
		return fmt.Errorf("listing the data directory: %w", err)
	}
	for _, name := range names {
		switch {
		case name == segmentName(1, 0):
			has, err := s.holdsGroups(name)
			if err != nil {
				return err
			}
			if has {
				return &eventstore.CorruptError{File: manifestName, What: "the file is missing, but " + name + " holds events"}
			}
		case name == indexName || strings.HasSuffix(name, segSuffix):
			return &eventstore.CorruptError{File: manifestName, What: "the file is missing, but " + name + " is there"}
		}
	}
	return nil
}
