// Package eventstore is the contract every store of the ledger's events keeps:
// append-only streams with optimistic concurrency, one global order, and
// byte strings that come back exactly as they went in.
//
// A store knows nothing of what an event means. Facts, each sealed part and
// the metadata are separate byte strings, returned and hashed as stored;
// nothing is decoded and encoded again. The two times travel in a header of
// the ledger's own, never in a store's native timestamp.
//
// Implementations pass the conformance suite in eventstore/storetest.
package eventstore

import (
	"context"
	"encoding/hex"
	"fmt"
	"iter"
	"strconv"
	"time"
)

// MaxAppendBytes bounds one append: the sum of Size over its events. It leaves
// room below EventStoreDB's default limit of 1,048,576 bytes per call.
const MaxAppendBytes = 1_000_000

// MaxParts bounds the sealed parts of one event.
const MaxParts = 256

// MaxTypeBytes and MaxStreamBytes bound the names of an event's type and of a
// stream. Neither name may be empty.
const (
	MaxTypeBytes   = 64
	MaxStreamBytes = 255
)

// EventID is the event's identity, a UUID (RFC 9562) that the caller derives.
type EventID [16]byte

// String is the canonical 36-character form.
func (id EventID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], id[0:4])
	hex.Encode(b[9:13], id[4:6])
	hex.Encode(b[14:18], id[6:8])
	hex.Encode(b[19:23], id[8:10])
	hex.Encode(b[24:36], id[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// Position is an event's place in the global order: opaque, increasing, with
// gaps allowed, never given twice. Zero is before every event. Positions are
// compared, never subtracted: lag is counted in events, not positions.
type Position uint64

// String is the wire form: decimal digits, always carried as a string.
func (p Position) String() string { return strconv.FormatUint(uint64(p), 10) }

// ParsePosition reads the wire form.
func ParsePosition(s string) (Position, error) {
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("position %q is not a decimal number", s)
	}
	return Position(v), nil
}

// MarshalText and UnmarshalText make a Position a JSON string.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the wire form.
func (p *Position) UnmarshalText(b []byte) (err error) { *p, err = ParsePosition(string(b)); return }

// Event is what a caller appends.
type Event struct {
	ID        EventID
	Type      string    // stable name, e.g. "ConsentGiven"; at most 64 bytes
	Version   uint16    // of the type's stored shape, from 1
	Effective time.Time // when it took effect, UTC, as the command says; microseconds
	Facts     []byte    // in clear, a closed schema
	Sealed    [][]byte  // one part per personal value, ciphertext
	Metadata  []byte    // in clear, a closed schema
}

// Size is what the event counts towards MaxAppendBytes: its bytes as
// EventStoreDB would store them (framing of parts and header included).
func (e *Event) Size() int {
	n := 64 + 2*len(e.Type) + len(e.Facts) + len(e.Metadata)
	for _, p := range e.Sealed {
		n += 4 + len(p)
	}
	return n
}

// Recorded is an event as the store returns it. The struct and its byte
// strings belong to the receiver only until the iterator's next step: Clone
// what you keep. Stream and Type are ordinary strings and may be kept.
type Recorded struct {
	Event
	Stream   string
	Revision uint64 // from 0, without gaps in a stream
	Position Position
	Recorded time.Time // stamped by the committer: max(now, last); UTC, microseconds
	Dropped  []Dropped // sealed parts that were removed, by Index; Sealed has the others
}

// Clone copies the event with all its byte strings, for keeping.
func (r *Recorded) Clone() *Recorded {
	c := *r
	n := len(r.Facts) + len(r.Metadata)
	for _, p := range r.Sealed {
		n += len(p)
	}
	for i := range r.Dropped {
		n += len(r.Dropped[i].Head)
	}
	buf := make([]byte, 0, n)
	own := func(b []byte) []byte {
		at := len(buf)
		buf = append(buf, b...)
		return buf[at:len(buf):len(buf)]
	}
	c.Facts, c.Metadata, c.Sealed, c.Dropped = own(r.Facts), own(r.Metadata), nil, nil
	if len(r.Sealed) > 0 {
		c.Sealed = make([][]byte, len(r.Sealed))
		for i, p := range r.Sealed {
			c.Sealed[i] = own(p)
		}
	}
	if len(r.Dropped) > 0 {
		c.Dropped = append(c.Dropped, r.Dropped...)
		for i := range c.Dropped {
			c.Dropped[i].Head = own(c.Dropped[i].Head)
		}
	}
	return &c
}

// Expected is the revision an append expects its stream to be at.
type Expected struct {
	kind     int8
	revision uint64
}

// Any expects nothing.
func Any() Expected { return Expected{kind: 0} }

// NoStream expects that the stream has no event.
func NoStream() Expected { return Expected{kind: 1} }

// StreamExists expects at least one event.
func StreamExists() Expected { return Expected{kind: 2} }

// Revision expects r to be the stream's last revision.
func Revision(r uint64) Expected { return Expected{kind: 3, revision: r} }

// Exactly returns the revision and true when e was made by Revision.
func (e Expected) Exactly() (uint64, bool) { return e.revision, e.kind == 3 }

// IsAny, IsNoStream and IsStreamExists tell the other kinds.
func (e Expected) IsAny() bool { return e.kind == 0 }

// IsNoStream reports whether e was made by NoStream.
func (e Expected) IsNoStream() bool { return e.kind == 1 }

// IsStreamExists reports whether e was made by StreamExists.
func (e Expected) IsStreamExists() bool { return e.kind == 2 }

func (e Expected) String() string {
	switch e.kind {
	case 0:
		return "any"
	case 1:
		return "no stream"
	case 2:
		return "an existing stream"
	default:
		return "revision " + strconv.FormatUint(e.revision, 10)
	}
}

// Result tells where an append landed.
type Result struct {
	First     uint64   // revision of the append's first event
	Last      uint64   // revision of its last event
	Position  Position // of its last event
	Recorded  time.Time
	Duplicate bool // the same IDs were there already; the original place is given
}

// Direction of a stream read.
type Direction int8

// Directions.
const (
	Forward Direction = iota
	Backward
)

// StreamRange says what ReadStream returns: at most Limit events (0 = all)
// from revision From, inclusive, in Direction. Backward from math.MaxUint64
// starts at the stream's end.
type StreamRange struct {
	From      uint64
	Direction Direction
	Limit     int
}

// Message is one step of a subscription: an event, or a mark that everything
// up to the position was delivered.
type Message struct {
	Event    *Recorded // nil for a mark
	CaughtUp bool      // a mark: the subscriber has seen all there was; live from here
	Position Position  // of the event, or up to which nothing is missing
}

// Store keeps events. All methods may be called concurrently.
//
// Append adds events to the end of one stream, all or none, at most
// MaxAppendBytes. When it returns nil the events are durable: no crash takes
// them away. Nothing atomic spans two streams. The same IDs already at the
// place that expected names (or, for Any and StreamExists, recently appended
// to that stream in this order) give the original Result with Duplicate set.
// Errors: *ConflictError when the stream is elsewhere (nothing was written);
// ErrOutcomeUnknown when the events may or may not be durable (repeat with
// the same IDs); ErrTooLarge; ErrInvalid when there is no event, no stream
// name, no type or no event ID; ErrReadOnly; ErrNoSpace; ErrFatal when the store stopped
// itself and must be reopened; ErrClosed; ctx's error only when nothing was
// submitted yet.
//
// ReadStream yields a stream's events. A stream that does not exist yields
// nothing. ReadAll yields every event after the position, exclusive, in
// global order, up to the end as it was at the call. Both stop with one
// error; a damaged event gives *CorruptError, never a silent end.
//
// Subscribe yields every event after the position and stays: first what is
// there, then CaughtUp, then live, without gap or duplicate, until ctx ends
// (ctx's error is the last yield) or the store closes. A slow subscriber is
// never dropped: it reads from the log.
//
// Close waits for appends under way.
type Store interface {
	Append(ctx context.Context, stream string, expected Expected, events []Event) (Result, error)
	ReadStream(ctx context.Context, stream string, r StreamRange) iter.Seq2[*Recorded, error]
	ReadAll(ctx context.Context, after Position) iter.Seq2[*Recorded, error]
	Subscribe(ctx context.Context, after Position) iter.Seq2[Message, error]
	Close() error
}

// Stats is what a store tells of itself, for status and metrics.
type Stats struct {
	Events  uint64   `json:"events"`
	Streams uint64   `json:"streams"`
	Head    Position `json:"position"` // of the last event, 0 when empty
	Bytes   int64    `json:"bytes"`
}

// Statser is implemented by stores that count.
type Statser interface {
	Stats() Stats
	// CountAfter counts the events after a position: a subscriber's lag.
	CountAfter(p Position) uint64
}
