package leaf

import (
	"encoding/binary"
	"fmt"
	"iter"
)

// An entry bundle is up to 256 entries, each as its length in two bytes,
// big-endian, and its bytes (C2SP tlog-tiles, "Log entries").

// AppendEntry adds an entry to a bundle. It has at most MaxSize bytes.
func AppendEntry(bundle, entry []byte) []byte {
	return append(binary.BigEndian.AppendUint16(bundle, uint16(len(entry))), entry...)
}

// Entries yields the entries of a bundle, which alias it. A bundle that ends
// within an entry ends with ErrMalformed.
func Entries(bundle []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for len(bundle) > 0 {
			if len(bundle) < 2 || len(bundle)-2 < int(binary.BigEndian.Uint16(bundle)) {
				yield(nil, fmt.Errorf("%w: the bundle ends within an entry", ErrMalformed))
				return
			}
			n := 2 + int(binary.BigEndian.Uint16(bundle))
			if !yield(bundle[2:n:n], nil) {
				return
			}
			bundle = bundle[n:]
		}
	}
}
