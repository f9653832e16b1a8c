package domain

import (
	"regexp"
	"strconv"
	"time"
)

// Duration is a calendar period in ISO 8601 form with whole years, months,
// weeks and days only: "P3Y", "P6M", "P30D". Hours have no place in
// retention, and a month is not 30 days.
type Duration string

var durationPattern = regexp.MustCompile(`^P(?:(\d{1,3})Y)?(?:(\d{1,3})M)?(?:(\d{1,3})W)?(?:(\d{1,4})D)?$`)

// Valid reports whether the form is right and the period not empty.
func (d Duration) Valid() bool { return len(d) > 1 && durationPattern.MatchString(string(d)) }

// After returns the moment the period ends when it starts at t, in t's
// calendar; a day that the month lacks becomes the month's last.
func (d Duration) After(t time.Time) time.Time {
	m := durationPattern.FindStringSubmatch(string(d))
	if m == nil {
		return t
	}
	n := func(i int) int { v, _ := strconv.Atoi(m[i]); return v }
	months := n(1)*12 + n(2)
	end := t.AddDate(0, months, 0)
	if end.Day() != t.Day() { // ran over the month's end
		end = end.AddDate(0, 0, -end.Day())
	}
	return end.AddDate(0, 0, n(3)*7+n(4))
}
