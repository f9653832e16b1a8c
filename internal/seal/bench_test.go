package seal

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"lethe/eventstore/storetest"
	"lethe/internal/leaf"
)

// BenchmarkCatchUp seals a log that is there already, on a real disk: events
// a second, and the same with nothing but the leaves' hashes.
func BenchmarkCatchUp(b *testing.B) {
	const events = 100_000
	w := newWorld(b)
	w.append(events)
	b.Run("seal", func(b *testing.B) {
		for b.Loop() {
			w.fs = vfs.Default
			o := w.options()
			dir := b.TempDir()
			o.Dir, o.PinDir, o.KeyDir, o.Now = dir+"/seal", dir+"/pins", dir+"/keys", time.Now
			l := w.open(o)
			l.Run(b.Context())
			require.NoError(b, l.WaitFor(b.Context(), w.store.Stats().Head))
			require.NoError(b, l.Close(b.Context()))
		}
		b.ReportMetric(float64(events*b.N)/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("hash", func(b *testing.B) {
		var of leaf.Leaf
		var entry []byte
		for b.Loop() {
			for rec, err := range w.store.ReadAll(b.Context(), 0) {
				require.NoError(b, err)
				leaf.Of(0, rec, &of)
				entry = of.Append(entry[:0])
				_ = leaf.Hash(entry)
			}
		}
		b.ReportMetric(float64(events*b.N)/b.Elapsed().Seconds(), "events/s")
	})
}

func BenchmarkProve(b *testing.B) {
	w := newWorld(b)
	w.append(70_000)
	l := w.open(w.options())
	require.NoError(b, w.seal(l, 1<<16))
	b.ReportAllocs()
	n := uint64(0)
	for b.Loop() {
		n = (n*7919 + 13) % w.n
		_, err := l.Prove(b.Context(), storetest.ID(n+1), nil)
		require.NoError(b, err)
	}
}
