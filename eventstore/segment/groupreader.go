package segment

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
)

// readChunk is how much a reader of groups asks the file system for at once:
// small enough to stay in the processor's cache, large enough to hide the call.
const readChunk = 256 << 10

// groupReader reads one segment file's groups in order and verifies each: its
// checksum, its number and its link to the one before.
type groupReader struct {
	file vfs.File
	name string
	salt uint64
	off  int64 // of the next group
	end  int64 // nothing is read from here on

	linked bool   // number and prev are known
	number uint64 // of the next group
	prev   uint32 // checksum of the group before

	buf    []byte
	bufOff int64 // file offset of buf[0]
}

// start places the reader at the beginning of a segment.
func (r *groupReader) start(file vfs.File, name string, h segmentHeader, firstGroup uint64, end int64) {
	r.file, r.name, r.salt, r.end = file, name, h.salt, end
	r.off, r.number, r.prev, r.linked = segmentHeaderSize, firstGroup, h.crc(), true
	r.buf, r.bufOff = r.buf[:0], 0
}

// jump places the reader at a group in the middle of a segment; the chain is
// checked from the group after it.
func (r *groupReader) jump(file vfs.File, name string, salt uint64, off, end int64) {
	r.file, r.name, r.salt, r.end = file, name, salt, end
	r.off, r.linked = off, false
	r.buf, r.bufOff = r.buf[:0], 0
}

// next returns the group at off and moves behind it. group aliases the
// reader's buffer until the next call. A *eventstore.CorruptError says what is
// wrong with the bytes; the reader then stays where it is.
func (r *groupReader) next() (h groupHeader, group []byte, err error) {
	b, err := r.window(groupHeaderSize)
	if err != nil {
		return h, nil, err
	}
	if h = readGroupHeader(b); !h.plausible(r.salt, r.end-r.off-groupHeaderSize) {
		return h, nil, r.corrupt("no group begins here")
	}
	total := groupHeaderSize + int(h.length)
	if b, err = r.window(total); err != nil {
		return h, nil, err
	}
	group = b[:total]
	if groupCRC(group) != h.crc {
		return h, nil, r.corrupt("the group's checksum is wrong")
	}
	if r.linked && (h.number != r.number || h.prev != r.prev) {
		return h, nil, r.corrupt("the group does not follow the one before it")
	}
	r.linked, r.number, r.prev = true, h.number+1, h.crc
	r.off += int64(total)
	return h, group, nil
}

// window makes at least need bytes from off available.
func (r *groupReader) window(need int) ([]byte, error) {
	skip := r.off - r.bufOff
	if have := int64(len(r.buf)) - skip; skip >= 0 && have >= int64(need) {
		return r.buf[skip:], nil
	}
	if r.off+int64(need) > r.end {
		return nil, r.corrupt("the log ends within a group")
	}
	kept := 0
	if skip >= 0 && skip < int64(len(r.buf)) {
		kept = copy(r.buf, r.buf[skip:])
	}
	size := int(min(max(int64(need), readChunk), r.end-r.off))
	if cap(r.buf) < size {
		grown := make([]byte, size)
		copy(grown, r.buf[:kept])
		r.buf = grown
	}
	r.buf, r.bufOff = r.buf[:size], r.off
	if err := readFull(r.file, r.buf[kept:], r.off+int64(kept)); err != nil {
		r.buf = r.buf[:0]
		return nil, fmt.Errorf("reading %s: %w", r.name, err)
	}
	return r.buf, nil
}

func (r *groupReader) corrupt(what string) error {
	return &eventstore.CorruptError{File: r.name, Offset: r.off, What: what}
}
