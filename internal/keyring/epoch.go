package keyring

import (
	"crypto/cipher"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"time"

	"lethe/domain"
	"lethe/internal/part"
)

// buckets is how many epoch keys are in use at a time.
const buckets = 256

// bucketOf spreads owners over the epoch keys, so that one of them can be
// rotated urgently without touching the others.
func bucketOf(owner string) uint8 { return uint8(crc32.ChecksumIEEE([]byte(owner))) } //nolint:gosec // truncation wanted

// epochSequence names one state of the epoch keys. The upper half counts the
// changes. The lower half is random, so that two changes that were both begun
// from one state, such as one that a crash cut and a later one, are told apart.
type epochSequence uint64

func (s epochSequence) counter() uint64 { return uint64(s) >> 32 }

// epoch is one epoch key.
type epoch struct {
	bucket  uint8
	number  uint32 // those made together have one
	made    time.Time
	wrapped []byte
	aead    cipher.AEAD
}

// goneEpoch is what stays of epoch keys that were deleted: those of one number
// that were retired together. The key itself is in no file any more that was
// confirmed.
type goneEpoch struct {
	number  uint32
	buckets bucketSet
	made    time.Time
	retired time.Time
	removed epochSequence // of the first state without them
	copies  []epochCopy   // a place each that held them
}

// epochCopy is a place that held a retired key, and since when it does not.
type epochCopy struct {
	place PlaceID
	at    time.Time // zero: not known to be deleted there
}

// PlaceID names one place that holds epoch keys: not a path, but what lies
// there. Another disk at the same path is another place.
type PlaceID = domain.ID

// epochPlace is a place that holds, or held, the epoch keys.
type epochPlace struct {
	id        PlaceID
	dir       string // where it was seen last
	added     time.Time
	forgotten time.Time // when somebody declared that it exists no more; zero: it counts
}

// epochs are the opened epoch keys in one state. Immutable once made.
type epochs struct {
	sequence, previous epochSequence
	storeID            [16]byte
	root               rootWrap // the key-encryption key
	places             []epochPlace
	all                []*epoch // a bucket has several while it is being rotated
	gone               []goneEpoch
	live               [buckets]*epoch // the newest of each bucket
}

// index fills in live, and reports a bucket that has no key.
func (e *epochs) index() error {
	e.live = [buckets]*epoch{}
	for _, x := range e.all {
		if live := e.live[x.bucket]; live == nil || live.number < x.number {
			e.live[x.bucket] = x
		}
	}
	for b := range e.live {
		if e.live[b] == nil {
			return fmt.Errorf("bucket %d has no epoch key: %w", b, ErrEpochsMissing)
		}
	}
	return nil
}

func (e *epochs) find(bucket uint8, number uint32) (*epoch, bool) {
	if live := e.live[bucket]; live.number == number {
		return live, true
	}
	for _, x := range e.all {
		if x.bucket == bucket && x.number == number {
			return x, true
		}
	}
	return nil, false
}

// deleted finds what stays of a key that was deleted.
func (e *epochs) deleted(bucket uint8, number uint32) (*goneEpoch, bool) {
	for i := range e.gone {
		if g := &e.gone[i]; g.number == number && g.buckets.has(bucket) {
			return g, true
		}
	}
	return nil, false
}

// unfinished are the buckets that have more than one key: their rotation is
// under way, or was cut.
func (e *epochs) unfinished() bucketSet {
	var s bucketSet
	for _, x := range e.all {
		if x != e.live[x.bucket] {
			s.add(x.bucket)
		}
	}
	return s
}

// next is a copy to change, as the state that follows e.
func (e *epochs) next(rand io.Reader) (*epochs, error) {
	n := *e
	n.places, n.all, n.gone = slices.Clone(e.places), slices.Clone(e.all), slices.Clone(e.gone)
	for i := range n.gone {
		n.gone[i].copies = slices.Clone(e.gone[i].copies)
	}
	n.previous = e.sequence
	var low [4]byte
	if _, err := io.ReadFull(rand, low[:]); err != nil {
		return nil, fmt.Errorf("drawing a sequence: %w", err)
	}
	n.sequence = epochSequence((e.sequence.counter()+1)<<32 | uint64(low[0])<<24 | uint64(low[1])<<16 | uint64(low[2])<<8 | uint64(low[3]))
	return &n, nil
}

// place finds one by its ID.
func (e *epochs) place(id PlaceID) *epochPlace {
	for i := range e.places {
		if e.places[i].id == id {
			return &e.places[i]
		}
	}
	return nil
}

// draw adds a new key to each bucket of a state that next made.
func (e *epochs) draw(root cipher.AEAD, of bucketSet, now time.Time, rand io.Reader) error {
	var key [keySize]byte
	defer clear(key[:])
	number := e.highest() + 1
	for b := range of.each() {
		if _, err := io.ReadFull(rand, key[:]); err != nil {
			return fmt.Errorf("drawing an epoch key: %w", err)
		}
		aead, err := part.NewAEAD(key[:])
		if err != nil {
			return err
		}
		e.all = append(e.all, &epoch{
			bucket: b, number: number, made: now, aead: aead,
			wrapped: wrap(nil, root, epochContext(e.storeID, b, number), key[:]),
		})
	}
	return e.index()
}

// highest is the highest number there is or was.
func (e *epochs) highest() (n uint32) {
	for _, x := range e.all {
		n = max(n, x.number)
	}
	for _, g := range e.gone {
		n = max(n, g.number)
	}
	return n
}

// newEpochs is the first state.
func newEpochs(kek cipher.AEAD, w rootWrap, storeID [16]byte, now time.Time, rand io.Reader) (*epochs, error) {
	e, err := (&epochs{storeID: storeID, root: w}).next(rand)
	if err != nil {
		return nil, err
	}
	return e, e.draw(kek, allBuckets(), now, rand)
}

// retire takes the keys below a number out of each bucket, in a state that
// next made. The newest always stays.
func (e *epochs) retire(below *[buckets]uint32, now time.Time) {
	var kept []*epoch
	for _, x := range e.all {
		if x.number >= below[x.bucket] || x == e.live[x.bucket] {
			kept = append(kept, x)
			continue
		}
		e.retiredWith(x, now).buckets.add(x.bucket)
	}
	e.all = kept
}

// older reports whether retire would take something out.
func (e *epochs) older(below *[buckets]uint32) bool {
	return slices.ContainsFunc(e.all, func(x *epoch) bool { return x.number < below[x.bucket] && x != e.live[x.bucket] })
}

// retiredWith is the record that a key goes into: that of its number, of what
// this state removes.
func (e *epochs) retiredWith(x *epoch, now time.Time) *goneEpoch {
	for i := range e.gone {
		if g := &e.gone[i]; g.number == x.number && g.removed == e.sequence {
			return g
		}
	}
	g := goneEpoch{number: x.number, made: x.made, retired: now, removed: e.sequence}
	for _, p := range e.places {
		if p.forgotten.IsZero() {
			g.copies = append(g.copies, epochCopy{place: p.id})
		}
	}
	e.gone = append(e.gone, g)
	return &e.gone[len(e.gone)-1]
}

func epochContext(storeID [16]byte, bucket uint8, number uint32) []byte {
	dst := lp(lp(nil, "epoch"), storeID[:])
	return lp32(lp(dst, []byte{bucket}), number)
}
