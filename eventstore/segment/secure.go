package segment

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
)

// secure makes the tail durable before anything of it is used.
func (s *Store) secure(f vfs.File, t *tailScan) (*writer, error) {
	mark := s.manifest.Clean
	clean := s.fresh || mark != nil && t.fault == nil && mark.End == t.end
	s.recovery.Unclean = !clean
	s.reportTail(t, mark)
	if s.opts.ReadOnly {
		return nil, nil
	}
	if err := s.removeOrphans(); err != nil {
		return nil, err
	}
	if clean {
		return s.reuse(t)
	}
	return s.rewrite(f, t)
}

// reportTail tells what lies behind the log's end and is not kept.
func (s *Store) reportTail(t *tailScan, mark *cleanMark) {
	if mark != nil && mark.End != t.end {
		s.report(&eventstore.Fault{
			File: t.name, Offset: mark.End, What: "the log goes on behind the point at which it was closed in good order",
			Means: "what follows is intact and counts; MANIFEST is older than it, or something else has written here",
		})
	}
	if t.fault == nil {
		return
	}
	s.recovery.CutFile, s.recovery.CutOffset, s.recovery.CutBytes = t.name, t.end, t.cut
	f := &eventstore.Fault{File: t.name, Offset: t.end, Mended: !s.opts.ReadOnly}
	f.What = fmt.Sprintf("%d bytes behind the last group are none (%s)", t.cut, faultOf(t.fault, "", 0, "").What)
	f.Means = "an append that was under way when the store stopped and was never acknowledged is cut, or else damage to the last append, to which nothing durable refers"
	if mark != nil {
		f.Means = "the log was closed in good order, so nothing was being written here: the bytes are damage, no event is concerned, and they are not kept"
	}
	s.report(f)
}

// removeOrphans removes segment files that MANIFEST does not name. Of one that
// was replaced, to drop values from it, nothing is left.
func (s *Store) removeOrphans() error {
	named := make(map[string]bool, len(s.manifest.Segments))
	full := make(map[uint64]bool, len(s.manifest.Segments))
	for _, e := range s.manifest.Segments {
		named[segmentName(e.Number, e.Version)], full[e.Number] = true, e.End > 0
	}
	names, err := s.fs.List(s.dir)
	if err != nil {
		return fmt.Errorf("listing the data directory: %w", err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, segSuffix) || named[name] {
			continue
		}
		remove := s.fs.Remove
		if number, _, ok := parseSegmentName(name); ok && full[number] {
			remove = func(path string) error { return eraseFile(s.fs, path) }
		}
		if err := remove(s.fs.PathJoin(s.dir, name)); err != nil {
			return fmt.Errorf("removing a leftover segment: %w", mediumError(err))
		}
	}
	return nil
}

// reuse goes on in a segment that was closed in good order.
func (s *Store) reuse(t *tailScan) (*writer, error) {
	f, err := s.fs.OpenReadWrite(s.fs.PathJoin(s.dir, t.name), writeCategory)
	if err != nil {
		return nil, fmt.Errorf("opening the last segment: %w", mediumError(err))
	}
	return t.writer(f), nil
}

// rewrite copies the valid groups to a new, zero-filled file and swaps it in.
// The old file's bytes may be in memory only; what is read from now on is on
// the disk.
func (s *Store) rewrite(f vfs.File, t *tailScan) (*writer, error) {
	prefix := make([]byte, t.end-segmentHeaderSize)
	if err := readFull(f, prefix, segmentHeaderSize); err != nil {
		return nil, fmt.Errorf("reading %s: %w", t.name, err)
	}
	h := t.header
	h.version++
	salt, err := newSalt(s.opts.Rand)
	if err != nil {
		return nil, err
	}
	h.salt = salt
	prev := rechain(prefix, h)
	w, err := createSegment(s.fs, s.dir, h, max(s.opts.SegmentBytes, t.size), prefix, nil)
	if err != nil {
		return nil, fmt.Errorf("copying the valid part of the log: %w", err)
	}
	m := s.manifest.clone()
	m.last().Version, m.Clean = h.version, nil
	if err := m.store(s.fs, s.dir); err != nil {
		_ = w.file.Close()
		return nil, err
	}
	_ = s.fs.Remove(s.fs.PathJoin(s.dir, t.name)) // or the next open does it
	s.manifest, t.entry = m, *m.last()
	t.name, t.header, t.prev, t.size = w.name, h, prev, w.size
	return t.writer(w.file), nil
}

// rechain gives verified groups the salt of another file and links them anew.
func rechain(groups []byte, h segmentHeader) (prev uint32) {
	prev = h.crc()
	for len(groups) > 0 {
		gh := readGroupHeader(groups)
		n := groupHeaderSize + int(gh.length)
		gh.salt, gh.prev = h.salt, prev
		prev = gh.seal(groups[:n])
		groups = groups[n:]
	}
	return prev
}

func (t *tailScan) writer(f vfs.File) *writer {
	return &writer{
		file: f, name: t.name, version: t.entry.Version, header: t.header, size: t.size,
		end: t.end, records: uint64(len(t.offsets)), group: t.group, prev: t.prev,
	}
}
