package segment

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"lethe/eventstore"
)

func TestStampsNeverFallAndIgnoreAClockThatIsSet(t *testing.T) {
	wall := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var mono time.Duration
	var alarms []error
	o := Options{Now: func() time.Time { return wall }, Monotonic: func() time.Duration { return mono }}
	last := wall.Add(-time.Hour).UnixMicro()
	s := newStamper(&o, last, func(err error) { alarms = append(alarms, err) })
	at := func() time.Time { return time.UnixMicro(s.next()).UTC() }
	pass := func(d time.Duration) { wall, mono = wall.Add(d), mono+d }

	start := wall
	require.Equal(t, start, at())
	pass(time.Second)
	require.Equal(t, start.Add(time.Second), at())
	wall = wall.Add(-30 * time.Second) // set back a little: the stamp stands still
	require.Equal(t, start.Add(time.Second), at())
	wall = wall.Add(30 * time.Second)
	wall = wall.AddDate(0, 0, 1) // set a day ahead: not believed
	pass(time.Second)
	require.Equal(t, start.Add(2*time.Second), at())
	pass(time.Second)
	require.Equal(t, start.Add(3*time.Second), at())
	require.Equal(t, []error{ErrClockJump}, alarms, "one alarm for one jump")
	wall = wall.AddDate(0, 0, -1) // set right again
	require.Equal(t, start.Add(3*time.Second), at())
	wall = wall.AddDate(-1, 0, 0) // set a year back: not believed
	pass(time.Second)
	require.Equal(t, start.Add(4*time.Second), at())
	require.Len(t, alarms, 2)
}

func TestStampsAfterARestartWithAnEarlierClock(t *testing.T) {
	fs := vfs.NewMem()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	write := func(n byte) time.Time {
		s, err := Open("data", Options{FS: fs, SegmentBytes: 4096, Now: func() time.Time { return now }})
		require.NoError(t, err)
		res, err := s.Append(t.Context(), "a", eventstore.Any(), []eventstore.Event{{ID: eventstore.EventID{n}, Type: "T", Version: 1}})
		require.NoError(t, err)
		require.NoError(t, s.Close())
		return res.Recorded
	}
	first := write(1)
	require.Equal(t, now, first)
	now = now.Add(-time.Hour)
	require.Equal(t, first, write(2))
	now = now.Add(2 * time.Hour)
	require.Equal(t, now, write(3))
}

func TestPositionsOfSeveralEras(t *testing.T) {
	// A restore lost what followed ordinal 4 in era 0; era 2 goes on at 5.
	s := new(Store)
	s.eras.Store(&[]eraEntry{{0, 1}, {2, 5}})
	for _, test := range []struct {
		p    eventstore.Position
		want uint64
	}{
		{0, 0},
		{makePosition(0, 3), 3},
		{makePosition(0, 4), 4},
		{makePosition(0, 9), 4}, // a lost event: everything of the new era follows it
		{makePosition(1, 7), 4},
		{makePosition(2, 0), 4},
		{makePosition(2, 5), 5},
		{makePosition(2, 9), 9},
		{makePosition(3, 1), 1<<eraBits - 1},
	} {
		require.Equal(t, test.want, s.ordinalUpTo(test.p), "%d", test.p)
	}
	require.Equal(t, makePosition(0, 4), s.positionOf(4))
	require.Equal(t, makePosition(2, 5), s.positionOf(5))
}
