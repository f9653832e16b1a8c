package httpapi

import "time"

// PastTime is a moment that is looked back to: RFC 3339, or a date, which
// stands for that day's end (UTC), since what was decided on a day counts for
// it. "" is now.
type PastTime string

// Valid reports whether the form is right.
func (p PastTime) Valid() bool {
	_, _, ok := p.parse()
	return ok
}

func (p PastTime) parse() (t time.Time, day, ok bool) {
	if t, err := time.Parse(time.DateOnly, string(p)); err == nil {
		return t, true, true
	}
	t, err := time.Parse(time.RFC3339, string(p))
	return t, false, err == nil
}

// at is the moment. A day that lasts is looked at as of now.
func (p PastTime) at(now time.Time) time.Time {
	t, day, ok := p.parse()
	switch {
	case !ok:
		return now
	case !day:
		return t
	}
	end := t.AddDate(0, 0, 1).Add(-time.Microsecond) // the clock's resolution
	if !t.After(now) && end.After(now) {
		return now
	}
	return end
}
