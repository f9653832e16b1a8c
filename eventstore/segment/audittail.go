package segment

import (
	"bytes"
	"errors"
	"math"
	"slices"

	"lethe/eventstore"
)

// footer compares a full segment's table of offsets with its groups.
func (c *sectionCheck) footer() {
	if !c.sec.Full {
		return
	}
	got, err := readFooter(c.file, &segmentEntry{Count: c.sec.Count, End: c.sec.Bytes})
	if err == nil && !c.partial && !slices.Equal(got, c.offsets) {
		err = errors.New("the table of offsets is not that of these groups")
	}
	if err != nil {
		c.fault(eventstore.Fault{
			File: c.sec.Name, Offset: c.sec.Bytes, What: err.Error(),
			Means: "events of this segment are found by walking its groups, each time the table is wanted; a wrong table that looks right would lead to other events, which is noticed by their checksums",
		})
	}
}

const meansTail = "this space was never used and must be zero; no event is concerned, but something else than this program has written here"

// tail checks that nothing lies behind the groups and the footer.
func (c *sectionCheck) tail() error {
	if !c.seg.section().Full && c.st.comm != nil {
		return c.activeTail()
	}
	c.zeros(c.seg.unusedFrom(), math.MaxInt64, nil)
	return nil
}

// unusedFrom is where the space begins that nothing was written to.
func (s *segmentFile) unusedFrom() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.entry.End > 0 {
		return s.entry.End + footerSize(s.entry.Count)
	}
	return s.end
}

// activeTail checks the segment that is being written: between two groups what
// the next one may write, and the rest without holding it up.
func (c *sectionCheck) activeTail() error {
	var from int64
	err := c.st.between(func(*committer) {
		if from = c.seg.unusedFrom(); c.st.failed() == nil {
			c.zeros(from, from+2*maxGroupBytes, nil)
		}
	})
	if err == nil {
		err = c.st.failed()
	}
	if err == nil {
		c.zeros(from+2*maxGroupBytes, math.MaxInt64, c.seg.mayUse)
	}
	return err
}

// mayUse says whether the log has come so near to the offset since that a group
// or the footer under way may lie there.
func (s *segmentFile) mayUse(off int64) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.entry.End > 0 {
		return off < s.entry.End+footerSize(s.entry.Count)
	}
	return off < s.end+2*maxGroupBytes+footerSize(uint64(len(s.offsets)))
}

// zeros reports the first byte between from and to, or the end of the file,
// that is neither zero nor excused.
func (c *sectionCheck) zeros(from, to int64, excused func(off int64) bool) {
	info, err := c.file.Stat()
	if err != nil {
		c.fault(faultOf(err, c.sec.Name, from, meansTail))
		return
	}
	to = min(to, info.Size())
	buf := make([]byte, min(readChunk, max(to-from, 0)))
	for ; from < to; from += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), to-from)]
		if err := readFull(c.file, buf, from); err != nil {
			c.fault(faultOf(err, c.sec.Name, from, meansTail))
			return
		}
		if len(trimZeros(buf)) == 0 {
			continue
		}
		at := from + int64(len(buf)-len(bytes.TrimLeft(buf, "\x00")))
		if excused == nil || !excused(at) {
			c.fault(eventstore.Fault{File: c.sec.Name, Offset: at, What: "the unused space of the segment is not zero", Means: meansTail})
		}
		return
	}
}
