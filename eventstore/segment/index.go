package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/eventstore"
)

// The index, in Pebble, without a write-ahead log of its own: what a crash
// takes from it is replayed from the segments.
//
//	'r' len16 stream rev64 → uvarint count, uvarint position   one run of revisions
//	                                                           with neighbouring positions
//	'h' stream             → uvarint revisions                 how long the stream is
//	'c'                    → log ID, ordinal64, streams64      all up to here is in
//
// Numbers in keys are big-endian. Batches enter in order and each carries its
// checkpoint, so what is on disk is always a prefix.
const (
	runPrefix        = 'r'
	headPrefix       = 'h'
	checkpointPrefix = 'c'
)

// run is a stretch of a stream whose events have neighbouring positions: what
// one append wrote.
type run struct {
	revision uint64
	position eventstore.Position
	count    uint32
}

type checkpoint struct {
	log     [16]byte
	ordinal uint64
	streams uint64
}

type index struct {
	db *pebble.DB
}

// openIndex opens or creates the index in dir of fs. fatal is called when
// Pebble cannot go on.
func openIndex(fs vfs.FS, dir string, cacheBytes int64, log *slog.Logger, fatal func(error)) (*index, error) {
	return openPebble(dir, indexOptions(fs, cacheBytes, log, fatal))
}

// openIndexReadOnly opens the index in dir without changing anything, not even
// making a lock file: the caller sees to it that nobody writes.
func openIndexReadOnly(fs vfs.FS, dir string, log *slog.Logger) (*index, error) {
	o := indexOptions(unlocked{fs}, 8<<20, log, func(error) {})
	o.ReadOnly = true
	return openPebble(dir, o)
}

// unlocked is a file system on which locks are not taken.
type unlocked struct{ vfs.FS }

func (unlocked) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

func (u unlocked) Unwrap() vfs.FS { return u.FS }

func indexOptions(fs vfs.FS, cacheBytes int64, log *slog.Logger, fatal func(error)) *pebble.Options {
	o := &pebble.Options{
		FS:                          fs,
		DisableWAL:                  true,
		CacheSize:                   cacheBytes,
		MemTableSize:                32 << 20,
		MemTableStopWritesThreshold: 4,
		FormatMajorVersion:          pebble.FormatNewest,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 1 },
		Logger:                      pebbleLogger{log: log, fatal: fatal},
		EventListener: &pebble.EventListener{
			// By itself Pebble would end the process. Whoever reads the block gets
			// an error and says what it means.
			DataCorruption: func(info pebble.DataCorruptionInfo) {
				log.Error("the index is damaged", slog.String("file", info.Path), slog.String("error", firstLine(info.Details)))
			},
		},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].FilterType = pebble.TableFilter
	}
	return o
}

// indexError tells a damaged table, whose blocks have checksums, from an index
// that cannot be read for another reason.
func indexError(err error) error {
	if pebble.IsCorruptionError(err) {
		return &eventstore.CorruptError{
			File: indexName, What: firstLine(err) + ": stop the program and remove the directory " + indexName + "; it is made again from the log",
		}
	}
	return fmt.Errorf("reading the index: %w", err)
}

// firstLine leaves out the stack traces that Pebble's errors bring.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

func openPebble(dir string, o *pebble.Options) (*index, error) {
	db, err := pebble.Open(dir, o)
	if err != nil {
		return nil, fmt.Errorf("opening the index: %w", err)
	}
	return &index{db: db}, nil
}

// pebbleLogger passes Pebble's words on. Its Fatalf must not return, and may
// not end the process: it marks the store and parks the goroutine. Pebble is
// then not touched any more.
type pebbleLogger struct {
	log   *slog.Logger
	fatal func(error)
}

func (l pebbleLogger) Infof(format string, args ...any) {
	l.log.Debug("index", "event", fmt.Sprintf(format, args...))
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.log.Warn("index", "event", fmt.Sprintf(format, args...))
}

func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.fatal(fmt.Errorf("the index failed: "+format, args...))
	select {}
}

func appendRunKey(b []byte, stream string, revision uint64) []byte {
	b = append(b, runPrefix)
	b = binary.BigEndian.AppendUint16(b, uint16(len(stream)))
	b = append(b, stream...)
	return binary.BigEndian.AppendUint64(b, revision)
}

func appendHeadKey(b []byte, stream string) []byte {
	return append(append(b, headPrefix), stream...)
}

func parseRun(key, value []byte) (run, error) {
	count, n := binary.Uvarint(value)
	if len(key) < 8 || n <= 0 || count == 0 || count > math.MaxUint32 {
		return run{}, errIndexEntry
	}
	position, m := binary.Uvarint(value[n:])
	if m <= 0 || n+m != len(value) {
		return run{}, errIndexEntry
	}
	r := run{revision: binary.BigEndian.Uint64(key[len(key)-8:]), position: eventstore.Position(position), count: uint32(count)}
	return r, nil
}

var errIndexEntry = errors.New("an entry of the index cannot be read: remove the index directory while the store is closed, it is rebuilt from the log")

// length is how many events the stream has in the index.
func (x *index) length(stream string) (uint64, error) {
	var buf [1 + eventstore.MaxStreamBytes]byte
	v, closer, err := x.db.Get(appendHeadKey(buf[:0], stream))
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, indexError(err)
	}
	n, used := binary.Uvarint(v)
	_ = closer.Close()
	if used <= 0 {
		return 0, errIndexEntry
	}
	return n, nil
}

// runs appends at most limit runs of the stream to out, in direction, beginning
// with the one that holds from.
func (x *index) runs(out []run, stream string, from uint64, dir eventstore.Direction, limit int) ([]run, error) {
	return runsIn(x.db, out, stream, from, dir, limit)
}

func runsIn(db pebble.Reader, out []run, stream string, from uint64, dir eventstore.Direction, limit int) ([]run, error) {
	var lower, upper, seek [3 + eventstore.MaxStreamBytes + 8 + 1]byte
	o := pebble.IterOptions{LowerBound: appendRunKey(lower[:0], stream, 0)}
	o.UpperBound = append(appendRunKey(upper[:0], stream, math.MaxUint64), 0)
	it, err := db.NewIter(&o)
	if err != nil {
		return out, indexError(err)
	}
	defer func() { _ = it.Close() }() // its error is read below
	// The run that holds from starts at or before it: just below from's successor.
	key := append(appendRunKey(seek[:0], stream, from), 0)
	var ok bool
	if from == 0 && dir == eventstore.Forward {
		ok = it.First()
	} else {
		ok = it.SeekLT(key)
	}
	for ; ok && limit > 0; limit-- {
		v, err := it.ValueAndErr()
		if err != nil {
			return out, indexError(err)
		}
		r, err := parseRun(it.Key(), v)
		if err != nil {
			return out, err
		}
		out = append(out, r)
		if dir == eventstore.Forward {
			ok = it.Next()
		} else {
			ok = it.Prev()
		}
	}
	if err := it.Error(); err != nil {
		return out, indexError(err)
	}
	return out, nil
}

// checkpoint reads how far the index got; a fresh index gives zero.
func (x *index) checkpoint() (checkpoint, error) { return readCheckpoint(x.db) }

func readCheckpoint(db pebble.Reader) (checkpoint, error) {
	v, closer, err := db.Get([]byte{checkpointPrefix})
	if errors.Is(err, pebble.ErrNotFound) {
		return checkpoint{}, nil
	}
	if err != nil {
		return checkpoint{}, indexError(err)
	}
	defer func() { _ = closer.Close() }()
	return parseCheckpoint(v)
}

func parseCheckpoint(v []byte) (checkpoint, error) {
	if len(v) != 32 {
		return checkpoint{}, errIndexEntry
	}
	c := checkpoint{ordinal: le.Uint64(v[16:]), streams: le.Uint64(v[24:])}
	copy(c.log[:], v)
	return c, nil
}

// probe writes the checkpoint again and looks at the sequence number that this
// got. Pebble takes damage at the end of its manifest for a torn write, and may
// then give numbers that its tables have already: newer entries would hide
// behind older ones, and a compaction that meets two alike ends the process.
func (x *index) probe(at checkpoint) error {
	levels, err := x.db.SSTables()
	if err != nil {
		return indexError(err)
	}
	b := x.batch()
	if err := b.commit(at); err != nil {
		return err
	}
	for _, level := range levels {
		for _, t := range level {
			if uint64(t.LargestSeqNum) >= b.seq {
				return errors.New("its manifest has lost its end")
			}
		}
	}
	return nil
}

// indexBatch collects entries and the checkpoint that they lead to.
type indexBatch struct {
	b     *pebble.Batch
	key   []byte
	value []byte
	seq   uint64 // Pebble's number for it, once committed
}

func (x *index) batch() *indexBatch { return &indexBatch{b: x.db.NewBatch()} }

func (b *indexBatch) addRun(stream string, r run) error {
	b.key = appendRunKey(b.key[:0], stream, r.revision)
	b.value = binary.AppendUvarint(b.value[:0], uint64(r.count))
	b.value = binary.AppendUvarint(b.value, uint64(r.position))
	return b.b.Set(b.key, b.value, nil)
}

func (b *indexBatch) setLength(stream string, n uint64) error {
	b.key = appendHeadKey(b.key[:0], stream)
	b.value = binary.AppendUvarint(b.value[:0], n)
	return b.b.Set(b.key, b.value, nil)
}

// commit enters the batch. Nothing is synced: Pebble flushes in its own time.
func (b *indexBatch) commit(c checkpoint) error {
	b.value = append(b.value[:0], c.log[:]...)
	b.value = le.AppendUint64(b.value, c.ordinal)
	b.value = le.AppendUint64(b.value, c.streams)
	if err := b.b.Set([]byte{checkpointPrefix}, b.value, nil); err != nil {
		return fmt.Errorf("writing the index: %w", err)
	}
	if err := b.b.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("writing the index: %w", err)
	}
	b.seq = uint64(b.b.SeqNum())
	return b.b.Close()
}

func (x *index) flush() error {
	if err := x.db.Flush(); err != nil {
		return fmt.Errorf("flushing the index: %w", err)
	}
	return nil
}

func (x *index) close() error {
	if err := x.db.Close(); err != nil {
		return fmt.Errorf("closing the index: %w", err)
	}
	return nil
}
