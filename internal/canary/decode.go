package canary

// decoder undoes one encoding wherever it may be used in data. What comes out
// may be more than was encoded, never less. least is the length of the
// shortest value and reach how far an encoded value can extend, in bytes.
type decoder struct {
	name string
	do   func(out *derived, data []byte, least, reach int)
}

func decoders() []decoder {
	return []decoder{
		{"hex", unhex},
		{"Base64", unbase64},
		{"URL", unescaper('%', unpercent)},
		{"JSON", unescaper('\\', unbackslash)},
		{"HTML", unescaper('&', unentity)},
		{"quoted-printable", unescaper('=', unquote)},
	}
}

const none = 0xFF

// digits gives the value of each digit, none for other bytes.
func digits(alphabet string) (t [256]byte) {
	for i := range t {
		t[i] = none
	}
	for i := range len(alphabet) {
		t[alphabet[i]] = byte(i)
	}
	return t
}

var (
	hexDigits = func() [256]byte {
		t := digits("0123456789abcdef")
		for i := byte(10); i < 16; i++ {
			t['A'+i-10] = i
		}
		return t
	}()
	base64Digits = func() [256]byte {
		t := digits("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
		t['-'], t['_'] = 62, 63
		return t
	}()
)

// unhex reads runs of digits as bytes, from the first digit and from the
// second: what is before a value may be a digit as well.
func unhex(out *derived, data []byte, least, _ int) {
	for i := 0; i < len(data); i++ {
		if hexDigits[data[i]] == none {
			continue
		}
		from := i
		for i < len(data) && hexDigits[data[i]] != none {
			i++
		}
		if i-from < 2*least {
			continue
		}
		for parity := range 2 {
			for j := from + parity; j+1 < i; j += 2 {
				out.put(hexDigits[data[j]]<<4|hexDigits[data[j+1]], j)
			}
			out.apart()
		}
	}
}

// unbase64 reads runs of digits of both alphabets from each of the first four
// digits. Line breaks within a run are left out.
func unbase64(out *derived, data []byte, least, _ int) {
	var run []byte // values of the digits
	var at []int   // and where they are
	for i := 0; i < len(data); i++ {
		if base64Digits[data[i]] == none {
			continue
		}
		run, at = run[:0], at[:0]
		for ; i < len(data); i++ {
			if d := base64Digits[data[i]]; d != none {
				run, at = append(run, d), append(at, i)
			} else if next := afterBreak(data, i); next > 0 && next < len(data) && base64Digits[data[next]] != none {
				i = next - 1
			} else {
				break
			}
		}
		if len(run)*6 < least*8 {
			continue
		}
		for first := range 4 {
			bits, n := uint(0), 0
			for j := first; j < len(run); j++ {
				bits, n = bits<<6|uint(run[j]), n+6
				if n >= 8 {
					n -= 8
					out.put(byte(bits>>n), at[j-1])
				}
			}
			out.apart()
		}
	}
}

// afterBreak is where the line after a break at i begins; 0 when there is no
// break.
func afterBreak(data []byte, i int) int {
	if data[i] == '\r' {
		i++
	}
	if i < len(data) && data[i] == '\n' {
		return i + 1
	}
	return 0
}

// unescaper undoes escapes that begin with a mark. Only the neighbourhood of
// an escape is given out: elsewhere nothing is encoded.
func unescaper(mark byte, undo func(data []byte) (text []byte, size int)) func(*derived, []byte, int, int) {
	return func(out *derived, data []byte, _, reach int) {
		done := 0 // up to here data was given out, or need not be
		for i := 0; i < len(data); i++ {
			if data[i] != mark {
				continue
			}
			if _, size := undo(data[i:]); size == 0 {
				continue
			}
			from := max(done, i-reach)
			if from > done {
				out.apart()
			}
			end := min(len(data), i+reach)
			for j := from; j < end; {
				if data[j] == mark {
					if text, size := undo(data[j:]); size > 0 {
						for _, b := range text {
							out.put(b, j)
						}
						end = min(len(data), max(end, j+reach))
						j += size
						done = j
						continue
					}
				}
				out.put(data[j], j)
				j++
				done = j
			}
			i = done - 1
		}
	}
}
