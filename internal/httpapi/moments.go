package httpapi

import (
	"math"
	"strconv"
	"strings"
	"time"

	"lethe/domain"
	"lethe/eventstore"
	"lethe/projections/history"
)

const byEffective = "effective"

// endless is a position behind every event.
const endless = eventstore.Position(math.MaxInt64)

// Peopled asks for a page of a purpose's people.
type Peopled struct {
	Limit int `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"People of the page"`
	Continued
}

// Continued goes on behind a page.
type Continued struct {
	After string `query:"after" pattern:"^[0-9]+([.]-?[0-9]+){2,3}[.]s[a-z2-7]{28}$" maxLength:"160" doc:"next of the page before; it also keeps the moment that the first page was as of"`
}

// moments are what all pages of one answer are as of. The first page resolves
// them, once; a page's cursor carries them to the next, so that nothing
// recorded meanwhile gets into an answer half-way:
//
//	position "." now "." asked { "." asked } "." token
//
// with times in microseconds since 1970 and the token of the last person.
type moments struct {
	position eventstore.Position // the log's end when the first page was asked for
	now      time.Time
	asked    []time.Time
}

// moments resolves what is asked, or takes it from the cursor.
func (s *API) moments(after string, asked ...PastTime) (m moments, last domain.Token, err error) {
	if after != "" {
		return parseMoments(after, len(asked))
	}
	m = moments{now: s.Ledger.Now(), position: endless}
	for _, t := range asked {
		m.asked = append(m.asked, storable(t.at(m.now)))
	}
	if counted, ok := s.Store.(eventstore.Statser); ok {
		m.position = counted.Stats().Head
	}
	return m, "", nil
}

var errCursor = malformed("after", "after is next as the page before answered it")

func parseMoments(after string, asked int) (m moments, last domain.Token, err error) {
	parts := strings.Split(after, ".")
	if len(parts) != asked+3 {
		return m, "", errCursor
	}
	if m.position, err = eventstore.ParsePosition(parts[0]); err != nil || m.position > endless {
		return m, "", errCursor
	}
	for i, part := range parts[1 : asked+2] {
		micros, err := strconv.ParseInt(part, 10, 64)
		t := time.UnixMicro(micros).UTC()
		if err != nil || !storable(t).Equal(t) {
			return m, "", errCursor
		}
		if i == 0 {
			m.now = t
		} else {
			m.asked = append(m.asked, t)
		}
	}
	last = domain.Token(parts[asked+2])
	if !last.Valid() {
		return m, "", errCursor
	}
	return m, last, nil
}

// next is the cursor behind a person; "" when there is nobody.
func (m moments) next(last domain.Token) string {
	if last == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString(m.position.String())
	for _, t := range append([]time.Time{m.now}, m.asked...) {
		b.WriteString("." + strconv.FormatInt(t.UnixMicro(), 10))
	}
	return b.String() + "." + string(last)
}

// cut is up to where the look back to an asked moment goes.
func (m moments) cut(by string, i int) history.Cut { return cutOf(by, m.now, m.asked[i], m.position) }

// cutOf: by recorded time, what was recorded and took effect until t; by
// effective time, what is recorded until now and took effect until t.
func cutOf(by string, now, t time.Time, position eventstore.Position) history.Cut {
	c := history.Cut{Position: position, Recorded: storable(t), Effective: storable(t)}
	if by == byEffective {
		c.Recorded = now
	}
	return c
}

var (
	firstMoment = time.Date(1, 1, 1, 0, 0, 0, int(time.Microsecond), time.UTC) // the zero time means no cut
	lastMoment  = time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
)

// storable is a time as events and answers can have it: UTC, in microseconds,
// of years with four digits.
func storable(t time.Time) time.Time {
	t = t.UTC().Truncate(time.Microsecond)
	switch {
	case t.Before(firstMoment):
		return firstMoment
	case t.After(lastMoment):
		return lastMoment
	}
	return t
}
