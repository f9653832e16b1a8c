package subject

import (
	"cmp"
	"slices"

	"lethe/domain"
)

// Field is one value of a person as it stands, and for whom it is held.
type Field struct {
	Item
	Source   Source
	Purposes []domain.Name // that hold it, in order of recording
	EventID  domain.ID     // the event that it is sealed in
	Revision uint64
	At       *domain.Recorded // the event that set it
	// Earlier is the lifecycle of a value that an erasure had to leave, when a
	// later one has opened: it goes when what keeps it ends. 0 otherwise.
	Earlier uint32
	// Lost: it was to stay, and is lost with the events that carried it over to
	// another key (see ErasureReapplied). It does not open, and was not erased.
	Lost bool
}

// Ref names the value's place.
func (f *Field) Ref() ValueRef { return ValueRef{f.Field, f.Slot, f.Earlier} }

// fields folds by order of recording: the newest recorded value counts,
// whatever its effective time. Sorted by field and slot.
func (s *State) fields(w window) []Field { return s.foldFields(w, func(Field) {}) }

// foldFields also tells each value that another took the place of, as it was
// held until then.
func (s *State) foldFields(w window, replaced func(Field)) []Field {
	var list []Field
	set := func(r *domain.Recorded, item Item, source Source, purpose domain.Name) {
		i := place(list, item, purpose == "")
		if i < 0 {
			if purpose == "" {
				return // rectifying what is not held means nothing
			}
			i, list = len(list), append(list, Field{})
		} else {
			replaced(list[i])
		}
		held := list[i].Purposes
		if purpose != "" && !slices.Contains(held, purpose) {
			held = append(held, purpose)
		}
		list[i] = Field{Item: item, Source: source, Purposes: held, EventID: r.ID, Revision: r.Revision, At: r, Earlier: list[i].Earlier}
	}
	entries, kinds := s.Entries(), s.kinds()
	for i := range entries {
		r := &entries[i]
		if kinds[i].topic != aboutFields && kinds[i].topic != aboutErasure || !w.known(r) {
			continue
		}
		switch e := r.Event.(type) {
		case *LifecycleOpened:
			list = outlived(list, e)
		case *FieldsRecorded:
			for _, item := range e.Items {
				set(r, item, e.Source, e.Purpose)
			}
		case *FieldsRectified:
			for _, item := range e.Items {
				set(r, item, e.Source, "")
			}
		case *FieldRemoved:
			list = removed(list, e)
		case *ValuesResealed:
			list = resealed(list, e, r)
		case *ErasureReapplied:
			list = reapplied(list, e)
		}
	}
	slices.SortFunc(list, func(a, b Field) int {
		return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Earlier, b.Earlier))
	})
	return list
}

// place finds the value that an item takes the place of, -1 for none. What is
// recorded leaves those of an earlier lifecycle alone; rectifying may be about
// the newest of them.
func place(list []Field, item Item, rectifies bool) int {
	found := -1
	for i := range list {
		f := &list[i]
		switch {
		case f.Field != item.Field || f.Slot != item.Slot:
		case f.Earlier == 0:
			return i
		case rectifies && (found < 0 || f.Earlier > list[found].Earlier):
			found = i
		}
	}
	return found
}

// outlived drops the values of the groups that were erased, and notes which
// ones an erasure had to leave.
func outlived(list []Field, e *LifecycleOpened) []Field {
	list = slices.DeleteFunc(list, func(f Field) bool { return slices.Contains(e.Groups, f.Group) })
	for i := range list {
		if list[i].Earlier == 0 && slices.Contains(e.Waits, list[i].Group) {
			list[i].Earlier = e.Number - 1
		}
	}
	return list
}

// resealed points the values that stay to where they are sealed now, and drops
// those that went. All else of a value is as it was.
func resealed(list []Field, e *ValuesResealed, r *domain.Recorded) []Field {
	for _, it := range e.Items {
		for i := range list {
			if list[i].Field == it.Field && list[i].Slot == it.Slot && list[i].EventID == it.From {
				list[i].Value, list[i].EventID, list[i].Revision = it.Value, r.ID, r.Revision
			}
		}
	}
	return slices.DeleteFunc(list, func(f Field) bool {
		return slices.Contains(e.Dropped, f.Ref())
	})
}

// reapplied drops the values that were to go, and notes which ones are lost.
func reapplied(list []Field, e *ErasureReapplied) []Field {
	list = slices.DeleteFunc(list, func(f Field) bool { return slices.Contains(e.Erased, f.Ref()) })
	for i := range list {
		list[i].Lost = list[i].Lost || slices.Contains(e.Lost, list[i].Ref())
	}
	return list
}

// removed takes the purpose out of the field's values and drops those that no
// purpose holds any more.
func removed(list []Field, e *FieldRemoved) []Field {
	kept := list[:0]
	for _, f := range list {
		if f.Field == e.Field {
			f.Purposes = slices.DeleteFunc(f.Purposes, func(p domain.Name) bool { return p == e.Purpose })
		}
		if len(f.Purposes) > 0 {
			kept = append(kept, f)
		}
	}
	return kept
}

// contactChanged reports whether a value was set or lost since an event, as
// far as that was known and in effect.
func (s *State) contactChanged(w window, field domain.Name, slot uint16, since *domain.Recorded) bool {
	var holders []domain.Name
	var group domain.Name
	entries, kinds := s.Entries(), s.kinds()
	for i := range entries {
		r := &entries[i]
		if kinds[i].topic != aboutFields && kinds[i].topic != aboutErasure || !w.known(r) {
			continue
		}
		touched := false
		switch e := r.Event.(type) {
		case *LifecycleOpened:
			if touched = slices.Contains(e.Groups, group); touched || slices.Contains(e.Waits, group) {
				holders = nil
			}
		case *FieldsRecorded:
			if touched = names(e.Items, field, slot); touched && !slices.Contains(holders, e.Purpose) {
				holders = append(holders, e.Purpose)
			}
			for _, item := range e.Items {
				if item.Field == field {
					group = item.Group
				}
			}
		case *FieldsRectified:
			touched = names(e.Items, field, slot)
		case *FieldRemoved:
			if e.Field == field {
				holders = slices.DeleteFunc(holders, func(p domain.Name) bool { return p == e.Purpose })
				touched = len(holders) == 0
			}
		}
		if touched && r.Revision > since.Revision && w.holds(r) {
			return true
		}
	}
	return false
}

func names(items []Item, field domain.Name, slot uint16) bool {
	return slices.ContainsFunc(items, func(i Item) bool { return i.Field == field && i.Slot == slot })
}
