package segment

import (
	"fmt"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
)

// segmentFile is one version of one segment. Readers hold it while they read;
// its file is opened on first use and may be closed when nobody does.
type segmentFile struct {
	fs     vfs.FS
	path   string
	name   string
	header segmentHeader
	pool   *filePool
	report func(error)

	mu      sync.RWMutex
	entry   segmentEntry
	file    vfs.File // nil: not open
	refs    int
	onGone  func()   // set: it was replaced; called when nobody reads it any more
	gone    bool     // nobody does
	offsets []uint32 // of records; nil: not loaded
	end     int64    // of the durable groups
}

// filePool bounds what idle segments keep: open files and offset tables.
type filePool struct {
	maxFiles   int
	maxOffsets int

	mu      sync.Mutex
	files   int
	offsets int
	loaded  []*segmentFile // whose tables are loaded, oldest first
}

// errReplaced: another version of the segment counts, and this one is gone.
var errReplaced = fmt.Errorf("%w: it was replaced", eventstore.ErrNoSection)

// hold keeps this version of the segment until release. It gives errReplaced
// when it is gone.
func (s *segmentFile) hold() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return errReplaced
	}
	s.refs++
	return nil
}

// acquire opens the file if need be and keeps it open until release. It gives
// errReplaced when the file is gone.
func (s *segmentFile) acquire() (vfs.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return nil, errReplaced
	}
	if s.file == nil {
		f, err := s.fs.Open(s.path)
		if isNotExist(err) {
			return nil, &eventstore.CorruptError{File: s.name, What: "the file is missing"}
		}
		if err != nil {
			return nil, fmt.Errorf("opening %s: %w", s.name, err)
		}
		s.file = f
		s.pool.mu.Lock()
		s.pool.files++
		s.pool.mu.Unlock()
	}
	s.refs++
	return s.file, nil
}

// release reports whether the file is gone with it.
func (s *segmentFile) release() (gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refs--
	if s.refs > 0 {
		return false
	}
	s.gone = s.onGone != nil
	s.pool.mu.Lock()
	if s.file != nil && (s.gone || s.pool.files > s.pool.maxFiles) {
		_ = s.file.Close() // was only read
		s.file = nil
		s.pool.files--
	}
	s.pool.mu.Unlock()
	if s.gone {
		s.onGone()
	}
	return s.gone
}

// retire lets the file go when the last of those that hold it releases it,
// the caller among them.
func (s *segmentFile) retire(onGone func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onGone = onGone
}

// closeIdle closes the file when nobody reads it.
func (s *segmentFile) closeIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refs == 0 && s.file != nil {
		_ = s.file.Close() // was only read
		s.file = nil
	}
}

// durableEnd is where the readable groups end.
func (s *segmentFile) durableEnd() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.end
}

// publish makes a durable group's records readable; only the committer calls it.
func (s *segmentFile) publish(offsets []uint32, end int64) {
	s.mu.Lock()
	s.offsets = append(s.offsets, offsets...)
	s.end = end
	s.mu.Unlock()
}

// span is where a record lies: from off, at most to limit.
type span struct{ off, limit int64 }

// locate gives the places of count records from ordinal on. They lie one
// behind the other with at most group headers between them.
func (s *segmentFile) locate(f vfs.File, ordinal uint64, out []span) ([]span, error) {
	offsets, end, first, err := s.table(f)
	if err != nil {
		return out, err
	}
	i := ordinal - first
	for k := range out {
		at := i + uint64(k)
		if ordinal < first || at >= uint64(len(offsets)) {
			return out[:k], nil
		}
		out[k] = span{off: int64(offsets[at]), limit: end}
		if at+1 < uint64(len(offsets)) {
			out[k].limit = int64(offsets[at+1])
		}
	}
	return out, nil
}

// table returns the offsets, loading them if need be.
func (s *segmentFile) table(f vfs.File) (offsets []uint32, end int64, first uint64, err error) {
	s.mu.RLock()
	offsets, end, first = s.offsets, s.end, s.entry.First
	full := s.entry.End > 0
	s.mu.RUnlock()
	if offsets == nil && full {
		offsets, err = s.loadTable(f)
	}
	return offsets, end, first, err
}

func (s *segmentFile) loadTable(f vfs.File) ([]uint32, error) {
	s.mu.RLock()
	entry := s.entry
	s.mu.RUnlock()
	offsets, err := readFooter(f, &entry)
	if err != nil {
		s.report(&eventstore.Fault{
			File: s.name, Offset: entry.End, What: err.Error(), Mended: true,
			Means: "the table of offsets is rebuilt from the groups, in memory; no answer changes",
		})
		if offsets, err = scanOffsets(f, s.name, s.header, &entry); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	s.offsets = offsets
	s.mu.Unlock()
	s.pool.keep(s, len(offsets))
	return offsets, nil
}

// forget takes a table out that will not be asked for much longer.
func (p *filePool) forget(s *segmentFile) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.loaded, s); i >= 0 {
		p.loaded = slices.Delete(p.loaded, i, i+1)
		p.offsets -= int(s.entry.Count)
	}
}

// keep counts a loaded table and drops the oldest ones above the bound.
func (p *filePool) keep(s *segmentFile, n int) {
	p.mu.Lock()
	p.loaded = append(p.loaded, s)
	p.offsets += n
	var drop []*segmentFile
	for p.offsets > p.maxOffsets && len(p.loaded) > 1 {
		old := p.loaded[0]
		p.loaded = p.loaded[1:]
		p.offsets -= int(old.entry.Count)
		drop = append(drop, old)
	}
	p.mu.Unlock()
	for _, old := range drop {
		if old == s {
			continue
		}
		old.mu.Lock()
		old.offsets = nil
		old.mu.Unlock()
	}
}
