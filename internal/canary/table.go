package canary

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// A table finds forms by a window of a fixed width. Of each form, in each
// encoding, it holds the window that the fewest other forms have, so that
// values with a common beginning are told apart at once.
//
//	window → hash → two bits in a word of the filter (else nothing begins here)
//	              → bucket of entries → comparison of the whole form
type table struct {
	width   int
	mask    uint64 // of the bytes of a window, read as a little-endian number
	filter  []uint64
	word    int      // hash >> word is a word of the filter
	counted int      // hash >> counted is a counter, while the table is made
	shift   int      // hash >> shift is a bucket
	buckets []uint32 // where each begins in entries; one more for the end
	entries []entry
}

type entry struct {
	form    uint32
	at      uint16 // of the window in the encoded form
	charset charset
}

type charset uint8

const (
	utf8Text charset = iota
	utf16LE
	utf16BE
	charsets
)

func (c charset) String() string { return [...]string{"UTF-8", "UTF-16LE", "UTF-16BE"}[c] }

// padding is what data to be searched has behind its end, so that windows can
// be read eight bytes at a time.
const padding = 8

const multiplier = 0x9E3779B97F4A7C15

func hash(window uint64) uint64 {
	h := window * multiplier
	return h ^ h>>32
}

// build makes the tables of the forms.
func (v *Values) build() {
	v.longest = longestOf(v.forms)
	for _, width := range []int{4, 6, 8} {
		t := table{width: width, mask: 1<<(8*width) - 1}
		if width == 8 {
			t.mask = ^uint64(0)
		}
		counts := t.count(v)
		if counts == nil {
			continue
		}
		t.fill(v, counts)
		v.tables = append(v.tables, t)
	}
}

// each calls do for every form that belongs in the table, in its encodings.
// text has padding behind it within its capacity.
func (t *table) each(v *Values, do func(form int, c charset, text []byte)) {
	var buf []byte
	for i := range v.forms {
		for c := range charsets {
			if v.forms[i].kind >= latin && c != utf8Text {
				break
			}
			buf = appendForm(buf[:0], v.textOf(&v.forms[i]), c)
			if n := len(buf); n >= max(t.width, v.bound) && (t.width == 8 || n < t.width+2) {
				buf = append(buf, make([]byte, padding)...)
				do(i, c, buf[:n])
			}
		}
	}
}

func (v *Values) textOf(f *form) []byte { return v.text[f.from : f.from+uint32(f.size)] }

// window reads the window at i of a text with padding.
func (t *table) window(text []byte, i int) uint64 {
	return binary.LittleEndian.Uint64(text[i:i+padding]) & t.mask
}

// count counts how often each window occurs; nil when there is none.
func (t *table) count(v *Values) (counts []uint16) {
	log := min(max(bits.Len(uint(len(v.forms)))+5, 10), 22)
	t.counted = 64 - log
	t.each(v, func(_ int, _ charset, text []byte) {
		if counts == nil {
			counts = make([]uint16, 1<<log)
		}
		for i := range len(text) - t.width + 1 {
			if n := &counts[hash(t.window(text, i))>>t.counted]; *n < 1<<16-1 {
				*n++
			}
		}
	})
	return counts
}

// fill chooses each form's window and makes the table of them.
func (t *table) fill(v *Values, counts []uint16) {
	type chosen struct {
		hash uint64
		entry
	}
	var all []chosen
	t.each(v, func(form int, c charset, text []byte) {
		best, at, least := uint64(0), 0, 1<<16
		for i := range len(text) - t.width + 1 {
			h := hash(t.window(text, i))
			if n := int(counts[h>>t.counted]); n < least {
				best, at, least = h, i, n
			}
		}
		all = append(all, chosen{best, entry{form: uint32(form), at: uint16(at), charset: c}})
	})
	log := min(bits.Len(uint(len(all))), 22)
	t.filter, t.word = make([]uint64, 1<<log), 64-log
	t.shift = 64 - max(bits.Len(uint(len(all))), 4)
	t.buckets = make([]uint32, 1<<(64-t.shift)+1)
	t.entries = make([]entry, len(all))
	for _, c := range all {
		t.filter[c.hash>>t.word] |= twoBits(c.hash)
		t.buckets[c.hash>>t.shift+1]++
	}
	for i := 1; i < len(t.buckets); i++ {
		t.buckets[i] += t.buckets[i-1]
	}
	next := append([]uint32{}, t.buckets...)
	for _, c := range all {
		at := &next[c.hash>>t.shift]
		t.entries[*at] = c.entry
		*at++
	}
}

func twoBits(h uint64) uint64 { return 1<<(h&63) | 1<<(h>>6&63) }

// search calls hit for every form in data, which is in lower case and has
// padding behind it within its capacity.
func (v *Values) search(data []byte, hit func(at, size int, f *form, c charset)) {
	for i := range v.tables {
		v.tables[i].search(v, data, hit)
	}
}

func (t *table) search(v *Values, data []byte, hit func(at, size int, f *form, c charset)) {
	padded := data[:len(data)+padding]
	var form []byte
	for i := range len(data) - t.width + 1 {
		h := hash(t.window(padded, i))
		if bits := twoBits(h); t.filter[h>>t.word]&bits != bits {
			continue
		}
		bucket := h >> t.shift
		for _, e := range t.entries[t.buckets[bucket]:t.buckets[bucket+1]] {
			from := i - int(e.at)
			f := &v.forms[e.form]
			if from < 0 || from+int(f.size) > len(data) {
				continue
			}
			form = appendForm(form[:0], v.textOf(f), e.charset)
			if bytes.HasPrefix(data[from:], form) {
				hit(from, len(form), f, e.charset)
			}
		}
	}
}

// appendForm appends a form in an encoding, brought to lower case byte by
// byte as the data is.
func appendForm(dst, text []byte, c charset) []byte {
	if c == utf8Text {
		return append(dst, text...)
	}
	unit := func(u uint16) {
		hi, lo := folded[byte(u>>8)], folded[byte(u)]
		if c == utf16LE {
			hi, lo = lo, hi
		}
		dst = append(dst, hi, lo)
	}
	for len(text) > 0 {
		if b := text[0]; b < utf8.RuneSelf {
			if text = text[1:]; c == utf16LE {
				dst = append(dst, b, 0)
			} else {
				dst = append(dst, 0, b)
			}
			continue
		}
		r, n := utf8.DecodeRune(text)
		text = text[n:]
		if r < 1<<16 {
			unit(uint16(r))
			continue
		}
		a, b := utf16.EncodeRune(r)
		unit(uint16(a))
		unit(uint16(b))
	}
	return dst
}
