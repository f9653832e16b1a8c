package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/eventstore"
)

// copied is the log's own bytes as a raw log, and where each stream's records
// lie in it.
type copied struct {
	path    string
	end     int64
	records int
	streams map[string][]extent
	names   []string
}

type extent struct {
	at   int64
	size int
}

// copyRaw writes every event's bytes to a raw log in the same order, so that
// scans and reads are compared over the same bytes.
func (b *bench) copyRaw(ctx context.Context) (*copied, error) {
	c := &copied{path: filepath.Join(b.Dir, "copy.log"), streams: map[string][]extent{}}
	f, err := vfs.Default.Create(c.path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("making the raw copy: %w", err)
	}
	var buf, record []byte
	for e, err := range b.app.Store.ReadAll(ctx, 0) {
		if err != nil {
			return nil, fmt.Errorf("reading the log: %w", err)
		}
		record = append(append(record[:0], e.Facts...), e.Metadata...)
		for _, part := range e.Sealed {
			record = append(record, part...)
		}
		if _, seen := c.streams[e.Stream]; !seen {
			c.names = append(c.names, e.Stream)
		}
		c.streams[e.Stream] = append(c.streams[e.Stream], extent{c.end + int64(len(buf)), rawHeader + len(record)})
		buf = rawAppend(buf, record)
		c.records++
		if len(buf) > 1<<20 {
			if _, err := f.Write(buf); err != nil {
				return nil, fmt.Errorf("writing the raw copy: %w", err)
			}
			c.end, buf = c.end+int64(len(buf)), buf[:0]
		}
	}
	if _, err := f.Write(buf); err != nil {
		return nil, fmt.Errorf("writing the raw copy: %w", err)
	}
	c.end += int64(len(buf))
	return c, f.Close()
}

// reads measures a scan of everything and reads of single people.
func (b *bench) reads(ctx context.Context) error {
	b.tell("scan and stream reads")
	c, err := b.copyRaw(ctx)
	if err != nil {
		return err
	}
	if err := b.scan(ctx, c); err != nil {
		return err
	}
	return b.streams(ctx, c)
}

// scan takes the best of three of each: the page cache warms up first.
func (b *bench) scan(ctx context.Context, c *copied) error {
	var ours, raw rate
	for range 3 {
		start, bytes := begin(), 0
		n, err := scanRaw(c.path, c.end, func(r []byte) { bytes += len(r) })
		if err != nil {
			return err
		}
		raw = faster(raw, start.rate(n))
		start, n = begin(), 0
		for e, err := range b.app.Store.ReadAll(ctx, 0) {
			if err != nil {
				return fmt.Errorf("scanning: %w", err)
			}
			n++
			bytes += len(e.Facts)
		}
		ours = faster(ours, start.rate(n))
	}
	b.fact("bytes an event", "%d", c.end/int64(max(c.records, 1)))
	b.fact("events scanned", "%d", c.records)
	b.add(Figure{
		Name: "scan", Unit: "events/s", Aim: "0.8× raw", Note: "every event in order, checksums verified, from the page cache; best of three",
	}.of(ours).against("raw scan of the same bytes", raw, 0.8))
	return nil
}

// streams reads people at random and opens every value.
func (b *bench) streams(ctx context.Context, c *copied) error {
	people := make([]string, 0, len(c.names))
	events := 0
	for _, name := range c.names {
		if len(name) > 8 && name[:8] == "subject-" {
			people = append(people, name)
			events += len(c.streams[name])
		}
	}
	if len(people) == 0 {
		return nil
	}
	raw, err := b.rawStreams(ctx, c, people)
	if err != nil {
		return err
	}
	values := 0
	ours, err := b.timed(ctx, 1, func(ctx context.Context, _, _ int) func() error {
		r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // which person to read is no secret
		return func() error {
			n, err := b.openStream(ctx, people[r.IntN(len(people))])
			values += n
			return err
		}
	})
	if err != nil {
		return err
	}
	b.add(Figure{
		Name: "stream read with opening", Unit: "people/s",
		Note: fmt.Sprintf("1 client; a person at random, %.1f events, decoded, every sealed value opened; %d values opened in all",
			float64(events)/float64(len(people)), values),
	}.of(ours).against("raw reads of the same records", raw, 0))
	return nil
}

func (b *bench) rawStreams(ctx context.Context, c *copied, people []string) (rate, error) {
	f, err := vfs.Default.Open(c.path)
	if err != nil {
		return rate{}, fmt.Errorf("opening the raw copy: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	return b.timed(ctx, 1, func(context.Context, int, int) func() error {
		r, buf := rand.New(rand.NewPCG(1, 2)), make([]byte, 1<<20) //nolint:gosec // as above
		return func() error {
			for _, e := range c.streams[people[r.IntN(len(people))]] {
				if _, err := f.ReadAt(buf[:e.size], e.at); err != nil {
					return fmt.Errorf("reading the raw copy: %w", err)
				}
				if _, _, err := checkRaw(buf[:e.size], func([]byte) {}); err != nil {
					return err
				}
			}
			return nil
		}
	})
}

// openStream reads a person's events and opens every value in them.
func (b *bench) openStream(ctx context.Context, stream string) (values int, err error) {
	for rec, err := range b.app.Store.ReadStream(ctx, stream, eventstore.StreamRange{}) {
		if err != nil {
			return values, fmt.Errorf("reading a stream: %w", err)
		}
		decoded, err := b.app.Codec.Decode(rec)
		if err != nil {
			return values, err
		}
		n, err := b.openAll(ctx, decoded)
		if err != nil {
			return values, err
		}
		values += n
	}
	return values, nil
}

// openAll opens values past the door, which would record each reading and
// measure the disk: they are made-up values of a ledger of this run's own.
func (b *bench) openAll(ctx context.Context, e domain.Recorded) (n int, err error) {
	for _, slot := range e.Event.Personal(nil) {
		if slot.Value.State() != personal.Sealed {
			continue
		}
		v, err := b.app.Codec.OpenValue(ctx, b.app.Keys, *slot.Value)
		if err != nil {
			return n, err
		}
		if v.State() != personal.Present {
			return n, fmt.Errorf("a value that was just sealed is %s", v.State())
		}
		n++
	}
	return n, nil
}

func faster(a, b rate) rate {
	if b.each > a.each {
		return b
	}
	return a
}
