package segment

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
)

// recover checks the files, secures the tail and makes the segments readable.
// It returns the writer (nil when read-only) and the last recorded time.
func (s *Store) recover(at checkpoint) (*writer, int64, error) {
	if err := s.checkFull(); err != nil {
		return nil, 0, err
	}
	e := s.manifest.last()
	name := segmentName(e.Number, e.Version)
	f, err := s.fs.Open(s.fs.PathJoin(s.dir, name))
	if isNotExist(err) {
		return nil, 0, &eventstore.CorruptError{File: name, What: "the file is missing"}
	}
	if err != nil {
		return nil, 0, fmt.Errorf("opening the last segment: %w", err)
	}
	t, err := scanTail(f, name, e, s.manifest.Eras)
	if err == nil {
		err = s.judge(t, at)
	}
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	w, err := s.secure(f, t)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, 0, err
	}
	s.install(t)
	return w, t.recorded, nil
}

// checkFull looks for the full segments. Their groups are verified when read.
func (s *Store) checkFull() error {
	full := s.manifest.Segments[:len(s.manifest.Segments)-1]
	segs := make([]*segmentFile, 0, len(full)+1)
	for i := range full {
		e := full[i]
		name := segmentName(e.Number, e.Version)
		h, size, err := readSegmentHeader(s.fs, s.fs.PathJoin(s.dir, name), name)
		if err != nil {
			return err
		}
		if h.number != e.Number || h.version != e.Version || size < e.End {
			return &eventstore.CorruptError{File: name, What: "the file is not the one that MANIFEST names"}
		}
		segs = append(segs, s.segmentFor(e, h))
	}
	s.segs.Store(&segs)
	return nil
}

// refuseLater keeps an old MANIFEST from hiding events: a segment behind the
// last one is empty until MANIFEST names it.
func (s *Store) refuseLater() error {
	names, err := s.fs.List(s.dir)
	if err != nil {
		return fmt.Errorf("listing the data directory: %w", err)
	}
	for _, name := range names {
		if number, _, ok := parseSegmentName(name); !ok || number <= s.manifest.last().Number {
			continue
		}
		switch has, err := s.holdsGroups(name); {
		case err != nil:
			return err
		case has:
			return &eventstore.CorruptError{File: manifestName, What: "it does not name " + name + ", which follows its last segment and holds events"}
		}
	}
	return nil
}

func readSegmentHeader(fs vfs.FS, path, name string) (segmentHeader, int64, error) {
	f, err := fs.Open(path)
	if isNotExist(err) {
		return segmentHeader{}, 0, &eventstore.CorruptError{File: name, What: "the file is missing"}
	}
	if err != nil {
		return segmentHeader{}, 0, fmt.Errorf("opening %s: %w", name, err)
	}
	defer func() { _ = f.Close() }() // was only read
	h, err := headerOf(f, name)
	if err != nil {
		return h, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return h, 0, fmt.Errorf("looking at %s: %w", name, err)
	}
	return h, info.Size(), nil
}

func headerOf(f vfs.File, name string) (segmentHeader, error) {
	b := make([]byte, segmentHeaderSize)
	if err := readFull(f, b, 0); err != nil {
		return segmentHeader{}, &eventstore.CorruptError{File: name, What: "the segment header cannot be read: " + err.Error()}
	}
	h, err := parseSegmentHeader(b)
	if err != nil {
		return h, &eventstore.CorruptError{File: name, What: err.Error()}
	}
	return h, nil
}

// tailScan is what the last segment holds.
type tailScan struct {
	name     string
	entry    segmentEntry
	eras     []eraEntry
	header   segmentHeader
	size     int64
	offsets  []uint32
	end      int64  // of the valid groups
	group    uint64 // number of the next group
	prev     uint32
	recorded int64
	fault    error // why the group at end is none; nil: zeros follow
	cut      int64 // bytes from end to the last that is not zero
	later    int64 // offset of an intact group behind end, 0: none
}

// scanTail reads the last segment up to the first byte that is no valid group.
func scanTail(f vfs.File, name string, e *segmentEntry, eras []eraEntry) (*tailScan, error) {
	h, err := headerOf(f, name)
	if err != nil {
		return nil, err
	}
	if h.number != e.Number || h.version != e.Version {
		return nil, &eventstore.CorruptError{File: name, What: "the file is not the one that MANIFEST names"}
	}
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("looking at %s: %w", name, err)
	}
	t := &tailScan{name: name, entry: *e, eras: eras, header: h, size: info.Size(), recorded: e.Floor}
	var r groupReader
	r.start(f, name, h, e.FirstGroup, t.size)
	for r.off+groupHeaderSize <= r.end {
		base := r.off
		t.prev = r.prev
		gh, group, err := r.next()
		var corrupt *eventstore.CorruptError
		if errors.As(err, &corrupt) {
			t.fault = err
			break
		}
		if err != nil {
			return nil, err
		}
		if err := t.take(&gh, group, base); err != nil {
			return nil, err
		}
	}
	if t.fault == nil {
		t.prev = r.prev
	}
	t.end, t.group = r.off, r.number
	return t, t.inspectRest(f)
}

// take notes a valid group; its records must follow those before. A group that
// is whole and says something else was not torn by a crash, so it is never cut.
func (t *tailScan) take(h *groupHeader, group []byte, base int64) error {
	bad := func(what string) error {
		return &eventstore.CorruptError{File: t.name, Offset: base, What: what}
	}
	if h.records > 0 && h.position != positionIn(t.eras, t.entry.First+uint64(len(t.offsets))) {
		return bad("the group's position does not follow")
	}
	offsets, err := appendOffsets(t.offsets, h, group, base)
	if err != nil {
		return bad(err.Error())
	}
	t.offsets, t.recorded = offsets, max(t.recorded, h.recorded)
	return nil
}

// inspectRest looks at what follows the valid groups: zeros, the footer of a
// segment that was about to be closed, a torn group, or, beyond damage, a group
// that was written after the damaged one was durable.
func (t *tailScan) inspectRest(f vfs.File) error {
	rest := make([]byte, max(t.size-t.end, 0))
	if err := readFull(f, rest, t.end); err != nil {
		return fmt.Errorf("reading %s: %w", t.name, err)
	}
	used := len(trimZeros(rest))
	t.cut = int64(used)
	if used == 0 || bytes.Equal(rest[:used], trimZeros(encodeFooter(t.offsets))) {
		t.fault, t.cut = nil, 0
		return nil
	}
	if t.fault == nil {
		t.fault = &eventstore.CorruptError{File: t.name, Offset: t.end, What: "no group begins here"}
	}
	salt := le.AppendUint64(nil, t.header.salt)
	for at := 0; ; at++ {
		i := bytes.Index(rest[at:used], salt)
		if i < 0 {
			return nil
		}
		at += i
		if t.isLater(rest[at:]) {
			t.later = t.end + int64(at)
			return nil
		}
	}
}

// trimZeros cuts zeros from the end, by the block as long as it can: there are
// megabytes of them in an ordinary last segment.
func trimZeros(b []byte) []byte {
	var zeros [4096]byte
	for len(b) >= len(zeros) && bytes.Equal(b[len(b)-len(zeros):], zeros[:]) {
		b = b[:len(b)-len(zeros)]
	}
	return bytes.TrimRight(b, "\x00")
}

// isLater says whether b begins with an intact group that comes after the one
// that is missing. Nobody outside knows the salt, so it is no caller's bytes.
func (t *tailScan) isLater(b []byte) bool {
	if len(b) < groupHeaderSize {
		return false
	}
	h := readGroupHeader(b)
	return h.plausible(t.header.salt, int64(len(b)-groupHeaderSize)) && h.number > t.group &&
		groupCRC(b[:groupHeaderSize+int(h.length)]) == h.crc
}

// ordinal is that of the last event.
func (t *tailScan) ordinal() uint64 { return t.entry.First + uint64(len(t.offsets)) - 1 }

// judge tells a torn tail, which is cut, from lost events, which are not
// passed over: whatever durable thing refers past the end proves them.
func (s *Store) judge(t *tailScan, at checkpoint) error {
	lost := func(what string) error {
		c := &eventstore.CorruptError{File: t.name, Offset: t.end, What: what}
		if t.fault != nil {
			c.What += " (" + strings.TrimPrefix(t.fault.Error(), "corrupt event log: ") + ")"
		}
		return c
	}
	switch clean := s.manifest.Clean; {
	case t.later > 0:
		return lost(fmt.Sprintf("damage, with an intact group behind it at offset %d", t.later))
	case clean != nil && (clean.End > t.end || clean.Group > t.group):
		return lost("the log ends before the point at which it was closed in good order")
	case at.ordinal > t.ordinal():
		return lost("the log ends before events that the index has")
	case s.ordinalUpTo(s.opts.DurableMark) > t.ordinal():
		return lost("the log ends before the durable position " + s.opts.DurableMark.String())
	}
	return nil
}

// install makes the last segment readable.
func (s *Store) install(t *tailScan) {
	last := s.segmentFor(t.entry, t.header)
	last.offsets, last.end = t.offsets, t.end
	segs := append(*s.segs.Load(), last)
	s.segs.Store(&segs)
	s.ordinal.Store(t.ordinal())
	s.position.Store(uint64(s.positionOf(t.ordinal())))
}

// positionOf gives the position of an event that is there;
// 0 for none.
func (s *Store) positionOf(ordinal uint64) eventstore.Position {
	return positionIn(*s.eras.Load(), ordinal)
}
