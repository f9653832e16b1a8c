// Package ledger is the one write path: load, fold, decide, seal, append.
//
// Everything that changes history goes through Execute (a decision on one
// stream, with optimistic concurrency and idempotency) or Record (an access
// that decides nothing). Both provision keys first, durably, so that no
// event is ever appended whose key could be lost; a key that is left over
// from a lost race is reused or stays unused, which harms nobody.
//
// Folded states are cached by stream, bounded; values in them stay sealed.
// A conflict is the cache's invalidation: the store, not the cache, decides
// who was first.
package ledger

import (
	"context"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/eventstore"
	"lethe/internal/codec"
	"lethe/internal/keyring"
)

// Options are a ledger's parts.
type Options struct {
	Store  eventstore.Store
	Keys   *keyring.Keyring
	Codec  *codec.Codec
	Now    func() time.Time
	Rand   io.Reader
	Logger *slog.Logger
	// CachedStreams bounds the folded states kept in memory; 0 takes 16,384.
	CachedStreams int
	// EvidenceRetention is how long evidence of consent is kept after the last
	// change of it; "" keeps none.
	EvidenceRetention domain.Duration

	// crash is called at each point that a crash could follow; an error ends
	// the command there. Tests set it.
	crash func(point string) error
}

// Ledger writes and folds.
type Ledger struct {
	store  eventstore.Store
	keys   *keyring.Keyring
	codec  *codec.Codec
	now    func() time.Time
	rand   io.Reader
	log    *slog.Logger
	states *lru.Cache[string, *folded]
	crash  func(point string) error

	evidence domain.Duration
	holding  sync.RWMutex // write: a hold for a group of people is placed; read: an erasure starts
}

// New makes a ledger of its parts.
func New(o Options) (*Ledger, error) {
	if o.CachedStreams <= 0 {
		o.CachedStreams = 16_384
	}
	states, err := lru.New[string, *folded](o.CachedStreams)
	if err != nil {
		return nil, fmt.Errorf("making the state cache: %w", err)
	}
	if o.crash == nil {
		o.crash = func(string) error { return nil }
	}
	return &Ledger{
		store: o.Store, keys: o.Keys, codec: o.Codec, now: o.Now, rand: o.Rand, log: o.Logger, states: states,
		crash: o.crash, evidence: o.EvidenceRetention,
	}, nil
}

// Now is the ledger's clock, in UTC and microseconds, as events carry it.
func (l *Ledger) Now() time.Time { return l.now().UTC().Truncate(time.Microsecond) }

// Request is the context of a write.
type Request struct {
	Principal   domain.ID
	Command     domain.Digest // keyed hash of the idempotency key; zero = the write is not repeatable
	Body        domain.Digest // of the request's body, compared when the command is repeated; zero = not compared
	Purpose     domain.Name
	Correlation domain.ID
	Causation   domain.ID
	Catalogue   uint64  // catalogue revision + 1 that the decision is made against
	IfMatch     *uint64 // the revision the stream must be at, from If-Match
	New         bool    // the stream's name was drawn just now: it is not read before it is written
}

// Outcome tells where a write landed. When nothing had to be written Events
// is 0 and Last is the stream's revision.
type Outcome struct {
	Stream   string
	Events   int
	First    uint64
	Last     uint64
	Position eventstore.Position
	Recorded time.Time
	FirstID  domain.ID // of the first event
	Repeated bool      // the command was done before: this is its first outcome
	// Suppressed: somebody with this address or number was erased; marketing is
	// off when that person had objected to it. Only of registering.
	Suppressed Suppressed
}

// Aggregate folds the streams of one kind.
type Aggregate[S any] struct {
	Kind   string
	Evolve func(S, domain.Recorded) S
}

// Draft is one decided event with the time it takes effect.
type Draft struct {
	Event     domain.Event
	Effective time.Time // zero = now
	Find      []Find    // values in it that people can be found by
}

// Find is one value for the blind index. Text must be personal.Value's
// plaintext; it goes nowhere but under the index key.
type Find struct {
	Kind  catalogue.LookupKind
	Text  personal.Value
	Token domain.Token
	Field domain.Name
}

// reveal opens a sealed value for a decision. It is the ledger's only use of
// the keyring's opening; no value leaves the package through it.
func (l *Ledger) reveal(ctx context.Context, v personal.Value) (personal.Value, error) {
	return l.codec.OpenValue(ctx, l.keys, v)
}

// Erased tells whether a sealed value was erased: its key was destroyed.
func (l *Ledger) Erased(ctx context.Context, v personal.Value) (bool, error) {
	if v.IsZero() {
		return false, nil
	}
	opened, err := l.reveal(ctx, v)
	if err != nil {
		return false, unavailable(err)
	}
	return opened.State() == personal.Erased, nil
}

// Matches tells whether a sealed value is this text, without giving it away.
// What cannot be opened (erased, for one) matches nothing.
func (l *Ledger) Matches(ctx context.Context, v personal.Value, text string) (bool, error) {
	if v.IsZero() {
		return false, nil
	}
	opened, err := l.reveal(ctx, v)
	if err != nil {
		return false, unavailable(err)
	}
	plain, ok := opened.Reveal()
	return ok && subtle.ConstantTimeCompare([]byte(plain), []byte(text)) == 1, nil
}
