package keyring

import (
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"strconv"
	"strings"
)

// bucketSet is a set of buckets. As text it is a list of numbers and ranges:
// "0-6,8-255"; nothing is "".
type bucketSet [buckets / 64]uint64

func allBuckets() (s bucketSet) {
	for i := range s {
		s[i] = ^uint64(0)
	}
	return s
}

// setOf is a set of some buckets, of all when there are none.
func setOf(some []uint8) (s bucketSet) {
	if len(some) == 0 {
		return allBuckets()
	}
	for _, b := range some {
		s.add(b)
	}
	return s
}

func (s *bucketSet) add(b uint8)     { s[b/64] |= 1 << (b % 64) }
func (s bucketSet) has(b uint8) bool { return s[b/64]&(1<<(b%64)) != 0 }
func (s bucketSet) empty() bool      { return s == bucketSet{} }

func (s bucketSet) union(o bucketSet) bucketSet {
	for i := range s {
		s[i] |= o[i]
	}
	return s
}

// within reports whether o has all of s.
func (s bucketSet) within(o bucketSet) bool { return s.union(o) == o }

func (s bucketSet) count() (n int) {
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

func (s bucketSet) each() iter.Seq[uint8] {
	return func(yield func(uint8) bool) {
		for b := range buckets {
			if s.has(uint8(b)) && !yield(uint8(b)) { //nolint:gosec // below 256
				return
			}
		}
	}
}

func (s bucketSet) list() []uint8 {
	var out []uint8
	for b := range s.each() {
		out = append(out, b)
	}
	return out
}

func (s bucketSet) String() string {
	var parts []string
	for b := 0; b < buckets; b++ {
		first := b
		for b < buckets && s.has(uint8(b)) { //nolint:gosec // below 256
			b++
		}
		switch {
		case b == first:
		case b == first+1:
			parts = append(parts, strconv.Itoa(first))
		default:
			parts = append(parts, strconv.Itoa(first)+"-"+strconv.Itoa(b-1))
		}
	}
	return strings.Join(parts, ",")
}

// MarshalText is encoding.TextMarshaler's.
func (s bucketSet) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what String writes, and nothing else.
func (s *bucketSet) UnmarshalText(text []byte) error {
	*s = bucketSet{}
	if len(text) == 0 {
		return nil
	}
	for one := range strings.SplitSeq(string(text), ",") {
		first, last, ranged := strings.Cut(one, "-")
		if !ranged {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 8)
		to, err2 := strconv.ParseUint(last, 10, 8)
		if err1 != nil || err2 != nil {
			return errBuckets
		}
		for b := from; b <= to; b++ {
			s.add(uint8(b)) //nolint:gosec // below 256
		}
	}
	if s.String() != string(text) {
		return errBuckets
	}
	return nil
}

var errBuckets = errors.New("buckets are numbers and ranges from 0 to 255, in order")

// FormatBuckets is buckets as text: numbers and ranges, "0-6,8-255".
func FormatBuckets(some []uint8) string {
	var s bucketSet
	for _, b := range some {
		s.add(b)
	}
	return s.String()
}

// BucketOf tells which bucket's epoch key wraps the keys of an owner.
func BucketOf(owner string) uint8 { return bucketOf(owner) }

// rowOwner is an owner as a row of keys has it: its bucket in two hexadecimal
// digits, then the owner. So the rows of a bucket lie together, and rotating
// one of them reads no others.
type rowOwner string

// bucketPrefix is how the rows of a bucket begin.
func bucketPrefix(b uint8) string { return hex.EncodeToString([]byte{b}) }

// Value implements driver.Valuer.
func (o rowOwner) Value() (driver.Value, error) {
	return bucketPrefix(bucketOf(string(o))) + string(o), nil
}

// Scan implements sql.Scanner. An owner in a foreign bucket stays as it is, so
// that the row's MAC does not fit.
func (o *rowOwner) Scan(src any) error {
	stored, ok := src.(string)
	if !ok {
		return fmt.Errorf("sql: Scan error on column owner: it is a %T", src)
	}
	*o = rowOwner(stored)
	if len(stored) > 2 && bucketPrefix(bucketOf(stored[2:])) == stored[:2] {
		*o = rowOwner(stored[2:])
	}
	return nil
}

// ranges are the runs of neighbours in a set: first and last of each.
func (s bucketSet) ranges() iter.Seq2[uint8, uint8] {
	return func(yield func(first, last uint8) bool) {
		for b := 0; b < buckets; b++ {
			if !s.has(uint8(b)) { //nolint:gosec // below 256
				continue
			}
			first := b
			for b+1 < buckets && s.has(uint8(b+1)) { //nolint:gosec // below 256
				b++
			}
			if !yield(uint8(first), uint8(b)) { //nolint:gosec // below 256
				return
			}
		}
	}
}
