package csvfile

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"lethe/domain"
)

// Bounds on what a file can make the reader hold.
const (
	maxColumns = 4096
	maxValue   = 1 << 20
	maxRecord  = 8 << 20
)

// reader reads records as RFC 4180 has them: quotes around a value, doubled
// inside it, line ends of either kind, also inside quotes.
type reader struct {
	in      *bufio.Reader
	comma   byte
	western bool  // the file is Windows-1252, not UTF-8
	line    int64 // of the next byte
	buf     []byte
	ends    []int
}

func newReader(in io.Reader, comma byte, western bool) *reader {
	return &reader{in: bufio.NewReaderSize(in, 256<<10), comma: comma, western: western, line: 1}
}

func refuse(code string, line int64, format string, args ...any) error {
	return domain.Invalid("csv."+code, "file", "line %d: %s", line, fmt.Sprintf(format, args...))
}

// next returns the next record and the line it begins on; io.EOF at the end.
// Empty lines are passed over.
func (r *reader) next() (fields []string, line int64, err error) {
	for {
		line = r.line
		r.buf, r.ends = r.buf[:0], r.ends[:0]
		if err := r.record(); err != nil {
			return nil, line, err
		}
		if len(r.ends) == 1 && r.ends[0] == 0 {
			continue
		}
		return r.fields(), line, nil
	}
}

func (r *reader) record() error {
	if _, err := r.in.Peek(1); err != nil {
		return err
	}
	for {
		last, err := r.value()
		if err != nil || last {
			return err
		}
	}
}

// value reads one value and what follows it; last when that is a line end.
func (r *reader) value() (last bool, err error) {
	start, began := len(r.buf), r.line
	quoted := false
	if b, _ := r.in.Peek(1); len(b) == 1 && b[0] == '"' {
		_, _ = r.in.Discard(1)
		quoted = true
		if err := r.quoted(start, began); err != nil {
			return false, err
		}
	}
	for {
		c, err := r.in.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return true, r.end(began)
		case err != nil:
			return false, err
		case c == r.comma:
			return false, r.end(began)
		case c == '\n':
			r.line++
			return true, r.end(began)
		case c == '\r' && r.followedByNewline():
			continue
		case quoted:
			return false, refuse("quote", r.line, "something follows the closing quote of a value; a quote inside a value is doubled")
		}
		if err := r.add(c, start, began); err != nil {
			return false, err
		}
	}
}

func (r *reader) followedByNewline() bool {
	b, err := r.in.Peek(1)
	return err != nil || b[0] == '\n'
}

// quoted reads up to the closing quote.
func (r *reader) quoted(start int, began int64) error {
	for {
		c, err := r.in.ReadByte()
		if errors.Is(err, io.EOF) {
			return refuse("truncated", began, "a quoted value begins here and does not end")
		}
		if err != nil {
			return err
		}
		if c == '\n' {
			r.line++
		}
		if c == '"' {
			if b, _ := r.in.Peek(1); len(b) == 0 || b[0] != '"' {
				return nil
			}
			_, _ = r.in.Discard(1)
		}
		if err := r.add(c, start, began); err != nil {
			return err
		}
	}
}

func (r *reader) add(c byte, start int, line int64) error {
	if len(r.buf)-start >= maxValue {
		return refuse("limit", line, "a value is longer than %d bytes", maxValue)
	}
	r.buf = append(r.buf, c)
	return nil
}

func (r *reader) end(line int64) error {
	if len(r.buf) > maxRecord {
		return refuse("limit", line, "a row is longer than %d bytes", maxRecord)
	}
	if len(r.ends) >= maxColumns {
		return refuse("limit", line, "a row has more than %d values", maxColumns)
	}
	r.ends = append(r.ends, len(r.buf))
	return nil
}

func (r *reader) fields() []string {
	all := string(r.buf)
	out := make([]string, len(r.ends))
	start := 0
	for i, end := range r.ends {
		out[i] = all[start:end]
		if r.western && !ascii(out[i]) {
			out[i], _ = charmap.Windows1252.NewDecoder().String(out[i])
		}
		start = end
	}
	return out
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// counted is a file that tells what was read of it and heeds its context.
type counted struct {
	ctx context.Context
	r   io.Reader
	n   func(int64)
}

func (c *counted) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.n(int64(n))
	return n, err
}

var (
	markUTF8  = []byte{0xEF, 0xBB, 0xBF}
	markUTF16 = [][]byte{{0xFF, 0xFE}, {0xFE, 0xFF}}
)

// isUTF8 goes over the whole file, since one value far down decides: there is
// no mark that tells ISO-8859-1 from UTF-8.
func isUTF8(in io.Reader) (bool, error) {
	buf := make([]byte, 256<<10)
	kept := 0
	for {
		n, err := in.Read(buf[kept:])
		n += kept
		valid := validPrefix(buf[:n])
		kept = copy(buf, buf[valid:n])
		if kept >= utf8.UTFMax {
			return false, nil
		}
		if errors.Is(err, io.EOF) {
			return kept == 0, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// validPrefix is how much of b is whole UTF-8.
func validPrefix(b []byte) int {
	if utf8.Valid(b) {
		return len(b)
	}
	i := 0
	for i < len(b) {
		_, n := utf8.DecodeRune(b[i:])
		if n == 1 && b[i] >= utf8.RuneSelf {
			return i
		}
		i += n
	}
	return i
}

// findDelimiter reads the beginning of the file with every mark and takes the
// one that cuts it into the most columns while most rows have as many as the
// first.
func findDelimiter(head []byte, whole bool) byte {
	best, most := byte(','), 1
	for _, comma := range []byte{',', ';', '\t', '|'} {
		r := newReader(bytes.NewReader(head), comma, false)
		var widths []int
		for len(widths) < 50 {
			fields, _, err := r.next()
			if err != nil {
				break
			}
			widths = append(widths, len(fields))
		}
		if !whole && len(widths) > 1 {
			widths = widths[:len(widths)-1] // the last one may be cut
		}
		if len(widths) == 0 || widths[0] <= most {
			continue
		}
		same := 0
		for _, w := range widths {
			if w-widths[0] <= 1 && widths[0]-w <= 1 { // a separator at the end of a line adds one
				same++
			}
		}
		if 10*same >= 9*len(widths) {
			best, most = comma, widths[0]
		}
	}
	return best
}
