package canary

import (
	"bytes"
	"html"
	"unicode/utf16"
	"unicode/utf8"
)

// The functions of this file undo one escape at the beginning of data, and say
// how many bytes it has; 0 when there is none.

// unpercent: %41 (RFC 3986, 2.1).
func unpercent(data []byte) (text []byte, size int) {
	if b, ok := hexByte(data, 1); ok {
		return []byte{b}, 3
	}
	return nil, 0
}

func hexByte(data []byte, i int) (byte, bool) {
	if len(data) < i+2 || hexDigits[data[i]] == none || hexDigits[data[i+1]] == none {
		return 0, false
	}
	return hexDigits[data[i]]<<4 | hexDigits[data[i+1]], true
}

// unquote: =41, and = at the end of a line (RFC 2045, 6.7).
func unquote(data []byte) (text []byte, size int) {
	if b, ok := hexByte(data, 1); ok {
		return []byte{b}, 3
	}
	if len(data) > 1 {
		if next := afterBreak(data, 1); next > 0 {
			return nil, next
		}
	}
	return nil, 0
}

// unbackslash: \n, \" and \u0041 (RFC 8259, 7) and \x41.
func unbackslash(data []byte) (text []byte, size int) {
	if len(data) < 2 {
		return nil, 0
	}
	switch data[1] {
	case '"', '\\', '/', '\'':
		return data[1:2], 2
	case 'u':
		return unicodeEscape(data)
	case 'x':
		if b, ok := hexByte(data, 2); ok {
			return []byte{b}, 4
		}
		return nil, 0
	}
	if i := bytes.IndexByte([]byte("bfnrt"), data[1]); i >= 0 {
		return []byte{"\b\f\n\r\t"[i]}, 2
	}
	return nil, 0
}

func unicodeEscape(data []byte) (text []byte, size int) {
	r, ok := codeUnit(data)
	if !ok {
		return nil, 0
	}
	if utf16.IsSurrogate(r) {
		if low, ok := codeUnit(data[6:]); ok {
			if full := utf16.DecodeRune(r, low); full != utf8.RuneError {
				return utf8.AppendRune(nil, full), 12
			}
		}
	}
	return utf8.AppendRune(nil, r), 6
}

func codeUnit(data []byte) (rune, bool) {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return 0, false
	}
	hi, ok1 := hexByte(data, 2)
	lo, ok2 := hexByte(data, 4)
	return rune(hi)<<8 | rune(lo), ok1 && ok2
}

// maxEntity bounds the name of a character reference, in bytes.
const maxEntity = 12

// unentity: &amp; and &#65; and &#x41; (HTML, 13.5).
func unentity(data []byte) (text []byte, size int) {
	if len(data) < 3 || data[1] != '#' && (data[1]|0x20 < 'a' || data[1]|0x20 > 'z') {
		return nil, 0
	}
	end := bytes.IndexByte(data[:min(len(data), maxEntity)], ';')
	if end < 0 {
		return nil, 0
	}
	reference := string(data[:end+1])
	if s := html.UnescapeString(reference); s != reference {
		return []byte(s), end + 1
	}
	return nil, 0
}
