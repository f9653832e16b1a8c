package sqldump

import (
	"bytes"
	"strings"
)

// plain marks the bytes that cannot begin or end anything in a statement.
var plain = func() (t [256]bool) {
	for i := range t {
		t[i] = true
	}
	for _, c := range []byte("'\"`;-#/$()\\") {
		t[c] = false
	}
	return t
}()

// skipStatement goes past the semicolon that ends the statement.
func (f *File) skipStatement(s *scanner, line int64) error {
	for {
		for s.pos < s.n && plain[s.buf[s.pos]] {
			s.pos++
		}
		if s.pos < s.n && s.buf[s.pos] == ';' {
			s.pos++
			return nil
		}
		if s.done() {
			return s.cut(line, "a statement")
		}
		if s.pos < s.n && !plain[s.buf[s.pos]] && s.buf[s.pos] != ';' {
			if err := f.skipToken(s); err != nil {
				return err
			}
		}
	}
}

// skipToken goes past one string, comment or dollar-quoted body, or else past
// one byte.
func (f *File) skipToken(s *scanner) error {
	switch c := s.peek(); {
	case c == '\'', c == '"', c == '`':
		return f.skipQuoted(s, c)
	case c == '-' && s.peekAt(1) == '-', c == '#' && !f.postgres, c == '/' && s.peekAt(1) == '*':
		return s.space()
	case c == '$' && f.postgres:
		return s.skipDollar()
	case (c == 'E' || c == 'e') && f.postgres && s.peekAt(1) == '\'':
		s.pos++
		return s.skipString('\'', true)
	default:
		s.pos++
		return nil
	}
}

// skipQuoted skips a string or a quoted identifier.
func (f *File) skipQuoted(s *scanner, quote byte) error {
	escapes := f.escapes && quote != '`'
	if before := s.before(); quote == '\'' && f.postgres && (before == 'E' || before == 'e') {
		escapes = true // skipStatement passed the E as a plain byte
	}
	return s.skipString(quote, escapes)
}

// skipString goes past a literal; a doubled quote is part of it.
func (s *scanner) skipString(quote byte, escapes bool) error {
	line := s.lineNow()
	s.pos++
	for !s.done() {
		for s.pos < s.n && s.buf[s.pos] != quote && s.buf[s.pos] != '\\' {
			s.pos++
		}
		if s.pos == s.n {
			continue
		}
		switch c := s.buf[s.pos]; {
		case c == '\\' && escapes:
			if !s.fill(2) {
				return s.cut(line, "a string")
			}
			s.pos += 2
		case c == quote:
			s.pos++
			if s.peek() != quote {
				return s.err
			}
			s.pos++
		default:
			s.pos++
		}
	}
	return s.cut(line, "a string")
}

// skipDollar goes past $tag$ … $tag$; a $ that begins no tag is one byte.
func (s *scanner) skipDollar() error {
	line := s.lineNow()
	s.fill(64)
	rest := s.buf[s.pos+1 : min(s.n, s.pos+64)]
	i := bytes.IndexByte(rest, '$')
	if i < 0 || bytes.ContainsAny(rest[:i], " \t\r\n,;()'\"") {
		s.pos++
		return nil
	}
	tag := string(s.buf[s.pos : s.pos+i+2])
	s.pos += len(tag)
	if !s.skipPast(tag) {
		return s.cut(line, "a quoted body")
	}
	return nil
}

// skipDelimited passes the sections in which statements end in another mark:
// triggers and routines, which hold no rows.
func (f *File) skipDelimited(s *scanner, line int64) error {
	if strings.TrimSpace(s.restOfLine()) == ";" {
		return nil
	}
	for !s.done() {
		at := s.restOfLine()
		word, rest, _ := strings.Cut(strings.TrimSpace(at), " ")
		if strings.EqualFold(word, "delimiter") && strings.TrimSpace(rest) == ";" {
			return nil
		}
	}
	return s.cut(line, "a DELIMITER section")
}

// restOfLine reads to the end of the line and returns its first bytes.
func (s *scanner) restOfLine() string {
	s.fill(256)
	b := s.buf[s.pos:min(s.n, s.pos+256)]
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		b = b[:i]
	}
	text := string(b)
	s.skipLine()
	return text
}

// skipCopy goes past COPY … FROM stdin; and its data.
func (f *File) skipCopy(s *scanner, line int64) error {
	if err := f.skipStatement(s, line); err != nil {
		return err
	}
	s.skipLine()
	for !s.done() {
		end := s.fill(3) && s.buf[s.pos] == '\\' && s.buf[s.pos+1] == '.' &&
			(s.buf[s.pos+2] == '\n' || s.buf[s.pos+2] == '\r')
		end = end || (s.n-s.pos == 2 && s.buf[s.pos] == '\\' && s.buf[s.pos+1] == '.')
		s.skipLine()
		if end {
			return nil
		}
	}
	return s.cut(line, "a COPY block")
}
