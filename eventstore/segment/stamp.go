package segment

import (
	"errors"
	"time"
)

// maxClockDrift is how far wall and monotonic clock may part before the wall
// clock is no longer believed.
const maxClockDrift = time.Minute

// ErrClockJump is reported when the wall clock was set while the store ran.
var ErrClockJump = errors.New("the wall clock was set by more than a minute: recorded times go by the monotonic clock until the store is reopened")

// stamper gives the recorded times: never earlier than the last one, and not
// following a wall clock that somebody sets. Used by the committer alone.
type stamper struct {
	now    func() time.Time
	mono   func() time.Duration // nil: only now's own monotonic reading
	report func(error)

	wall0  time.Time
	mono0  time.Duration
	last   int64 // microseconds
	jumped bool
}

func newStamper(o *Options, last int64, report func(error)) *stamper {
	s := &stamper{now: o.Now, mono: o.Monotonic, report: report, last: last}
	s.wall0 = o.Now()
	if s.mono != nil {
		s.mono0 = s.mono()
	}
	return s
}

// next returns max(now, last) in microseconds.
func (s *stamper) next() int64 {
	now := s.now()
	elapsed := now.Sub(s.wall0) // by the monotonic readings if both have one
	if s.mono != nil {
		elapsed = s.mono() - s.mono0
	}
	drift := now.Round(0).Sub(s.wall0.Round(0)) - elapsed
	if drift.Abs() > maxClockDrift {
		now = s.wall0.Round(0).Add(elapsed)
		if !s.jumped {
			s.jumped = true
			s.report(ErrClockJump)
		}
	} else {
		s.jumped = false
	}
	s.last = max(s.last, now.UnixMicro())
	return s.last
}
