package segment

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// writer is the segment file that is being written. The committer's alone.
type writer struct {
	file    vfs.File
	name    string
	version uint32
	header  segmentHeader
	size    int64  // preallocated
	end     int64  // of the durable groups
	records uint64 // before end
	group   uint64 // number of the next group
	prev    uint32 // checksum of the group before
}

// fits says whether a group of n bytes and so many records leaves room for the
// footer and for the marker that follows.
func (w *writer) fits(n int64, records uint64) bool {
	return w.end+n+groupHeaderSize+footerSize(w.records+records) <= w.size
}

// sizeFor is the size of a segment whose first group has n bytes and records.
func sizeFor(segmentBytes, n int64, records uint64) int64 {
	return max(segmentBytes, int64(alignUp(int(segmentHeaderSize+n+2*groupHeaderSize+footerSize(records)))))
}

// createSegment writes a zero-filled segment file of size bytes and makes it
// and its name durable. prefix, if any, are groups to begin with.
func createSegment(fs vfs.FS, dir string, h segmentHeader, size int64, prefix []byte, pace func(int64)) (*writer, error) {
	w := &writer{name: segmentName(h.number, h.version), version: h.version, header: h, size: size, prev: h.crc()}
	path := fs.PathJoin(dir, w.name)
	if err := fs.Remove(path); err != nil && !isNotExist(err) {
		return nil, fmt.Errorf("removing a leftover segment: %w", mediumError(err))
	}
	f, err := fs.OpenReadWrite(path, writeCategory)
	if err != nil {
		return nil, fmt.Errorf("creating a segment: %w", mediumError(err))
	}
	if err := fillSegment(f, h, size, prefix, pace); err != nil {
		_ = f.Close()
		_ = fs.Remove(path) // gives the space back; a leftover is removed by the next open
		return nil, err
	}
	if err := syncDir(fs, dir); err != nil {
		_ = f.Close()
		return nil, err
	}
	w.file, w.end = f, segmentHeaderSize+int64(len(prefix))
	return w, nil
}

func fillSegment(f vfs.File, h segmentHeader, size int64, prefix []byte, pace func(int64)) error {
	if _, err := f.WriteAt(append(h.encode(), prefix...), 0); err != nil {
		return fmt.Errorf("preparing a segment: %w", mediumError(err))
	}
	if err := zeroFill(f, segmentHeaderSize+int64(len(prefix)), size, pace); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		// Nothing is lost: the file is not in MANIFEST yet.
		return fmt.Errorf("syncing a new segment: %w", mediumError(err))
	}
	return nil
}

func newSalt(rand io.Reader) (uint64, error) {
	var b [8]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return 0, fmt.Errorf("making a salt: %w", err)
	}
	return binary.BigEndian.Uint64(b[:]), nil
}

// erase puts zeros over bytes that must not be taken for anything.
func (w *writer) erase(off, n int64) error {
	return zeroFill(w.file, off, min(off+n, w.size), nil)
}
