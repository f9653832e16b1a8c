package principal

import (
	"strings"
	"time"
	"unicode/utf8"

	"lethe/domain"
	"lethe/domain/personal"
)

// State is one principal. nil is the empty state; a State is immutable.
type State struct {
	ID       domain.ID
	Kind     Kind
	Name     personal.Value // sealed
	Disabled bool
}

// Evolve is total: it takes any history.
func Evolve(s *State, r domain.Recorded) *State {
	e, ok := r.Event.(Event)
	if !ok {
		return s
	}
	var next State
	if s != nil {
		next = *s
	}
	switch e := e.(type) {
	case *Registered:
		next.ID, next.Kind, next.Name = e.ID, e.Kind, e.Name
	case *Renamed:
		next.Name = e.Name
	case *Disabled:
		next.Disabled = true
	}
	return &next
}

// Command is the sealed sum of what can be asked of a principal.
//
//sumtype:decl
type Command interface {
	EffectiveAt() time.Time
	isPrincipalCommand()
}

// Register opens a principal. Repeating it with the same ID and kind makes
// no event.
type Register struct {
	ID   domain.ID
	Kind Kind
	Name personal.Value
}

// Rename replaces the name.
type Rename struct{ Name personal.Value }

// Disable takes every right away, for good.
type Disable struct{}

// EffectiveAt is now.
func (Register) EffectiveAt() time.Time { return time.Time{} }

// EffectiveAt is now.
func (Rename) EffectiveAt() time.Time { return time.Time{} }

// EffectiveAt is now.
func (Disable) EffectiveAt() time.Time { return time.Time{} }

func (Register) isPrincipalCommand() {}
func (Rename) isPrincipalCommand()   {}
func (Disable) isPrincipalCommand()  {}

const maxName = 1 << 10 // bytes

// Decide answers with the events that c makes, or a *domain.Error.
func Decide(s *State, c Command) ([]domain.Event, error) {
	known := s != nil && !s.ID.IsZero()
	if _, registers := c.(Register); !registers && !known {
		return nil, domain.NotFound("principal.unknown", "principal", "there is no such principal: check the ID")
	}
	switch c := c.(type) {
	case Register:
		return register(s, known, c)
	case Rename:
		if s.Disabled {
			return nil, domain.Conflict("principal.disabled", "principal", "this principal is disabled: register a new one")
		}
		if err := validName(c.Name); err != nil {
			return nil, err
		}
		return []domain.Event{&Renamed{Name: c.Name}}, nil
	case Disable:
		if s.Disabled {
			return nil, nil
		}
		return []domain.Event{&Disabled{}}, nil
	}
	return nil, domain.Internal("deciding on a principal without a command of this package", nil)
}

func register(s *State, known bool, c Register) ([]domain.Event, error) {
	switch {
	case known && s.ID == c.ID && s.Kind == c.Kind && !s.Disabled:
		return nil, nil
	case known:
		return nil, domain.Conflict("principal.exists", "principal", "this principal exists already, is of another kind or disabled: register another")
	case c.ID.IsZero():
		return nil, domain.Invalid("principal.id", "id", "a principal has an ID")
	case !c.Kind.Valid():
		return nil, domain.Invalid("principal.kind", "kind", "say whether the principal is a user or a program")
	}
	if err := validName(c.Name); err != nil {
		return nil, err
	}
	return []domain.Event{&Registered{ID: c.ID, Kind: c.Kind, Name: c.Name}}, nil
}

func validName(v personal.Value) error {
	text, ok := v.Reveal()
	if !ok || strings.TrimSpace(text) == "" || len(text) > maxName || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return domain.Invalid("principal.name", "name", "give a name in UTF-8, at most %d bytes", maxName)
	}
	return nil
}
