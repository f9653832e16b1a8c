package audit

import (
	"bytes"
	"errors"

	"lethe/eventstore"
)

// State is what earlier runs found clean, so that a later one, of the same
// ledger and program, need not do again what took long.
//
// A unit is skipped only when it is seen to be unchanged in this very run: the
// log and its tree are always read and compared in full; a section's events
// are decoded again unless all its leaves are the same, a view is folded again
// unless each of its rows, and the log that they follow from, is the same. So
// damage that came after the earlier run is found, in units that are skipped
// too. Keys, which can be lost at any time, are always asked for.
type State struct {
	Origin  string `json:"origin" doc:"The log's name"`
	Version string `json:"version" doc:"Of the program that verified"`
	Units   []Unit `json:"units"`
}

// Unit is something that was found clean, with all that its being clean
// follows from.
type Unit struct {
	Section string `json:"section,omitzero" doc:"A full section of the log, whose events decode"`
	First   uint64 `json:"first,omitzero" doc:"Number of its first event"`
	Count   uint64 `json:"count,omitzero"`

	View     string              `json:"view,omitzero" doc:"A view that is what the log gives"`
	Position eventstore.Position `json:"position,omitzero" doc:"Up to which it had seen the log"`
	Sealed   uint64              `json:"sealed,omitzero" doc:"Events that were sealed, the view's among them"`
	Root     []byte              `json:"root,omitzero" doc:"The tree's root over them"`

	Digest []byte `json:"digest" doc:"SHA-256 of the section's leaf hashes, or of the view's rows"`
}

// Same reports whether two units are about the same thing.
func (u Unit) Same(o Unit) bool { return u.Section == o.Section && u.View == o.View }

func (u Unit) equal(o Unit) bool {
	return u.Same(o) && u.First == o.First && u.Count == o.Count && u.Position == o.Position && bytes.Equal(u.Digest, o.Digest)
}

// Errors of a state that is given to a run.
var (
	ErrOtherLedger  = errors.New("the state is of another ledger: name another file, or remove it")
	ErrOtherVersion = errors.New("the state was made by another version of the program: name another file, or remove it")
)

// matches refuses a state that says nothing about what is to be verified. A
// new one is empty.
func (s *State) matches(b Begun) error {
	switch {
	case s == nil || s.Origin == "" && len(s.Units) == 0:
		return nil
	case s.Origin != b.Origin:
		return ErrOtherLedger
	case s.Version != b.Version:
		return ErrOtherVersion
	}
	return nil
}

// find gives the unit that an earlier run found clean.
func (s *State) find(u Unit) (Unit, bool) {
	if s != nil {
		for _, known := range s.Units {
			if known.equal(u) {
				return known, true
			}
		}
	}
	return Unit{}, false
}

// unchanged reports whether an earlier run found a unit clean that is as it
// was: the log must fit the tree now, and begin as it did then.
func (r *run) unchanged(u Unit) bool {
	if r.found.of(StepLog)+r.found.of(StepCheckpoints) > 0 {
		return false
	}
	known, ok := r.req.Known.find(u)
	if !ok || u.View == "" {
		return ok
	}
	if known.Sealed > r.tree.size {
		return false
	}
	root, err := r.tree.rootAt(known.Sealed)
	return err == nil && bytes.Equal(root[:], known.Root)
}
