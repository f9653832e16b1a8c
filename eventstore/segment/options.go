package segment

import (
	"crypto/rand"
	"io"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
)

// Options of a store. The zero value is usable.
type Options struct {
	// FS is the file system; vfs.Default when nil.
	FS vfs.FS
	// Now is the wall clock that stamps the recorded time; time.Now when nil.
	Now func() time.Time
	// Monotonic is a clock that nobody sets, from any origin. When it and Now
	// part by more than a minute, stamps go by it. When nil: with Now nil the
	// process's own, otherwise what Now's readings carry.
	Monotonic func() time.Duration
	// Rand makes the log's ID and the segments' salts; crypto/rand when nil.
	Rand io.Reader
	// Logger takes what an operator should know; discarded when nil.
	Logger *slog.Logger
	// SegmentBytes is the size of a segment file, 64 MiB when 0. An append
	// that needs more gets a larger segment of its own.
	SegmentBytes int64
	// ReadOnly opens without changing anything: the index is rebuilt in
	// memory, and appends give eventstore.ErrReadOnly.
	ReadOnly bool
	// DurableMark is the highest position that anything durable outside the
	// log refers to: a view's checkpoint, a key transaction, a seal. If the log
	// ends before it, events were lost, and Open refuses.
	DurableMark eventstore.Position
	// Report is told of damage that was survived (a cut tail, a rebuilt footer
	// or index), as a *eventstore.Fault, and of a clock that jumped, as
	// ErrClockJump. May be nil; they are logged too.
	Report func(error)
	// IdleMarker is how long after the last append the store writes its empty
	// marker group; 200 ms when 0, never when negative.
	IdleMarker time.Duration
	// CacheBytes bounds the index's block cache; 64 MiB when 0.
	CacheBytes int64
	// OffsetCacheBytes bounds the loaded offset tables, 4 bytes an event;
	// 64 MiB when 0.
	OffsetCacheBytes int64
	// RecentIDs is how many event IDs are remembered to recognise a repeated
	// append that expects no revision; 65,536 when 0.
	RecentIDs int
	// IndexReserve is how much free space the index leaves on the medium
	// before it stops being written; 64 MiB when 0. It then grows in memory,
	// and when that is full as well, appends give eventstore.ErrNoSpace.
	IndexReserve uint64

	sectionsOnly bool // of a Reader: no index, no lock
}

const (
	minSegmentBytes     = 4 << 10
	maxSegmentBytes     = 1 << 30 // offsets are 32 bits
	defaultSegmentBytes = 64 << 20
)

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Now == nil {
		o.Now = time.Now
		if o.Monotonic == nil {
			start := o.Now()
			o.Monotonic = func() time.Duration { return time.Since(start) }
		}
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = defaultSegmentBytes
	}
	o.SegmentBytes = min(max(o.SegmentBytes, minSegmentBytes), maxSegmentBytes)
	if o.IdleMarker == 0 {
		o.IdleMarker = 200 * time.Millisecond
	}
	o.CacheBytes = defaulted(o.CacheBytes, 64<<20)
	o.OffsetCacheBytes = defaulted(o.OffsetCacheBytes, 64<<20)
	o.RecentIDs = defaulted(o.RecentIDs, 1<<16)
	o.IndexReserve = defaulted(o.IndexReserve, 64<<20)
	return o
}

func defaulted[T int | int64 | uint64](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}
