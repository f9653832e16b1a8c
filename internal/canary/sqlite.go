package canary

import (
	"bytes"
	"encoding/binary"
	"io"
)

// A database file (SQLite's fileformat2):
//
//	offset 0   "SQLite format 3\0"
//	      16   page size, 2 bytes; 1 stands for 65,536
//	      20   bytes that are left free at the end of each page
//
// and its write-ahead log: 32 bytes of header, then frames, each a header of
// 24 bytes and a page. Numbers are big-endian.
//
//	log   0   0x377f0682 or 0x377f0683
//	      8   page size
//	     16   salts, 8 bytes, of all frames that count
//	frame 0   number of the page
//	      8   salts
const (
	headSize    = 100
	walHead     = 32
	frameHead   = 24
	walSuffix   = "-wal"
	sqliteMagic = "SQLite format 3\x00"
	maxPage     = 65536
	maxPayload  = 64 << 20 // of one record, in bytes
)

func isDatabase(head []byte) bool {
	return len(head) == headSize && bytes.HasPrefix(head, []byte(sqliteMagic)) && pageSize(head) > 0
}

func isWAL(head []byte) bool {
	return len(head) >= walHead && binary.BigEndian.Uint32(head)&^1 == 0x377f0682 && powerOfTwo(int(binary.BigEndian.Uint32(head[8:])))
}

func pageSize(head []byte) int {
	n := int(binary.BigEndian.Uint16(head[16:]))
	if n == 1 {
		n = maxPage
	}
	if !powerOfTwo(n) {
		return 0
	}
	return n
}

func powerOfTwo(n int) bool { return n >= 512 && n <= maxPage && n&(n-1) == 0 }

// pages reads the pages of a database as they are now: the newest frame of
// the log, else the file.
type pages struct {
	main, wal io.ReaderAt // nil when not there
	size      int
	usable    int // bytes of a page
	frames    map[uint32]int64
	count     uint32
}

// openPages reads what sizes there are, and which frames count; false when
// that cannot be told.
func openPages(main io.ReaderAt, mainSize int64, wal io.ReaderAt) (*pages, bool) {
	p := &pages{main: main, wal: wal, frames: map[uint32]int64{}}
	head := make([]byte, headSize)
	if wal != nil {
		if _, err := wal.ReadAt(head[:walHead], 0); err == nil && isWAL(head[:walHead]) {
			p.size = int(binary.BigEndian.Uint32(head[8:]))
			p.index(head[16:24])
		}
	}
	if first := p.page(1, make([]byte, max(p.size, headSize))[:headSize]); first != nil && isDatabase(first) {
		p.size = pageSize(first)
		p.usable = p.size - int(first[20])
	} else if p.usable = p.size; p.size == 0 {
		return nil, false
	}
	if p.usable < 480 { // the format's least
		return nil, false
	}
	p.count = max(p.count, uint32(min(mainSize/int64(p.size), 1<<32-2)))
	return p, true
}

// index notes the newest frame of each page.
func (p *pages) index(salts []byte) {
	var head [frameHead]byte
	salts = bytes.Clone(salts)
	for at := int64(walHead); ; at += frameHead + int64(p.size) {
		if _, err := p.wal.ReadAt(head[:], at); err != nil {
			return
		}
		if !bytes.Equal(head[8:16], salts) {
			return // left from before the log began anew
		}
		no := binary.BigEndian.Uint32(head[:])
		p.frames[no] = at + frameHead
		p.count = max(p.count, no)
	}
}

// page reads the beginning of a page into buf; nil when it is not there.
func (p *pages) page(no uint32, buf []byte) []byte {
	from, at := p.main, int64(no-1)*int64(p.size)
	if frame, ok := p.frames[no]; ok {
		from, at = p.wal, frame
	}
	if no == 0 || from == nil {
		return nil
	}
	if _, err := from.ReadAt(buf, at); err != nil {
		return nil
	}
	return buf
}

// overflow appends what a record has on pages of its own, from page no on, up
// to size bytes in all.
//
//	0  next page, 4 bytes; 0 for none
//	4  content
func (p *pages) overflow(payload []byte, no uint32, size int, buf []byte) []byte {
	for steps := 0; no != 0 && len(payload) < size && steps <= maxPayload/480; steps++ {
		page := p.page(no, buf)
		if page == nil {
			break
		}
		payload = append(payload, page[4:min(p.usable, 4+size-len(payload))]...)
		no = binary.BigEndian.Uint32(page)
	}
	return payload
}
