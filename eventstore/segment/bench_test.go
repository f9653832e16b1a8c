package segment_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/eventstore/segment/rawlog"
)

// The shape of the benchmarks: events of about 613 stored bytes, three sealed
// parts; 5,000 streams for appends, 20 events a stream for stream reads.
const (
	benchStreams   = 5000
	benchPerStream = 20
	rawBytes       = 1 << 30
)

func benchEvent(n uint64) eventstore.Event {
	e := eventstore.Event{Type: "FieldsRecorded", Version: 1, Effective: time.Unix(1_700_000_000, 0)}
	binary.BigEndian.PutUint64(e.ID[:], n+1)
	e.Facts = make([]byte, 150)
	e.Metadata = make([]byte, 120)
	e.Sealed = [][]byte{make([]byte, 70), make([]byte, 70), make([]byte, 70)}
	return e
}

const benchRecord = 613

func benchStream(n int) string { return fmt.Sprintf("subject-%026d", n) }

func openBench(b *testing.B) *segment.Store {
	s, err := segment.Open(b.TempDir(), segment.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	return s
}

func openRaw(b *testing.B) *rawlog.Log {
	l, err := rawlog.Create(filepath.Join(b.TempDir(), "raw"), rawBytes)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, l.Close()) })
	return l
}

// clients runs b.N operations in n goroutines.
func clients(b *testing.B, n int, op func(client, i int) error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for c := range n {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := op(c, int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprintf("clients=%d/raw", n), func(b *testing.B) {
			l := openRaw(b)
			payload := make([]byte, benchRecord)
			clients(b, n, func(int, int) error {
				_, err := l.Append(payload)
				return err
			})
		})
		b.Run(fmt.Sprintf("clients=%d/segment", n), func(b *testing.B) {
			s := openBench(b)
			names := make([]string, benchStreams)
			for i := range names {
				names[i] = benchStream(i)
			}
			events := make([][]eventstore.Event, n)
			rngs := make([]*rand.Rand, n)
			for i := range events {
				events[i] = []eventstore.Event{benchEvent(uint64(i))}
				rngs[i] = rand.New(rand.NewPCG(1, uint64(i)))
			}
			clients(b, n, func(c, i int) error {
				binary.BigEndian.PutUint64(events[c][0].ID[:], uint64(i))
				_, err := s.Append(b.Context(), names[rngs[c].IntN(benchStreams)], eventstore.Any(), events[c])
				return err
			})
		})
	}
}

const bulkEvents = 100

func BenchmarkBulk(b *testing.B) {
	b.Run("raw", func(b *testing.B) {
		l := openRaw(b)
		payloads := make([][]byte, bulkEvents)
		for i := range payloads {
			payloads[i] = make([]byte, benchRecord)
		}
		clients(b, 8, func(int, int) error {
			_, err := l.Append(payloads...)
			return err
		})
		b.ReportMetric(float64(b.N*bulkEvents)/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("segment", func(b *testing.B) {
		s := openBench(b)
		events := make([][]eventstore.Event, 8)
		for c := range events {
			for i := range bulkEvents {
				events[c] = append(events[c], benchEvent(uint64(i)))
			}
		}
		clients(b, 8, func(c, i int) error {
			for k := range events[c] {
				binary.BigEndian.PutUint64(events[c][k].ID[:], uint64(i*bulkEvents+k))
			}
			_, err := s.Append(b.Context(), benchStream(i), eventstore.NoStream(), events[c])
			return err
		})
		b.ReportMetric(float64(b.N*bulkEvents)/b.Elapsed().Seconds(), "events/s")
	})
}

const scanEvents = benchStreams * benchPerStream

// fillBench interleaves the streams, so that their events lie far apart.
func fillBench(b *testing.B, s *segment.Store) {
	var wg sync.WaitGroup
	const workers = 128
	for w := range workers {
		wg.Go(func() {
			for round := range benchPerStream {
				for n := w; n < benchStreams; n += workers {
					e := benchEvent(uint64(round*benchStreams + n))
					if _, err := s.Append(b.Context(), benchStream(n), eventstore.Any(), []eventstore.Event{e}); err != nil {
						b.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func fillRaw(b *testing.B, l *rawlog.Log) []int64 {
	payloads := make([][]byte, 1000)
	for i := range payloads {
		payloads[i] = make([]byte, benchRecord)
	}
	var at []int64
	for len(at) < scanEvents {
		first, err := l.Append(payloads...)
		require.NoError(b, err)
		for i := range payloads {
			at = append(at, first+int64(i*(benchRecord+8)))
		}
	}
	return at
}

func BenchmarkScan(b *testing.B) {
	b.Run("raw", func(b *testing.B) {
		l := openRaw(b)
		fillRaw(b, l)
		n := 0
		b.ResetTimer()
		for range b.N {
			require.NoError(b, l.Scan(func([]byte) { n++ }))
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("segment", func(b *testing.B) {
		s := openBench(b)
		fillBench(b, s)
		n := 0
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			for _, err := range s.ReadAll(b.Context(), 0) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	})
}

// BenchmarkSections compares workers that share the sections of a log with one
// reader of it all: the shape of an audit.
func BenchmarkSections(b *testing.B) {
	s, err := segment.Open(b.TempDir(), segment.Options{SegmentBytes: 4 << 20})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	fillBench(b, s)
	count := func(events func(func(*eventstore.Recorded, error) bool)) (n int64) {
		for _, err := range events {
			if err != nil {
				b.Error(err)
			}
			n++
		}
		return n
	}
	measure := func(name string, round func() int64) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := int64(0)
			for b.Loop() {
				n += round()
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
		})
	}
	measure("all", func() int64 { return count(s.ReadAll(b.Context(), 0)) })
	for _, workers := range []int{1, 2} {
		measure(fmt.Sprintf("workers=%d", workers), func() int64 {
			secs := s.Sections()
			var next, n atomic.Int64
			var wg sync.WaitGroup
			for range workers {
				wg.Go(func() {
					for i := next.Add(1) - 1; i < int64(len(secs)); i = next.Add(1) - 1 {
						n.Add(count(s.ReadSection(b.Context(), secs[i])))
					}
				})
			}
			wg.Wait()
			return n.Load()
		})
	}
}

// BenchmarkCheck is the whole check of a log by two workers.
func BenchmarkCheck(b *testing.B) {
	s, err := segment.Open(b.TempDir(), segment.Options{SegmentBytes: 4 << 20})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	fillBench(b, s)
	for name, o := range map[string]segment.CheckOptions{
		"sections": {Sections: true, Workers: 2},
		"all":      {Sections: true, Streams: true, Files: true, Workers: 2},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, s.Check(b.Context(), o, func(f eventstore.Fault) { b.Errorf("%+v", f) }))
			}
			b.ReportMetric(float64(b.N*scanEvents)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func BenchmarkStreamRead(b *testing.B) {
	b.Run("raw", func(b *testing.B) {
		l := openRaw(b)
		at := fillRaw(b, l)
		rng := rand.New(rand.NewPCG(1, 1))
		var buf []byte
		b.ResetTimer()
		for range b.N {
			n := rng.IntN(benchStreams)
			for round := range benchPerStream {
				var err error
				if buf, err = l.Read(at[round*benchStreams+n], benchRecord, buf); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "streams/s")
	})
	b.Run("segment", func(b *testing.B) {
		s := openBench(b)
		fillBench(b, s)
		names := make([]string, benchStreams)
		for i := range names {
			names[i] = benchStream(i)
		}
		rng := rand.New(rand.NewPCG(1, 1))
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			n := 0
			for _, err := range s.ReadStream(b.Context(), names[rng.IntN(benchStreams)], eventstore.StreamRange{}) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			if n != benchPerStream {
				b.Fatal(n)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "streams/s")
	})
}

// BenchmarkDrop replaces a segment of 64 MiB in which one part of a hundred goes.
func BenchmarkDrop(b *testing.B) {
	s := openBench(b)
	for n := 0; len(s.Sections()) < 2; n += 100 {
		events := make([]eventstore.Event, 100)
		for i := range events {
			events[i] = benchEvent(uint64(n + i))
		}
		_, err := s.Append(b.Context(), benchStream(n/100%benchStreams), eventstore.Any(), events)
		require.NoError(b, err)
	}
	b.SetBytes(s.Sections()[0].Bytes)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		_, err := s.Drop(b.Context(), s.Sections()[0], eventstore.DropOrder{
			ID:     eventstore.DropID{1},
			Pick:   func(*eventstore.Recorded, int) (int, bool) { n++; return 0, n%100 == 0 },
			Record: func(context.Context, eventstore.Drop) error { return nil },
		})
		require.NoError(b, err)
	}
}
