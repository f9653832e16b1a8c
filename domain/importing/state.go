package importing

import (
	"iter"
	"slices"
	"time"

	"lethe/domain"
)

// State is one import. nil is the empty state, a State is immutable, and
// every method works on it. Lists are kept event by event: there may be
// millions of refused rows.
type State struct {
	Started   *Started
	Completed *Completed
	refused   []*RowsRefused
	links     []*LinksProposed
}

// Refused visits the refused rows and conflicts in the order they were listed.
func (s *State) Refused() iter.Seq[Refusal] {
	return func(yield func(Refusal) bool) {
		if s == nil {
			return
		}
		for _, e := range s.refused {
			for _, r := range e.Rows {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// Links visits the proposed links in the order they were listed.
func (s *State) Links() iter.Seq[Link] {
	return func(yield func(Link) bool) {
		if s == nil {
			return
		}
		for _, e := range s.links {
			for _, l := range e.Links {
				if !yield(l) {
					return
				}
			}
		}
	}
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
	case *Started:
		if next.Started == nil {
			next.Started = e
		}
	case *RowsRefused:
		next.refused = append(next.refused[:len(next.refused):len(next.refused)], e)
	case *LinksProposed:
		next.links = append(next.links[:len(next.links):len(next.links)], e)
	case *Completed:
		if next.Completed == nil {
			next.Completed = e
		}
	}
	return &next
}

// Command is the sealed sum of what can be asked of an import.
//
//sumtype:decl
type Command interface {
	EffectiveAt() time.Time
	isImportCommand()
}

// Start opens an import. Repeating it identically, the file's name aside,
// makes no event: that resumes it.
type Start struct{ Started }

// RefuseRows lists refused rows, of any number: they are split into events.
// A resumed import repeats the command under the same command ID, which the
// ledger answers without asking here.
type RefuseRows struct{ Rows []Refusal }

// ProposeLinks lists proposed links, like RefuseRows.
type ProposeLinks struct{ Links []Link }

// Complete closes the import. Repeating it makes no event.
type Complete struct{ Tables []Table }

// EffectiveAt is now.
func (Start) EffectiveAt() time.Time { return time.Time{} }

// EffectiveAt is now.
func (RefuseRows) EffectiveAt() time.Time { return time.Time{} }

// EffectiveAt is now.
func (ProposeLinks) EffectiveAt() time.Time { return time.Time{} }

// EffectiveAt is now.
func (Complete) EffectiveAt() time.Time { return time.Time{} }

func (Start) isImportCommand()        {}
func (RefuseRows) isImportCommand()   {}
func (ProposeLinks) isImportCommand() {}
func (Complete) isImportCommand()     {}

// Decide answers with the events that c makes, or a *domain.Error.
func Decide(s *State, c Command) ([]domain.Event, error) {
	open := s != nil && s.Started != nil
	if _, starts := c.(Start); !starts && !open {
		return nil, domain.NotFound("import.unknown", "import", "there is no such import: start it first")
	}
	switch c := c.(type) {
	case Start:
		return start(s, open, c)
	case RefuseRows:
		return refuseRows(s, c)
	case ProposeLinks:
		return proposeLinks(s, c)
	case Complete:
		if s.Completed != nil {
			return nil, nil
		}
		for _, t := range c.Tables {
			if !t.Name.Valid() {
				return nil, domain.Invalid("import.table", "tables", "a table's name is malformed")
			}
		}
		return []domain.Event{&Completed{Tables: c.Tables}}, nil
	}
	return nil, domain.Internal("deciding on an import without a command of this package", nil)
}

func start(s *State, open bool, c Start) ([]domain.Event, error) {
	e := c.Started
	if open {
		old := s.Started
		if old.Import == e.Import && old.System == e.System && old.Format == e.Format && old.File == e.File &&
			old.Mapping == e.Mapping && old.Bytes == e.Bytes && old.Marks == e.Marks {
			return nil, nil
		}
		return nil, domain.Conflict("import.other", "import", "this import was started for another file or mapping: start a new one")
	}
	if e.Import.IsZero() || !e.System.Valid() || !e.Format.Valid() || e.File.IsZero() || e.Bytes < 0 {
		return nil, domain.Invalid("import.malformed", "import", "an import names its ID, system, format and the file's digest")
	}
	return []domain.Event{&e}, nil
}

func refuseRows(s *State, c RefuseRows) ([]domain.Event, error) {
	if s.Completed != nil {
		return nil, completed()
	}
	for _, r := range c.Rows {
		if !r.Table.Valid() || !r.Rule.Valid() || (r.Field != "" && !r.Field.Valid()) {
			return nil, domain.Invalid("import.refusal", "rows", "a refusal names its table and rule")
		}
	}
	var events []domain.Event
	for chunk := range slices.Chunk(c.Rows, MaxRefusals) {
		events = append(events, &RowsRefused{Rows: chunk})
	}
	return events, nil
}

func proposeLinks(s *State, c ProposeLinks) ([]domain.Event, error) {
	if s.Completed != nil {
		return nil, completed()
	}
	for _, l := range c.Links {
		if !l.A.Valid() || !l.B.Valid() || l.A == l.B || !l.Ground.Valid() {
			return nil, domain.Invalid("import.link", "links", "a link names two records and a ground")
		}
	}
	var events []domain.Event
	for chunk := range slices.Chunk(c.Links, MaxRefusals) {
		events = append(events, &LinksProposed{Links: chunk})
	}
	return events, nil
}

func completed() error {
	return domain.Conflict("import.completed", "import", "this import is complete: start a new one")
}
