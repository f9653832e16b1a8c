package sqldump

import (
	"bytes"
	"context"
	"errors"
	"io"
)

const bufferSize = 256 << 10

// scanner is a window that moves over a part of the file. It counts lines,
// looks at most one window ahead, and stops at its end as at the end of file.
type scanner struct {
	ctx      context.Context
	r        io.ReaderAt
	buf      []byte
	pos, n   int   // unread bytes are buf[pos:n]
	at       int64 // offset of buf[0]
	end      int64 // read no further
	line     int64 // line of buf[counted]
	counted  int
	prev     byte // the byte before buf[0]
	progress func(int64)
	err      error // why there is no more, unless it is the end
}

func newScanner(ctx context.Context, r io.ReaderAt, start, end, line int64, progress func(int64)) *scanner {
	return &scanner{
		ctx: ctx, r: r, buf: make([]byte, bufferSize),
		at: start, end: end, line: line, progress: progress,
	}
}

// offset is where the next byte stands in the file.
func (s *scanner) offset() int64 { return s.at + int64(s.pos) }

// lineNow is the line of the next byte. It counts on from where it was asked
// last, so asking for every row costs nothing.
func (s *scanner) lineNow() int64 {
	s.line += int64(bytes.Count(s.buf[s.counted:s.pos], newline))
	s.counted = s.pos
	return s.line
}

var newline = []byte{'\n'}

// fill makes at least want bytes unread if the file has them.
func (s *scanner) fill(want int) bool {
	for s.n-s.pos < want {
		if !s.more() {
			return false
		}
	}
	return true
}

// more drops what was read and reads on; false at the end and on an error.
func (s *scanner) more() bool {
	if s.err != nil {
		return false
	}
	if s.err = s.ctx.Err(); s.err != nil {
		return false
	}
	s.lineNow()
	s.counted = 0
	s.prev = s.before()
	s.at += int64(s.pos)
	s.n = copy(s.buf, s.buf[s.pos:s.n])
	s.pos = 0
	room := int64(len(s.buf) - s.n)
	if left := s.end - s.at - int64(s.n); left < room {
		room = left
	}
	if room <= 0 {
		return false
	}
	got, err := s.r.ReadAt(s.buf[s.n:s.n+int(room)], s.at+int64(s.n))
	s.n += got
	if s.progress != nil {
		s.progress(int64(got))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return got > 0
}

// peek is the next byte, 0 at the end. A dump has no NUL outside a literal.
func (s *scanner) peek() byte {
	if s.pos == s.n && !s.fill(1) {
		return 0
	}
	return s.buf[s.pos]
}

// peekAt is the byte i places on, 0 past the end.
func (s *scanner) peekAt(i int) byte {
	if !s.fill(i + 1) {
		return 0
	}
	return s.buf[s.pos+i]
}

// done reports whether there is nothing left.
func (s *scanner) done() bool { return s.pos == s.n && !s.fill(1) }

// before is the last byte read.
func (s *scanner) before() byte {
	if s.pos > 0 {
		return s.buf[s.pos-1]
	}
	return s.prev
}

// skipLine goes past the end of the line.
func (s *scanner) skipLine() {
	for !s.done() {
		if i := bytes.IndexByte(s.buf[s.pos:s.n], '\n'); i >= 0 {
			s.pos += i + 1
			return
		}
		s.pos = s.n
	}
}

// skipPast goes past the next occurrence of mark; false when there is none.
func (s *scanner) skipPast(mark string) bool {
	for s.fill(len(mark)) {
		if i := bytes.Index(s.buf[s.pos:s.n], []byte(mark)); i >= 0 {
			s.pos += i + len(mark)
			return true
		}
		s.pos = s.n - len(mark) + 1
		if !s.more() {
			return false
		}
	}
	return false
}

// space skips white space and comments. MySQL's conditional comments are
// comments here: what they hold is settings, never rows.
func (s *scanner) space() error {
	for {
		switch c := s.peek(); {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f':
			s.pos++
		case c == '#':
			s.skipLine()
		case c == '-' && s.peekAt(1) == '-':
			s.skipLine()
		case c == '/' && s.peekAt(1) == '*':
			line := s.lineNow()
			s.pos += 2
			if !s.skipPast("*/") {
				return s.cut(line, "a comment")
			}
		default:
			return s.err
		}
	}
}

// cut is the error for what began on a line and never ends.
func (s *scanner) cut(line int64, what string) error {
	if s.err != nil {
		return s.err
	}
	return refuse("truncated", line, "%s begins here and does not end: the file was cut off", what)
}
