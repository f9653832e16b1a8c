package sqldump

import "strings"

const maxIdentifier = 256

func isQuote(c byte) bool { return c == '`' || c == '"' }

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// keyword reads a plain word in lower case; "" when there is none.
func (s *scanner) keyword() string { return strings.ToLower(s.word()) }

// word reads a plain word of bounded length.
func (s *scanner) word() string {
	s.fill(maxIdentifier + 1)
	i := s.pos
	for i < s.n && i-s.pos <= maxIdentifier && isWord(s.buf[i]) {
		i++
	}
	w := string(s.buf[s.pos:i])
	s.pos = i
	return w
}

// identifier reads a plain or a quoted name; "" when there is none.
func (s *scanner) identifier() (string, error) {
	quote := s.peek()
	if !isQuote(quote) {
		return s.word(), nil
	}
	line := s.lineNow()
	s.pos++
	var name []byte
	for !s.done() {
		c := s.buf[s.pos]
		s.pos++
		if c == quote {
			if s.peek() != quote {
				return string(name), s.err
			}
			s.pos++
		}
		if len(name) >= maxIdentifier {
			return "", refuse("limit", line, "a name is longer than %d bytes", maxIdentifier)
		}
		name = append(name, c)
	}
	return "", s.cut(line, "a name")
}
