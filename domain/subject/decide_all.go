package subject

import (
	"encoding/binary"
	"time"

	"lethe/domain"
)

// Decided is one decided event and when it takes effect.
type Decided struct {
	Event     domain.Event
	Effective time.Time
}

// DecideAll decides commands that belong together, each seeing what the ones
// before it decided: opening a record, filling it and noting an objection is
// one append. One refusal refuses all.
func DecideAll(s *State, env Env, commands ...Command) ([]Decided, error) {
	var all []Decided
	for i, c := range commands {
		events, err := Decide(s, env, c)
		if err != nil {
			return nil, err
		}
		at := c.EffectiveAt()
		if at.IsZero() {
			at = env.Now
		}
		for _, e := range events {
			all = append(all, Decided{e, at})
			if i < len(commands)-1 {
				s = Evolve(s, provisional(s, env.Now, at, e, len(all)))
			}
		}
	}
	return all, nil
}

// provisional stands for an event that is not stored yet. Its ID only has to
// differ from the others.
func provisional(s *State, now, at time.Time, e domain.Event, n int) domain.Recorded {
	r := domain.Recorded{Revision: s.Next(), Recorded: now, Effective: at, Event: e}
	if entries := s.Entries(); len(entries) > 0 {
		last := entries[len(entries)-1]
		r.Stream, r.Position = last.Stream, last.Position+1
	}
	binary.BigEndian.PutUint64(r.ID[8:], uint64(n))
	return r
}
