package segment_test

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"lethe/eventstore"
	"lethe/eventstore/segment"
	"lethe/eventstore/storetest"
)

func TestConformance(t *testing.T) {
	open := func(fs vfs.FS, size int64) func(t *testing.T) eventstore.Store {
		return func(t *testing.T) eventstore.Store {
			dir := "data"
			if fs == vfs.Default {
				dir = t.TempDir()
			} else {
				fs = vfs.NewMem()
			}
			s, err := segment.Open(dir, segment.Options{FS: fs, SegmentBytes: size, IdleMarker: time.Millisecond, Report: failOnReport(t)})
			require.NoError(t, err)
			return s
		}
	}
	t.Run("memory, small segments", func(t *testing.T) { storetest.Run(t, open(vfs.NewMem(), 64<<10)) })
	t.Run("memory, tiny segments", func(t *testing.T) { storetest.Run(t, open(vfs.NewMem(), 4<<10)) })
	t.Run("disk", func(t *testing.T) { storetest.Run(t, open(vfs.Default, 1<<20)) })
}

func TestDropperConformance(t *testing.T) {
	storetest.RunDropper(t, func(t *testing.T) storetest.DropperStore {
		s, err := segment.Open("data", segment.Options{FS: vfs.NewMem(), SegmentBytes: 8 << 10, IdleMarker: time.Millisecond, Report: failOnReport(t)})
		require.NoError(t, err)
		return s
	})
	storetest.RunDropper(t, func(t *testing.T) storetest.DropperStore {
		s, err := segment.Open(t.TempDir(), segment.Options{SegmentBytes: 16 << 10, Report: failOnReport(t)})
		require.NoError(t, err)
		return s
	})
}

// failOnReport makes any report of damage a failure of the test.
func failOnReport(t *testing.T) func(error) {
	return func(err error) { t.Errorf("unexpected report: %v", err) }
}
