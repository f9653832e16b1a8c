package canary

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
)

const (
	windowSize = 1 << 20
	maxDepth   = 3 // encodings undone in a row
)

// reach is how long an encoded value can be, in bytes; windows overlap by it.
func (v *Values) reach() int { return min(max(6*v.longest+64, 1<<10), windowSize/4) }

// searcher searches one thing at a time. It is used by one goroutine.
type searcher struct {
	v        *Values
	found    *found
	unread   func(why string) // of the file that is searched
	done     func(bytes int64)
	folded   []byte
	decoders []decoder
	undone   [maxDepth][]derived // by depth and decoder
	buffer   [2][]byte           // of a file, and of what is unpacked from it
	packed   unpackers           // of files
	inner    unpackers           // of what else may be packed
}

func newSearcher(v *Values, f *found) *searcher {
	s := &searcher{v: v, found: f, unread: func(string) {}, done: func(int64) {}}
	s.decoders = append(decoders(), decoder{"packed", nil})
	for i := range s.undone {
		s.undone[i] = make([]derived, len(s.decoders))
	}
	return s
}

// stream searches what r gives, window by window. section opens it again at a
// place, for what is packed in it; nil when it cannot.
func (s *searcher) stream(ctx context.Context, r io.Reader, o origin, section func(at int64) io.Reader) error {
	buf := s.windowBuffer(o)
	overlap, kept, base := s.v.reach(), 0, int64(0)
	t := newTally(s.found, o)
	defer t.close()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(r, buf[kept:overlap+windowSize])
		if n > 0 {
			p := &piece{data: buf[:kept+n], base: base, how: o.how, depth: o.depth, file: section != nil}
			t.window++
			if len(bytes.TrimLeft(p.data, "\x00")) > 0 { // else space that was set aside
				s.piece(p, t)
			}
			if unpacking := s.unpack(ctx, p, kept, o, section); unpacking != nil {
				return unpacking
			}
			if o.depth == 0 {
				s.done(int64(n))
			}
		}
		if err != nil {
			return eof(err)
		}
		keep := min(overlap, kept+n)
		base += int64(kept + n - keep)
		copy(buf, buf[kept+n-keep:kept+n])
		kept = keep
	}
}

func eof(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF { //nolint:errorlint // as io.ReadFull returns them
		return nil
	}
	return fmt.Errorf("reading: %w", err)
}

// windowBuffer has room for a window and its padding. A file and what is
// unpacked from it are read in turns.
func (s *searcher) windowBuffer(o origin) []byte {
	b := &s.buffer[min(o.depth, 1)]
	if *b == nil {
		*b = make([]byte, s.v.reach()+windowSize+padding)
	}
	return *b
}

// piece searches bytes as they are, and as what they may encode.
func (s *searcher) piece(p *piece, t *tally) {
	s.folded = fold(s.folded[:0], p.data)
	s.folded = append(s.folded, make([]byte, padding)...)
	s.v.search(s.folded[:len(p.data)], func(at, size int, f *form, c charset) {
		if p.at != nil && int(p.at[at+size-1]-p.at[at]) == size-1 {
			return // nothing was encoded here: the piece around it has the same
		}
		t.hit(int(f.line), p.how+f.kind.encoding(c), p.offset(at))
	})
	if p.depth >= maxDepth {
		return
	}
	for i, d := range s.decoders {
		out := &s.undone[p.depth][i]
		if d.do == nil {
			s.unpackPiece(p, out, t)
			continue
		}
		out.reset()
		d.do(out, p.data, s.v.least, s.v.reach())
		if len(out.data) >= s.v.least {
			s.piece(out.piece(p, d.name), t)
		}
	}
}

// names searches a name, such as a file's, and tells whether it holds a value.
func (s *searcher) name(name string) bool {
	held := false
	s.text(name, func(int, string) { held = true })
	return held
}

// text searches a short text.
func (s *searcher) text(text string, hit func(line int, how string)) {
	t := newTally(nil, origin{})
	t.each = hit
	s.piece(&piece{data: append(make([]byte, 0, len(text)+padding), text...)}, t)
}

// withheld stands for a name that holds a value.
const withheld = "[name withheld]"

// safe gives a name that may be shown.
func (s *searcher) safe(name string) string {
	if !s.name(name) {
		return name
	}
	parts := strings.Split(name, "/")
	for i, p := range parts {
		if s.name(p) {
			parts[i] = withheld
		}
	}
	if name = strings.Join(parts, "/"); s.name(name) { // it goes across a slash
		return withheld
	}
	return name
}

// Search searches bytes in memory, such as a log. Offsets are those in data.
func (v *Values) Search(data []byte) []Finding {
	s := newSearcher(v, &found{})
	t := newTally(s.found, origin{at: -1})
	s.piece(&piece{data: data}, t)
	t.close()
	s.found.cut()
	return s.found.kept
}
