package standing

// Seen remembers, in a fixed 4 MiB, which people a fold that began on empty
// tables has met. It answers "never met" with certainty, so that a rebuild
// need not look in the tables for somebody who is new; "met" may be wrong, for
// one person in a thousand at two million people, and only costs the look.
type Seen struct{ bits []uint64 }

const seenBits = 1 << 25

// NewSeen has met nobody.
func NewSeen() *Seen { return &Seen{bits: make([]uint64, seenBits/64)} }

// Meet reports whether the person may have been met before, and meets them.
// A nil Seen knows nobody and rules nobody out.
func (s *Seen) Meet(token string) (before bool) {
	if s == nil {
		return true
	}
	h := uint64(14695981039346656037) // FNV-1a; tokens are random already
	for i := range len(token) {
		h = (h ^ uint64(token[i])) * 1099511628211
	}
	step := h>>32 | 1
	before = true
	for i := range uint64(6) {
		bit := (h + i*step) % seenBits
		before = before && s.bits[bit/64]&(1<<(bit%64)) != 0
		s.bits[bit/64] |= 1 << (bit % 64)
	}
	return before
}
