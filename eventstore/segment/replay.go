package segment

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
)

const (
	whatBehind  = "the index ends before the point at which the log was closed in good order"
	meansBehind = "what it lacks is entered from the log by an opening, so no answer changes; a medium that was full at the closing explains it, as does damage"
)

// openIndex opens the index and says how far it got. A missing or damaged one,
// or one of another log, is replaced by an empty one and filled by replay.
func (s *Store) openIndex() (checkpoint, error) {
	if s.opts.ReadOnly {
		return s.rebuildIndex(vfs.NewMem(), nil)
	}
	dir := s.fs.PathJoin(s.dir, indexName)
	if s.format.Index != ownFormat.Index {
		return s.replaceIndex()
	}
	_, statErr := s.fs.Stat(dir)
	if isNotExist(statErr) {
		return s.rebuildIndex(s.fs, nil)
	}
	x, err := openIndex(s.fs, dir, s.opts.CacheBytes, s.log, s.indexFailed)
	if err != nil {
		if cause := mediumError(err); survivable(cause) {
			return checkpoint{}, cause
		}
		return s.rebuildIndex(s.fs, err)
	}
	at, err := x.checkpoint()
	if err == nil && at.ordinal > 0 && at.log != s.id {
		err = errors.New("the index is of another log")
	}
	if at.log = s.id; err == nil {
		err = x.probe(at)
	}
	if err != nil {
		_ = x.close()
		return s.rebuildIndex(s.fs, err)
	}
	s.index = x
	if mark := s.manifest.Clean; mark != nil && at.ordinal < ordinalOf(mark.Position) && !s.short() {
		s.report(&eventstore.Fault{
			File: indexName, What: whatBehind, Means: meansBehind, Mended: true,
		})
	}
	return at, nil
}

// short reports whether the medium has less free space than the index leaves
// on it, so that it was not written to its end: nobody has to ask why.
func (s *Store) short() bool {
	usage, err := s.fs.GetDiskUsage(s.dir)
	return err == nil && usage.AvailBytes < s.opts.IndexReserve
}

// replaceIndex begins one in this program's format instead of another's. FORMAT
// goes on naming the other until there is nothing of it.
func (s *Store) replaceIndex() (checkpoint, error) {
	at, err := s.rebuildIndex(s.fs, fmt.Errorf("it is of format %d, this program writes %d", s.format.Index, ownFormat.Index))
	if err == nil {
		err = s.writeFormat()
	}
	if err == nil {
		err = syncDir(s.fs, s.dir)
	}
	return at, err
}

// rebuildIndex begins an empty index. why is nil when there was none.
func (s *Store) rebuildIndex(fs vfs.FS, why error) (checkpoint, error) {
	dir := s.fs.PathJoin(s.dir, indexName)
	if why != nil {
		s.report(&eventstore.Fault{
			File: indexName, What: "the index cannot be used: " + why.Error(), Mended: true,
			Means: "it is rebuilt from the log; no event is concerned",
		})
		if err := fs.RemoveAll(dir); err != nil {
			return checkpoint{}, fmt.Errorf("removing the index: %w", mediumError(err))
		}
	}
	if fs != s.fs {
		if err := fs.MkdirAll(dir, 0o700); err != nil {
			return checkpoint{}, fmt.Errorf("creating the index: %w", err)
		}
	}
	x, err := openIndex(fs, dir, s.opts.CacheBytes, s.log, s.indexFailed)
	if err != nil {
		return checkpoint{}, mediumError(err)
	}
	s.index, s.recovery.IndexRebuilt = x, true
	return checkpoint{log: s.id}, nil
}

func (s *Store) indexFailed(err error) {
	s.fail(err)
	if s.indexer != nil {
		s.indexer.kill()
	}
}

// replay enters into the index what it lacks and collects the last event IDs.
func (s *Store) replay(at *checkpoint) (*recentIDs, error) {
	ids := newRecentIDs(s.opts.RecentIDs)
	head := s.ordinal.Load()
	idsFrom := head - min(head, uint64(s.opts.RecentIDs))
	c := cursor{st: s, next: min(at.ordinal, idsFrom) + 1}
	defer c.close()
	b := replayBatch{ix: newIndexer(s.index, s.tails, *at, s.fs, s.dir, 0, s.fail), tails: make(map[string]*tail)}
	for c.next <= head {
		ordinal := c.next
		rec, err := c.step()
		if err != nil {
			return nil, err
		}
		if ordinal > idsFrom {
			ids.add(rec.ID, place{stream: rec.Stream, revision: rec.Revision, position: rec.Position, recorded: rec.Recorded.UnixMicro()})
		}
		if ordinal > at.ordinal {
			s.recovery.Replayed++
			if err := b.add(rec); err != nil {
				return nil, err
			}
		}
	}
	if err := b.flush(); err != nil {
		return nil, err
	}
	*at = b.ix.at
	s.streams.Store(at.streams)
	return ids, nil
}

// replayBatch gathers runs for the index.
type replayBatch struct {
	ix      *indexer
	tails   map[string]*tail
	entries []indexEntry
}

func (b *replayBatch) add(rec *eventstore.Recorded) error {
	if n := len(b.entries); n > 0 {
		last := &b.entries[n-1]
		end := uint64(last.run.count)
		if last.tail.stream == rec.Stream && last.run.revision+end == rec.Revision &&
			last.run.position+eventstore.Position(end) == rec.Position {
			last.run.count++
			return nil
		}
	}
	if len(b.entries) >= indexBatchRuns {
		if err := b.flush(); err != nil {
			return err
		}
	}
	t := b.tails[rec.Stream]
	if t == nil {
		t = &tail{stream: rec.Stream}
		b.tails[rec.Stream] = t
	}
	b.entries = append(b.entries, indexEntry{tail: t, run: run{revision: rec.Revision, position: rec.Position, count: 1}})
	return nil
}

func (b *replayBatch) flush() error {
	if len(b.entries) == 0 {
		return nil
	}
	err := b.ix.write(b.entries)
	b.entries = b.entries[:0]
	clear(b.tails)
	return err
}
