package segment

import (
	"encoding/hex"
	"fmt"

	"lethe/eventstore"
)

// Snapshot is a state of the log that can be copied while the log goes on:
// the first Bytes of each segment file do not change any more. A copy is a
// directory with these bytes under these names, and the two small files. The
// index is not part of it; opening the copy makes it anew.
type Snapshot struct {
	Log      string              // the log's own ID, in hexadecimal
	Dir      string              // where the segment files lie
	Position eventstore.Position // of the last event; 0 for none
	Events   uint64
	Segments []SnapshotSegment // in the order of their events
	Small    []SnapshotFile    // what they need beside them

	held []*segmentFile
}

// Release lets go of the segment files. Those that were replaced since are
// erased then. The snapshot must not be copied from any more.
func (s *Snapshot) Release() {
	for _, seg := range s.held {
		seg.release()
	}
	s.held = nil
}

// SnapshotSegment is a segment file, as far as it is used. The bytes of a full
// one never change; another version of it has another name.
type SnapshotSegment struct {
	Name  string
	Bytes int64
	Full  bool
}

// SnapshotFile is a small file with its content.
type SnapshotFile struct {
	Name string
	Data []byte
}

// Snapshot gives a state in which every acknowledged append is. It stops
// appends for no longer than it takes to copy MANIFEST in memory. Until Release,
// which must be called, no segment file of it is erased, also if it is replaced.
// The errors are those of RaiseEra.
func (s *Store) Snapshot() (Snapshot, error) {
	var snap Snapshot
	var err error
	if berr := s.between(func(c *committer) { snap, err = c.snapshot() }); berr != nil {
		err = berr
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("taking a snapshot of the log: %w", err)
	}
	return snap, nil
}

// snapshot describes the log as it is between two groups. The copy's MANIFEST
// says that the log was closed in good order, so that a copy that lacks a byte
// is not taken for one that was cut by a crash.
func (c *committer) snapshot() (Snapshot, error) {
	if err := c.st.failed(); err != nil {
		return Snapshot{}, err
	}
	m := c.st.manifest.clone()
	position := c.st.positionOf(c.ordinal)
	m.Clean = &cleanMark{Position: position, Group: c.w.group, End: c.w.end}
	manifest, err := m.encode()
	if err != nil {
		return Snapshot{}, err
	}
	format, err := ownFormat.encode()
	if err != nil {
		return Snapshot{}, err
	}
	snap := Snapshot{
		Log: hex.EncodeToString(c.st.id[:]), Dir: c.st.dir, Position: position, Events: c.ordinal,
		Small: []SnapshotFile{{Name: formatName, Data: format}, {Name: manifestName, Data: manifest}},
	}
	for _, e := range m.Segments {
		seg := SnapshotSegment{Name: segmentName(e.Number, e.Version), Bytes: c.w.end}
		if e.End > 0 {
			seg.Full, seg.Bytes = true, e.End+footerSize(e.Count)
		}
		snap.Segments = append(snap.Segments, seg)
	}
	snap.held = c.st.holdAll()
	return snap, nil
}
