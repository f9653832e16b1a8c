package sqldump

import (
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// value reads one value of a tuple.
func (r *rowReader) value(line int64) error {
	s, v := r.s, &r.values
	v.begin()
	switch c := s.peek(); {
	case c == '\'' || c == '"' && !r.f.postgres:
		if err := r.str(c, r.f.escapes, line); err != nil {
			return err
		}
	case c == '-' || c == '+' || c == '.' || c >= '0' && c <= '9':
		if err := r.number10(line); err != nil {
			return err
		}
	case isWord(c):
		if err := r.wordValue(line); err != nil {
			return err
		}
	default:
		v.opaque = true
	}
	if err := r.tail(line); err != nil {
		return err
	}
	return v.end(r.f.limits, line)
}

// wordValue reads NULL, TRUE, X'…', _utf8'…' and the like; any other word is
// the beginning of an expression.
func (r *rowReader) wordValue(line int64) error {
	s, v := r.s, &r.values
	word := s.keyword()
	if word == "null" {
		v.null = true
		return nil
	}
	if word == "true" || word == "false" {
		return v.add("01"[b2i(word == "true")], r.f.limits, line)
	}
	if strings.HasPrefix(word, "_") { // a character set before the literal
		if err := s.space(); err != nil {
			return err
		}
		if s.peek() != '\'' && s.peek() != '"' {
			word = s.keyword()
		}
	}
	if s.peek() != '\'' && (s.peek() != '"' || r.f.postgres) {
		if strings.HasPrefix(word, "0x") {
			return r.hexText(word[2:], line)
		}
		v.opaque = true
		return nil
	}
	if err := r.str(s.peek(), r.f.escapes || word == "e", line); err != nil {
		return err
	}
	return r.radix(word, line)
}

// radix turns what stood between the quotes of X'…' and B'…' into its value.
func (r *rowReader) radix(word string, line int64) error {
	switch word {
	case "x":
		return r.hexText(r.values.cut(), line)
	case "b":
		n, err := strconv.ParseUint(r.values.cut(), 2, 64)
		if err != nil {
			r.values.opaque = true
			return nil
		}
		return r.values.addString(strconv.FormatUint(n, 10), r.f.limits, line)
	}
	return nil
}

func (r *rowReader) hexText(digits string, line int64) error {
	b, err := hex.DecodeString(digits)
	if err != nil {
		r.values.opaque = true
		return nil
	}
	return r.values.addString(string(b), r.f.limits, line)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// number10 copies a number as it is written; 0x… is text.
func (r *rowReader) number10(line int64) error {
	s := r.s
	if s.peek() == '0' && (s.peekAt(1) == 'x' || s.peekAt(1) == 'X') {
		s.pos += 2
		var digits []byte
		for !s.done() && isWord(s.buf[s.pos]) {
			if len(digits) > 2*r.f.limits.Value {
				return refuse("limit", line, "a value is longer than %d bytes", r.f.limits.Value)
			}
			digits = append(digits, s.buf[s.pos])
			s.pos++
		}
		return r.hexText(string(digits), line)
	}
	for !s.done() {
		c := s.buf[s.pos]
		if !isWord(c) && c != '.' && c != '-' && c != '+' {
			return nil
		}
		if err := r.values.add(c, r.f.limits, line); err != nil {
			return err
		}
		s.pos++
	}
	return s.err
}

// tail passes what may stand between a literal and its comma: a second
// literal that continues it, a cast, the rest of an expression.
func (r *rowReader) tail(line int64) error {
	cast := false
	for depth := 0; ; {
		if err := r.s.space(); err != nil {
			return err
		}
		switch c := r.s.peek(); {
		case r.s.done():
			return r.s.cut(line, "a row")
		case depth == 0 && (c == ',' || c == ')'):
			return nil
		case c == '(':
			depth++
			r.s.pos++
		case c == ')':
			depth--
			r.s.pos++
		case c == '\'' && depth == 0 && !cast && !r.values.opaque && !r.values.null:
			if err := r.str(c, r.f.escapes, line); err != nil {
				return err
			}
			continue
		default:
			cast = cast || c == ':'
			if err := r.f.skipToken(r.s); err != nil {
				return err
			}
		}
		if !cast {
			r.values.opaque = true
		}
	}
}

// str reads a literal into the value.
func (r *rowReader) str(quote byte, escapes bool, line int64) error {
	s, v := r.s, &r.values
	began := s.lineNow()
	s.pos++
	for !s.done() {
		i := s.pos
		for i < s.n && s.buf[i] != quote && s.buf[i] != '\\' {
			i++
		}
		if err := v.addBytes(s.buf[s.pos:i], r.f.limits, line); err != nil {
			return err
		}
		if s.pos = i; i == s.n {
			continue
		}
		c := s.buf[s.pos]
		s.pos++
		switch {
		case c == quote:
			if s.peek() != quote {
				return s.err
			}
			s.pos++
		case escapes:
			if s.done() {
				return s.cut(began, "a string")
			}
			c = unescape(s.buf[s.pos])
			s.pos++
		}
		if err := v.add(c, r.f.limits, line); err != nil {
			return err
		}
	}
	return s.cut(began, "a string")
}

// unescape is MySQL's table of escape sequences; \% and \_ lose their
// backslash, which only a pattern would need.
func unescape(c byte) byte {
	switch c {
	case '0':
		return 0
	case 'b':
		return '\b'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'Z':
		return 26
	}
	return c
}

// collector gathers a row's values in one buffer.
type collector struct {
	buf          []byte
	start        int
	ends         []int
	marks        []Value // Null and Opaque only
	null, opaque bool
}

func (v *collector) reset() {
	v.buf, v.ends, v.marks = v.buf[:0], v.ends[:0], v.marks[:0]
}

func (v *collector) begin() { v.start, v.null, v.opaque = len(v.buf), false, false }

// empty reports whether nothing of the row was read yet.
func (v *collector) empty() bool { return len(v.buf) == 0 && len(v.ends) == 0 && !v.null }

// cut takes back what the value has so far.
func (v *collector) cut() string {
	s := string(v.buf[v.start:])
	v.buf = v.buf[:v.start]
	return s
}

func (v *collector) add(c byte, l Limits, line int64) error {
	if len(v.buf)-v.start >= l.Value {
		return refuse("limit", line, "a value is longer than %d bytes", l.Value)
	}
	v.buf = append(v.buf, c)
	return nil
}

func (v *collector) addString(s string, l Limits, line int64) error {
	return v.addBytes([]byte(s), l, line)
}

func (v *collector) addBytes(b []byte, l Limits, line int64) error {
	if len(v.buf)-v.start+len(b) > l.Value {
		return refuse("limit", line, "a value is longer than %d bytes", l.Value)
	}
	v.buf = append(v.buf, b...)
	return nil
}

func (v *collector) end(l Limits, line int64) error {
	if len(v.buf) > l.Row {
		return refuse("limit", line, "a row is longer than %d bytes", l.Row)
	}
	if len(v.ends) >= l.Columns {
		return refuse("limit", line, "a row has more than %d values", l.Columns)
	}
	if v.null || v.opaque {
		v.buf = v.buf[:v.start]
	}
	v.ends = append(v.ends, len(v.buf))
	v.marks = append(v.marks, Value{Null: v.null || v.opaque, Opaque: v.opaque})
	return nil
}

// take returns the values; they share one string.
func (v *collector) take() []Value {
	all := string(v.buf)
	valid := utf8.ValidString(all)
	out := make([]Value, len(v.ends))
	start := 0
	for i, end := range v.ends {
		out[i] = v.marks[i]
		out[i].Text = all[start:end]
		if !valid && !utf8.ValidString(out[i].Text) {
			out[i].Text = western(out[i].Text)
		}
		start = end
	}
	return out
}

// western reads text that is no UTF-8 as Windows-1252, the superset of
// ISO-8859-1 that is meant by it in practice.
func western(s string) string {
	t, err := charmap.Windows1252.NewDecoder().String(s)
	if err != nil {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return t
}
